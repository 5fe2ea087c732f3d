//! `fabric setup`: what a fabric needs on a NATS server, made by one who may.

use actors::port::broker::Quotas;
use proto::Queue;

use crate::cli::{Setup, Streams};
use crate::jetstream::{JetStream, Settings};

pub(super) async fn run(args: Setup) -> anyhow::Result<()> {
    let Streams { prefix, replicas, shards, queue_backlog, function_backlog } = args.streams;
    let settings = Settings {
        access: args.access.to(&args.broker)?,
        url: args.broker,
        subjects: prefix,
        replicas,
        shards,
        quotas: Quotas { queue: queue_backlog, function: function_backlog },
        payload_len_max: 0,
    };
    let store = JetStream::connect(settings).await?;
    let queues = [Queue::default(), Queue::callbacks()].into_iter().chain(args.queues);
    for queue in queues {
        let streams = store.make_queue(&queue).await?;
        super::say(format_args!("queue {queue}: {}", streams.join(", ")))?;
    }
    store.close().await;
    super::say("all is there that a fabric needs")
}
