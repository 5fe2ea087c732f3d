//! `fabric setup`

use clap::Args;
use proto::Queue;
use proto::subject::Subjects;

use super::access::Access;

/// `fabric setup`
#[derive(Debug, Args)]
pub struct Setup {
    /// The NATS server.
    #[arg(long, value_name = "URL")]
    pub broker: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub access: Access,
    /// What the names of streams and subjects begin with.
    #[arg(long, default_value = "fabric", value_parser = Subjects::new, value_name = "NAME")]
    pub prefix: Subjects,
    /// Replicas of each stream that is made.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub replicas: usize,
    /// Streams over which the functions of a queue are spread, as a process is told.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), value_name = "N")]
    pub shards: Option<u16>,
    /// Calls that may wait in a queue that is made.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub queue_backlog: u64,
    /// Calls of one function that may wait in it.
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub function_backlog: u64,
    /// A queue that there is to be beside `default` and `callbacks`. May be repeated.
    #[arg(long = "queue", value_parser = Queue::parse, value_name = "QUEUE")]
    pub queues: Vec<Queue>,
}
