//! What two functions get of a worker that is full, one of short calls and one of long ones.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{CONNECTIONS, Fabric, PATIENCE, path};
use crate::bench::caller;
use crate::bench::figure::{Samples, Who};
use crate::bench::function::Hit;
use crate::bench::place::Place;

/// What calls of the one take, and of the other.
const TAKE: [u64; 2] = [20, 200];
/// Enough calls of both together that neither's backlog ends.
const CALLS: usize = 12_000;
const PERMITS: &str = "16";
/// When it is looked at after the first call, and for how long.
const AFTER: Duration = Duration::from_secs(1);
const FOR: Duration = Duration::from_secs(4);

pub(super) async fn run(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    let prefix = place.name();
    let fabric = Fabric::start(place, &prefix, &[]).await?;
    let names = ["short", "long"];
    for (name, takes) in names.iter().zip(TAKE) {
        fabric.gateway.register(name, &place.function.url(takes), &[]).await?;
    }
    caller::post_all(&fabric.gateway.public, &names.map(path), 0..CALLS, CONNECTIONS).await?;
    let worker = fabric.worker(&["--max-inflight", PERMITS]).await?;
    place.function.reached(1, PATIENCE).await?;
    sleep(AFTER).await;
    let from = Instant::now();
    sleep(FOR).await;
    let hits = place.function.hits();
    worker.kill().await?;
    place.function.forget();
    let got = TAKE.map(|takes| slot_time(&hits, Duration::from_millis(takes), from, from + FOR));
    let total: f64 = got.iter().sum();
    let least = got.into_iter().fold(f64::INFINITY, f64::min);
    samples.add("fair_share", Who::Fabric, least / (total / got.len() as f64));
    Ok(())
}

/// How long calls that take so long ran between two instants, together, in seconds.
fn slot_time(hits: &[Hit], takes: Duration, from: Instant, to: Instant) -> f64 {
    let runs = hits.iter().filter(|hit| hit.takes == takes);
    let within = runs.map(|hit| hit.ended.unwrap_or(to).min(to).saturating_duration_since(hit.began.max(from)));
    within.map(|time| time.as_secs_f64()).sum()
}
