//! How long it takes until the calls of a worker that was killed run elsewhere. It is killed when its leases have longest
//! to go: they begin anew when they are extended.

use std::future::ready;
use std::time::Duration;

use anyhow::Context;
use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

use super::{CONNECTIONS, Fabric, PATIENCE, path};
use crate::bench::caller;
use crate::bench::figure::{Samples, Who};
use crate::bench::function::Hit;
use crate::bench::place::Place;
use crate::jetstream::once;

/// Calls that run when their worker is killed, and how long they would take.
const CALLS: usize = 20;
const TAKES: u64 = 60_000;
/// How many calls at once the worker takes: these and few others.
const PERMITS: &str = "24";
/// Others, which take more than half of what the other worker runs at once: it has no permits left to wait for calls with.
const BUSY: usize = 160;
/// What a worker tells the server to extend a lease.
const EXTEND: &[u8] = b"+WPI";

pub(super) async fn run(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    for (key, busy) in [("recovery_s", 0), ("recovery_busy_s", BUSY)] {
        samples.add(key, Who::Fabric, recovery(place, busy).await?.as_secs_f64());
        place.function.forget();
        place.clear().await?;
    }
    Ok(())
}

async fn recovery(place: &Place, busy: usize) -> anyhow::Result<Duration> {
    let prefix = place.name();
    let fabric = Fabric::start(place, &prefix, &[]).await?;
    for name in ["f", "busy"] {
        fabric.gateway.register(name, &place.function.url(TAKES), &[]).await?;
    }
    let worker = fabric.worker(&["--max-inflight", PERMITS]).await?;
    caller::post_all(&fabric.gateway.public, &[path("f")], 0..CALLS, CALLS).await?;
    place.function.reached(CALLS, PATIENCE).await?;
    let other = fabric.worker(&[]).await?;
    caller::post_all(&fabric.gateway.public, &[path("busy")], CALLS..CALLS + busy, CONNECTIONS).await?;
    place.function.reached(CALLS + busy, PATIENCE).await?;

    let server = place.server()?;
    let client = once(&server.url, &server.access, "fabric bench").await?;
    let acks = client.subscribe("$JS.ACK.>").await?;
    timeout(PATIENCE, extended(acks, &prefix)).await.context("no lease was extended")?;
    let killed = Instant::now();
    worker.kill().await?;
    let is_again = |hit: &&Hit| hit.number < CALLS && hit.began >= killed;
    let hits = place.function.counted(CALLS, |hits| hits.iter().filter(is_again).count(), PATIENCE).await?;
    let last = hits.iter().filter(is_again).map(|hit| hit.began).max().context("nothing ran again")?;
    // The time in which nothing was due yet is of no interest to anybody.
    other.kill().await?;
    Ok(last.duration_since(killed))
}

/// Waits until as many leases of calls were extended as there are.
async fn extended(acks: Subscriber, prefix: &str) {
    // The stream's name, and the consumer's.
    let marks = [prefix.to_ascii_uppercase(), ".f_".to_owned()];
    let is_one = |ack: &Message| ack.payload == EXTEND && marks.iter().all(|mark| ack.subject.contains(mark));
    acks.filter(|ack| ready(is_one(ack))).take(CALLS).for_each(|_| ready(())).await;
}
