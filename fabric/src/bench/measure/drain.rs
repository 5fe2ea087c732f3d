//! How fast a backlog is run by one worker, and what CPU time that takes.

use super::{CONNECTIONS, Fabric, PATIENCE, for_a_thousand, path};
use crate::bench::bare;
use crate::bench::caller;
use crate::bench::child::Child;
use crate::bench::figure::{Samples, Who};
use crate::bench::function::{once_each, rate};
use crate::bench::place::Place;

/// What a backlog took.
pub(super) struct Drained {
    /// Calls a second.
    pub(super) rate: f64,
    /// The worker's CPU for 1,000 calls, in milliseconds, where the system tells.
    pub(super) cpu: Option<f64>,
}

impl Drained {
    /// One round's values.
    pub(super) fn tell(&self, samples: &mut Samples, who: Who, (drain, cpu): (&'static str, &'static str)) {
        samples.add(drain, who, self.rate);
        if let Some(used) = self.cpu {
            samples.add(cpu, who, used);
        }
    }
}

pub(super) async fn run(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    for (concurrency, keys) in [("64", ("drain_64", "cpu_64")), ("256", ("drain_256", "cpu_256"))] {
        by_bare_loop(place, place.calls, concurrency).await?.tell(samples, Who::Bare, keys);
        on_nats(place, concurrency).await?.tell(samples, Who::Fabric, keys);
    }
    Ok(())
}

/// The bare loop on a stream.
pub(super) fn bare_loop(place: &Place, name: &str, concurrency: &str) -> anyhow::Result<Child> {
    let target = place.function.url(0);
    Child::of_this_program(&["bench-loop", name, &target, concurrency], Some(place.server()?))
}

/// So many calls by the bare loop.
pub(super) async fn by_bare_loop(place: &Place, calls: usize, concurrency: &str) -> anyhow::Result<Drained> {
    let name = place.name();
    let context = bare::stream(place.server()?, &name).await?;
    bare::fill(&context, &name, calls).await?;
    let drained = drained(place, bare_loop(place, &name, concurrency)?, calls).await?;
    place.clear().await?;
    Ok(drained)
}

/// The calls that a rate is measured with, of one function, by a worker.
pub(super) async fn on_nats(place: &Place, concurrency: &str) -> anyhow::Result<Drained> {
    let prefix = place.name();
    let fabric = Fabric::start(place, &prefix, &[]).await?;
    fabric.gateway.register("f", &place.function.url(0), &[]).await?;
    caller::post_all(&fabric.gateway.public, &[path("f")], 0..place.calls, CONNECTIONS).await?;
    let worker = fabric.worker(&["--max-inflight", concurrency]).await?;
    let drained = drained(place, worker, place.calls).await?;
    place.clear().await?;
    Ok(drained)
}

/// Waits until so many calls have run, each once, and ends who runs them.
pub(super) async fn drained(place: &Place, worker: Child, calls: usize) -> anyhow::Result<Drained> {
    let hits = place.function.reached(calls, PATIENCE).await?;
    once_each(&hits)?;
    let cpu = worker.usage()?.map(|used| for_a_thousand(used.cpu, calls));
    worker.kill().await?;
    place.function.forget();
    Ok(Drained { rate: rate(&hits), cpu })
}
