//! How long it takes until the calls of a worker that was killed run elsewhere.

use std::time::Duration;

use anyhow::Context;
use tokio::time::Instant;

use super::{Fabric, PATIENCE, path};
use crate::bench::caller;
use crate::bench::figure::{Samples, Who};
use crate::bench::place::Place;

/// Calls that run when their worker is killed, and how long they would take.
const CALLS: usize = 20;
const TAKES: u64 = 30_000;

pub(super) async fn run(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    let prefix = place.name();
    let fabric = Fabric::start(place, &prefix, &[]).await?;
    fabric.gateway.register("f", &place.function.url(TAKES), &[]).await?;
    let worker = fabric.worker(&[]).await?;
    caller::post_all(&fabric.gateway.public, &[path("f")], CALLS, CALLS).await?;
    place.function.reached(CALLS, PATIENCE).await?;
    let other = fabric.worker(&[]).await?;
    let killed = Instant::now();
    worker.kill().await?;
    let hits = place.function.reached(2 * CALLS, PATIENCE).await?;
    let last = hits.iter().map(|hit| hit.began).max().context("nothing ran")?;
    samples.add("recovery_s", Who::Fabric, last.duration_since(killed).as_secs_f64());
    // The time in which nothing was due yet is of no interest to anybody.
    other.kill().await?;
    place.function.forget();
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(())
}
