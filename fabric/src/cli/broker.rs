//! Where calls are kept, how, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use proto::subject::Subjects;

use super::access::Access;
use super::value::duration;

/// Where calls are kept.
#[derive(Debug, Args)]
#[group(required = true, multiple = false, id = "where")]
pub struct Where {
    /// A NATS server with JetStream, 2.12 or newer: nats://[user:password@]host:port, or tls://.
    #[arg(long, value_name = "URL")]
    pub broker: Option<String>,
    /// Keep everything in this directory instead: one process, no server.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Where calls are kept, and how.
#[derive(Debug, Args)]
pub struct Broker {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub place: Where,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub access: Access,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub streams: Streams,
}

/// The streams of a fabric: what they are called, and how much they hold.
#[derive(Debug, Args)]
pub struct Streams {
    /// What the names of streams and subjects begin with, so that several fabrics can share an account.
    #[arg(long, default_value = "fabric", value_parser = Subjects::new, value_name = "NAME")]
    pub prefix: Subjects,
    /// Replicas of each stream, when it is created.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub replicas: usize,
    /// Streams over which the functions of a queue are spread: of new queues, and of empty ones that have fewer. One,
    /// or as many as a queue has, if absent; aim at 50 active functions each.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), value_name = "N")]
    pub shards: Option<u16>,
    /// Calls that may wait in a queue; more are refused with 429.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub queue_backlog: u64,
    /// Calls of one function that may wait; more are refused with 429.
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub function_backlog: u64,
}

/// What is told of calls that have ended.
#[derive(Debug, Args)]
pub struct Records {
    /// How long the record of a call, its result included, is kept after its end; 0s keeps none. The same for gateways
    /// and workers.
    #[arg(long, default_value = "1h", value_parser = duration, value_name = "DURATION")]
    pub keep_calls: Duration,
}
