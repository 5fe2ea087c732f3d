//! What a worker needs before it does anything, for functions that are registered, and for those that are active, each at
//! an address of its own.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{CONNECTIONS, Fabric, PATIENCE, drain, path};
use crate::bench::bare;
use crate::bench::caller;
use crate::bench::child::Child;
use crate::bench::figure::{Samples, Who};
use crate::bench::place::Place;

/// Functions that are registered, and those of them that become active.
const REGISTERED: usize = 5000;
const ACTIVE: usize = 1000;
/// How long memory is given to settle.
const SETTLES: Duration = Duration::from_secs(2);

pub(super) async fn run(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    bare_loop_alone(place, samples).await?;

    let prefix = place.name();
    let fabric = Fabric::start(place, &prefix, &["--shards", "16"]).await?;
    let worker = fabric.worker(&[]).await?;
    samples.add("start_ms", Who::Fabric, worker.ready_after.as_secs_f64() * 1000.0);
    let Some(fresh) = settled(&worker).await? else { return Ok(()) };
    samples.add("idle_mb", Who::Fabric, fresh / (1024.0 * 1024.0));

    let names: Vec<String> = (0..REGISTERED).map(|n| format!("f{n}")).collect();
    let apart = place.function.apart(ACTIVE).await?;
    for (name, url) in names.iter().zip(apart.urls.iter().cycle()) {
        fabric.gateway.register(name, url, &[]).await?;
    }
    let Some(registered) = settled(&worker).await? else { return Ok(()) };
    samples.add("idle_function_kb", Who::Fabric, (registered - fresh) / 1024.0 / REGISTERED as f64);

    let paths: Vec<String> = names.iter().take(ACTIVE).map(|name| path(name)).collect();
    caller::post_all(&fabric.gateway.public, &paths, 0..ACTIVE, CONNECTIONS).await?;
    place.function.reached(ACTIVE, PATIENCE).await?;
    let Some(active) = settled(&worker).await? else { return Ok(()) };
    samples.add("active_function_kb", Who::Fabric, (active - registered) / 1024.0 / ACTIVE as f64);
    place.function.forget();
    worker.kill().await
}

/// The bare loop until it pulls, and while there is nothing to do.
async fn bare_loop_alone(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    let name = place.name();
    bare::stream(place.server()?, &name).await?;
    let began = Instant::now();
    let mut worker = drain::bare_loop(place, &name, "256")?;
    worker.line_after("pulling from ").await?;
    samples.add("start_ms", Who::Bare, began.elapsed().as_secs_f64() * 1000.0);
    if let Some(idle) = settled(&worker).await? {
        samples.add("idle_mb", Who::Bare, idle / (1024.0 * 1024.0));
    }
    worker.kill().await?;
    place.clear().await
}

async fn settled(worker: &Child) -> anyhow::Result<Option<f64>> {
    sleep(SETTLES).await;
    Ok(worker.usage()?.map(|usage| usage.resident as f64))
}
