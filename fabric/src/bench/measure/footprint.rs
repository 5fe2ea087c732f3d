//! What a worker needs before it does anything, for functions that are registered, and for those that are active.

use std::time::Duration;

use tokio::time::sleep;

use super::{CONNECTIONS, Fabric, PATIENCE, path};
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
    let prefix = place.name();
    let fabric = Fabric::start(place, &prefix, &["--shards", "16"]).await?;
    let worker = fabric.worker(&[]).await?;
    samples.add("start_ms", Who::Fabric, worker.ready_after.as_secs_f64() * 1000.0);
    let Some(fresh) = settled(&worker).await? else { return Ok(()) };
    samples.add("idle_mb", Who::Fabric, fresh / (1024.0 * 1024.0));

    let names: Vec<String> = (0..REGISTERED).map(|n| format!("f{n}")).collect();
    for name in &names {
        fabric.gateway.register(name, &place.function.url(0), &[]).await?;
    }
    let Some(registered) = settled(&worker).await? else { return Ok(()) };
    samples.add("idle_function_kb", Who::Fabric, (registered - fresh) / 1024.0 / REGISTERED as f64);

    let paths: Vec<String> = names.iter().take(ACTIVE).map(|name| path(name)).collect();
    caller::post_all(&fabric.gateway.public, &paths, ACTIVE, CONNECTIONS).await?;
    place.function.reached(ACTIVE, PATIENCE).await?;
    let Some(active) = settled(&worker).await? else { return Ok(()) };
    samples.add("active_function_kb", Who::Fabric, (active - registered) / 1024.0 / ACTIVE as f64);
    place.function.forget();
    worker.kill().await
}

async fn settled(worker: &Child) -> anyhow::Result<Option<f64>> {
    sleep(SETTLES).await;
    Ok(worker.usage()?.map(|usage| usage.resident as f64))
}
