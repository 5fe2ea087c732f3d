//! The command line: every command and every flag. Each flag is also read from `FABRIC_<FLAG>` and from a
//! file: [`crate::config`].

mod access;
mod apply;
mod authentication;
mod bench;
mod broker;
mod call;
mod callbacks;
mod change;
mod completions;
mod config;
mod dead;
mod doctor;
mod drain;
mod function;
mod health;
mod invoke;
mod key;
mod listen;
mod log;
mod metrics;
mod openfaas;
mod operator;
mod process;
mod queue;
mod reach;
mod setup;
mod tail;
mod top;
mod traces;
mod tree;
mod value;
mod watchdog;
mod why;
mod work;
mod workers;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::telemetry::LogFormat;

pub use self::access::{Access, Identity};
pub use self::apply::Apply;
pub use self::authentication::Authentication;
pub use self::bench::{Bench, BenchLoop};
pub use self::broker::{Broker, Records, Streams, Where};
pub use self::call::{CallCommand, Calls};
pub use self::callbacks::{Callbacks, MAX_RESULT};
pub use self::change::{Condition, Confirmation};
pub use self::completions::Completions;
pub use self::config::Config;
pub use self::dead::{DeadCommand, DeadLetters, Which};
pub use self::doctor::Doctor;
pub use self::drain::Drain;
pub use self::function::{Backlog, FunctionCommand, Functions, SetFunction, Usual};
pub use self::health::{Asked, Health};
pub use self::invoke::Invoke;
pub use self::key::{KeyCommand, Keys};
pub use self::listen::Listen;
pub use self::log::Logs;
pub use self::metrics::Metrics;
pub use self::openfaas::{Begin, OpenFaas, Upstreams};
pub use self::operator::{Operator, SHARED};
pub use self::process::{Dev, Gateway, Process, Serve, Worker};
pub use self::queue::{QueueCommand, Queues, SetQueue};
pub use self::reach::{Output, Public, Reach};
pub use self::setup::Setup;
pub use self::tail::Tail;
pub use self::top::Top;
pub use self::traces::Traces;
pub use self::tree::Tree;
pub use self::value::Upstream;
pub use self::watchdog::{Mode as WatchdogMode, Watchdog};
pub use self::why::Why;
pub use self::work::Work;
pub use self::workers::WorkerCommand;

/// Runs functions asynchronously: takes calls over HTTP, keeps them durably, invokes, retries, calls back.
#[derive(Debug, Parser)]
#[command(name = "fabric", version, propagate_version = true)]
pub struct Cli {
    /// What to log: error, warn, info, debug, trace, or a filter such as `info,fabric::jetstream=debug`.
    #[arg(long, global = true, default_value = "info", value_parser = value::filter, value_name = "FILTER")]
    pub log: String,
    /// How lines of the log are written.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// A TOML file in which options are named as their flags are: `max-inflight = 64`.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its variants are documented")]
    Process(Process),
    /// Show what every option is, and whether a flag, the environment, a file or the default says so.
    Config(Config),
    /// Print what makes a shell complete commands, flags and values.
    Completions(Completions),
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its variants are documented")]
    Operator(Operator),
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
        assert!(parse("fabric worker list --output json").is_ok());
        for bad in [
            "fabric serve",
            "fabric serve --broker nats://x --data-dir y",
            "fabric gateway --broker nats://x --prefix a.b",
            "fabric worker --broker nats://x --lease 1ms",
            "fabric worker --broker nats://x --grace 60",
            "fabric dev --function nonsense",
            "fabric dev --function a_b=http://x",
            "fabric dev --max-inflight 0",
            "fabric worker --broker nats://x list",
            "fabric invoke f --wait",
            "fabric function set f -f x.json --rate 5/s",
            "fabric queue purge q --yes --dry-run",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
