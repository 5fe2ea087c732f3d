//! The command line: every command and every flag. Each flag is also read from `FABRIC_<FLAG>`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use proto::subject::Subjects;
use proto::{Function, Queue};
use url::Url;

/// The largest result that a callback carries unless somebody says otherwise, in bytes.
pub const MAX_RESULT: usize = 1024 * 1024;
/// What bodies and results may be made to be at the most: they are held in memory while they are on their way.
const SIZE_MAX: u64 = 512 * 1024 * 1024;

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

/// `fabric dev`
#[derive(Debug, Args)]
pub struct Dev {
    /// Where calls and functions are kept.
    #[arg(long, env = "FABRIC_DATA_DIR", default_value = ".fabric", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// A function of yours: where it answers. May be repeated.
    #[arg(long = "function", value_parser = named_url, value_name = "NAME=URL")]
    pub functions: Vec<(Function, Url)>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub records: Records,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub listen: Listen,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub work: Work,
}

/// `fabric serve`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "flattened: their fields are documented")]
pub struct Serve {
    #[command(flatten)]
    pub broker: Broker,
    #[command(flatten)]
    pub records: Records,
    #[command(flatten)]
    pub listen: Listen,
    #[command(flatten)]
    pub work: Work,
    #[command(flatten)]
    pub callbacks: Callbacks,
    #[command(flatten)]
    pub drain: Drain,
}

/// `fabric gateway`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "flattened: their fields are documented")]
pub struct Gateway {
    #[command(flatten)]
    pub broker: Broker,
    #[command(flatten)]
    pub records: Records,
    #[command(flatten)]
    pub listen: Listen,
    #[command(flatten)]
    pub drain: Drain,
}

/// `fabric worker`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "flattened: their fields are documented")]
pub struct Worker {
    #[command(flatten)]
    pub broker: Broker,
    #[command(flatten)]
    pub records: Records,
    /// Health, readiness and the admin API.
    #[arg(long, env = "FABRIC_ADMIN_LISTEN", default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub admin_listen: SocketAddr,
    #[command(flatten)]
    pub work: Work,
    #[command(flatten)]
    pub callbacks: Callbacks,
    #[command(flatten)]
    pub drain: Drain,
}

/// `fabric bench`
#[derive(Debug, Args)]
#[group(id = "measured", required = true, multiple = true, args = ["broker", "data_dir"])]
pub struct Bench {
    /// A NATS server to measure on: what it makes there has names of its own, and is removed.
    #[arg(long, env = "FABRIC_BROKER", hide_env_values = true, value_name = "URL")]
    pub broker: Option<String>,
    /// A directory in which the embedded broker is measured; what it makes there is removed.
    #[arg(long, env = "FABRIC_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// How often everything is measured; what counts is the median.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub rounds: usize,
    /// How many calls a rate is measured with.
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pub calls: usize,
    /// Only these measurements: footprint, enqueue, drain, latency, recovery, fairness, lanes, embedded.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub only: Vec<String>,
    /// Write the results to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw the results into this directory as SVG.
    #[arg(long, value_name = "DIR")]
    pub plots: Option<PathBuf>,
}

/// `fabric bench-loop`
#[derive(Debug, Args)]
pub struct BenchLoop {
    /// The NATS server.
    #[arg(long, env = "FABRIC_BROKER", hide_env_values = true)]
    pub broker: String,
    /// The stream.
    pub stream: String,
    /// Where each message is posted to.
    pub target: String,
    /// How many at once.
    pub concurrency: usize,
}

