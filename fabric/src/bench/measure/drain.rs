//! How fast a backlog is run by one worker, and what CPU time that takes.

use super::{CONNECTIONS, Fabric, PATIENCE, for_a_thousand, path};
use crate::bench::bare;
use crate::bench::caller;
use crate::bench::child::Child;
use crate::bench::figure::{Samples, Who};
use crate::bench::function::{once_each, rate};
use crate::bench::place::Place;

pub(super) async fn run(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    for (concurrency, drain, cpu) in [("64", "drain_64", "cpu_64"), ("256", "drain_256", "cpu_256")] {
        let name = place.name();
        let context = bare::stream(place.server()?, &name).await?;
        bare::fill(&context, &name, place.calls).await?;
        let worker = bare_loop(place, &name, concurrency)?;
        measure(place, samples, Who::Bare, worker, (drain, cpu)).await?;
        place.clear().await?;

        let prefix = place.name();
        let fabric = Fabric::start(place, &prefix, &[]).await?;
        fabric.gateway.register("f", &place.function.url(0), &[]).await?;
        caller::post_all(&fabric.gateway.public, &[path("f")], place.calls, CONNECTIONS).await?;
        let worker = fabric.worker(&["--max-inflight", concurrency]).await?;
        measure(place, samples, Who::Fabric, worker, (drain, cpu)).await?;
        place.clear().await?;
    }
    Ok(())
}

/// The bare loop on a stream.
pub(super) fn bare_loop(place: &Place, name: &str, concurrency: &str) -> anyhow::Result<Child> {
    let target = place.function.url(0);
    Child::of_this_program(&["bench-loop", name, &target, concurrency], Some(place.server()?))
}

async fn measure(
    place: &Place,
    samples: &mut Samples,
    who: Who,
    worker: Child,
    (drain, cpu): (&'static str, &'static str),
) -> anyhow::Result<()> {
    let hits = place.function.reached(place.calls, PATIENCE).await?;
    once_each(&hits)?;
    samples.add(drain, who, rate(&hits));
    if let Some(used) = worker.usage()? {
        samples.add(cpu, who, for_a_thousand(used.cpu, place.calls));
    }
    worker.kill().await?;
    place.function.forget();
    Ok(())
}
