//! `fabric setup`

use clap::Args;
use proto::Queue;

use super::access::Access;
use super::broker::Streams;

/// `fabric setup`
#[derive(Debug, Args)]
pub struct Setup {
    /// The NATS server.
    #[arg(long, value_name = "URL")]
    pub broker: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub access: Access,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub streams: Streams,
    /// A queue that there is to be beside `default` and `callbacks`. May be repeated.
    #[arg(long = "queue", value_parser = Queue::parse, value_name = "QUEUE")]
    pub queues: Vec<Queue>,
}