/// Where calls are kept.
#[derive(Debug, Args)]
#[group(required = true, multiple = false, id = "where")]
pub struct Where {
    /// A NATS server with JetStream, 2.12 or newer: nats://[user:password@]host:port.
    #[arg(long, env = "FABRIC_BROKER", hide_env_values = true, value_name = "URL")]
    pub broker: Option<String>,
    /// Keep everything in this directory instead: one process, no server.
    #[arg(long, env = "FABRIC_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Where calls are kept, and how.
#[derive(Debug, Args)]
pub struct Broker {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub place: Where,
    /// What the names of streams and subjects begin with, so that several fabrics can share an account.
    #[arg(long, env = "FABRIC_PREFIX", default_value = "fabric", value_parser = Subjects::new, value_name = "NAME")]
    pub prefix: Subjects,
    /// Replicas of each stream, when it is created.
    #[arg(long, env = "FABRIC_REPLICAS", default_value_t = 1, value_name = "N")]
    pub replicas: usize,
    /// Streams over which the functions of a queue are spread: of new queues, and of empty ones that have fewer. One,
    /// or as many as a queue has, if absent; aim at 50 active functions each.
    #[arg(long, env = "FABRIC_SHARDS", value_parser = clap::value_parser!(u16).range(1..), value_name = "N")]
    pub shards: Option<u16>,
    /// Calls that may wait in a queue; more are refused with 429.
    #[arg(long, env = "FABRIC_QUEUE_BACKLOG", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub queue_backlog: u64,
    /// Calls of one function that may wait; more are refused with 429.
    #[arg(long, env = "FABRIC_FUNCTION_BACKLOG", default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub function_backlog: u64,
}

/// What is told of calls that have ended.
#[derive(Debug, Args)]
pub struct Records {
    /// How long the record of a call, its result included, is kept after its end; 0s keeps none. The same for gateways
    /// and workers.
    #[arg(long, env = "FABRIC_KEEP_CALLS", default_value = "1h", value_parser = duration, value_name = "DURATION")]
    pub keep_calls: Duration,
}

/// The listeners of a gateway.
#[derive(Debug, Args)]
pub struct Listen {
    /// Calls.
    #[arg(long, env = "FABRIC_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Health, readiness and the admin API.
    #[arg(long, env = "FABRIC_ADMIN_LISTEN", default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub admin_listen: SocketAddr,
    /// The largest body of an asynchronous call, up to 512MiB; more is refused with 413. What a NATS server does not
    /// take as a message is kept aside in pieces.
    #[arg(long, env = "FABRIC_MAX_BODY", default_value = "1MiB", value_parser = size, value_name = "SIZE")]
    pub max_body: usize,
}

/// What a worker runs.
#[derive(Debug, Args)]
pub struct Work {
    /// A queue to serve; may be repeated. Without any, every queue that a function names.
    #[arg(long = "queue", env = "FABRIC_QUEUE", value_delimiter = ',', value_parser = Queue::parse, value_name = "NAME")]
    pub queues: Vec<Queue>,
    /// Calls of all queues together that this process runs at once.
    #[arg(long, env = "FABRIC_MAX_INFLIGHT", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub max_inflight: u32,
    /// A queue's share of them while all are in use, beside others of weight 1; may be repeated.
    #[arg(long = "queue-weight", env = "FABRIC_QUEUE_WEIGHT", value_delimiter = ',', value_parser = named_count, value_name = "QUEUE=N")]
    pub queue_weights: Vec<(Queue, u32)>,
    /// Calls of a queue that this process runs at once, whatever is free; may be repeated.
    #[arg(long = "queue-inflight", env = "FABRIC_QUEUE_INFLIGHT", value_delimiter = ',', value_parser = named_count, value_name = "QUEUE=N")]
    pub queue_inflight: Vec<(Queue, u32)>,
    /// How long a call stays with a worker that says nothing; a killed worker's calls run again after it.
    #[arg(long, env = "FABRIC_LEASE", default_value = "10s", value_parser = lease, value_name = "DURATION")]
    pub lease: Duration,
}

/// Where callbacks may go.
#[derive(Debug, Args)]
pub struct Callbacks {
    /// Let callbacks go to loopback, private and link-local addresses.
    #[arg(long, env = "FABRIC_ALLOW_PRIVATE_CALLBACKS")]
    pub allow_private_callbacks: bool,
    /// The largest result that a callback carries; of a larger one its receiver is told the length.
    #[arg(long, env = "FABRIC_MAX_RESULT", default_value_t = MAX_RESULT, value_parser = size, value_name = "SIZE")]
    pub max_result: usize,
}

/// How a process ends.
#[derive(Debug, Args)]
pub struct Drain {
    /// After a signal, go on accepting for this long with readiness withdrawn, so that load balancers move on.
    #[arg(long, env = "FABRIC_PRE_STOP", default_value = "5s", value_parser = duration, value_name = "DURATION")]
    pub pre_stop: Duration,
    /// How long calls in flight may take to finish; what is left is given back to other workers. If absent, as long as
    /// the longest timeout of any function.
    #[arg(long, env = "FABRIC_GRACE", value_parser = duration, value_name = "DURATION")]
    pub grace: Option<Duration>,
}

fn named_url(text: &str) -> Result<(Function, Url), String> {
    let (name, url) = text.split_once('=').ok_or("must be NAME=URL, such as resize=http://127.0.0.1:9000")?;
    let function = Function::parse(name).map_err(|error| error.to_string())?;
    let url = Url::parse(url).map_err(|error| format!("{url:?} is not a URL: {error}"))?;
    Ok((function, url))
}

fn named_count(text: &str) -> Result<(Queue, u32), String> {
    let (name, count) = text.split_once('=').ok_or("must be QUEUE=N, such as default=64")?;
    let queue = Queue::parse(name).map_err(|error| error.to_string())?;
    match count.parse() {
        Ok(count @ 1..) => Ok((queue, count)),
        _ => Err(format!("{count:?} is not a whole number above 0")),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write 90s or 1h30m"))
}

fn lease(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        lease if lease >= Duration::from_millis(500) => Ok(lease),
        _ => Err("must be at least 500ms: it is renewed every third of it".into()),
    }
}

fn size(text: &str) -> Result<usize, String> {
    match parse_size::parse_size(text) {
        Ok(bytes) if bytes <= SIZE_MAX => usize::try_from(bytes).map_err(|error| error.to_string()),
        Ok(_) => Err("must be at most 512MiB".into()),
        Err(error) => Err(format!("{error}; write 256KiB or 1MiB")),
    }
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
