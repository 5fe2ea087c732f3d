//! What a worker runs, and how much of it.

use std::time::Duration;

use clap::Args;
use proto::Queue;

use super::value::{lease, named_count};

/// What a worker runs.
#[derive(Debug, Args)]
pub struct Work {
    /// A queue to serve; may be repeated. Without any, every queue that a function names.
    #[arg(long = "queue", value_delimiter = ',', value_parser = Queue::parse, value_name = "NAME")]
    pub queues: Vec<Queue>,
    /// Calls of all queues together that this process runs at once; what came of as many others may be being stored.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub max_inflight: u32,
    /// A queue's share of them while all are in use, beside others of weight 1; may be repeated.
    #[arg(long = "queue-weight", value_delimiter = ',', value_parser = named_count, value_name = "QUEUE=N")]
    pub queue_weights: Vec<(Queue, u32)>,
    /// Calls of a queue that this process runs at once, whatever is free; may be repeated.
    #[arg(long = "queue-inflight", value_delimiter = ',', value_parser = named_count, value_name = "QUEUE=N")]
    pub queue_inflight: Vec<(Queue, u32)>,
    /// How long a call stays with a worker that says nothing; a killed worker's calls run again after it.
    #[arg(long, default_value = "9s", value_parser = lease, value_name = "DURATION")]
    pub lease: Duration,
}
