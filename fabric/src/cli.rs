//! The command line: every command and every flag. Each flag is also read from `FABRIC_<FLAG>`.

mod bench;
mod broker;
mod callbacks;
mod drain;
mod listen;
mod process;
mod value;
mod work;

use clap::{Parser, Subcommand};

pub use self::bench::{Bench, BenchLoop};
pub use self::broker::{Broker, Records, Where};
pub use self::callbacks::{Callbacks, MAX_RESULT};
pub use self::drain::Drain;
pub use self::listen::Listen;
pub use self::process::{Dev, Gateway, Serve, Worker};
pub use self::work::Work;

/// Runs functions asynchronously: takes calls over HTTP, keeps them durably, invokes, retries, calls back.
#[derive(Debug, Parser)]
#[command(name = "fabric", version, propagate_version = true)]
pub struct Cli {
    /// What to log: error, warn, info, debug, trace, or a filter such as `info,fabric::jetstream=debug`.
    #[arg(long, global = true, env = "FABRIC_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Everything in one process, with demo functions, on this machine only: the place to begin.
    Dev(Dev),
    /// Gateway and worker in one process.
    Serve(Serve),
    /// Only accept calls; workers elsewhere run them.
    Gateway(Gateway),
    /// Only run calls that gateways accepted.
    Worker(Worker),
    /// Measure what Fabric does on this machine, beside programs that do nothing else.
    Bench(Bench),
    /// The loop that it is compared with: pull, POST, acknowledge.
    #[command(hide = true)]
    BenchLoop(BenchLoop),
    /// The server that it is compared with.
    #[command(hide = true)]
    BenchServer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn where_calls_are_kept_is_said_once() {
        let parse = |args: &str| Cli::try_parse_from(args.split(' '));
        assert!(parse("fabric serve --broker nats://x").is_ok());
        assert!(parse("fabric worker --data-dir x").is_ok());
        for bad in [
            "fabric serve",
            "fabric serve --broker nats://x --data-dir y",
            "fabric gateway --broker nats://x --prefix a.b",
            "fabric worker --broker nats://x --lease 1ms",
            "fabric worker --broker nats://x --grace 60",
            "fabric dev --function nonsense",
            "fabric dev --function a_b=http://x",
            "fabric dev --max-inflight 0",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
