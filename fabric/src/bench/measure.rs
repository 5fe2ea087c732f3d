//! The measurements, in the order in which they are made.

mod drain;
mod embedded;
mod enqueue;
mod fairness;
mod footprint;
mod lanes;
mod latency;
mod recovery;
mod turns;
mod untold;
mod watched;

use std::time::Duration;

use actors::port::BoxFuture;

use super::child::Child;
use super::figure::Samples;
use super::place::{Needs, Place, Server};

/// How long nothing may happen before a measurement is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many connections callers have.
const CONNECTIONS: usize = 64;

/// A measurement.
pub(super) struct Measure {
    /// Its name.
    pub(super) name: &'static str,
    /// What it needs.
    pub(super) needs: Needs,
    /// Makes it once.
    pub(super) run: for<'a> fn(&'a Place, &'a mut Samples) -> BoxFuture<'a, anyhow::Result<()>>,
}

/// All of them.
pub(super) const MEASURES: &[Measure] = &[
    Measure { name: "footprint", needs: Needs::Nats, run: |place, samples| Box::pin(footprint::run(place, samples)) },
    Measure { name: "enqueue", needs: Needs::Nats, run: |place, samples| Box::pin(enqueue::run(place, samples)) },
    Measure { name: "drain", needs: Needs::Nats, run: |place, samples| Box::pin(drain::run(place, samples)) },
    Measure { name: "latency", needs: Needs::Nats, run: |place, samples| Box::pin(latency::run(place, samples)) },
    Measure { name: "recovery", needs: Needs::Nats, run: |place, samples| Box::pin(recovery::run(place, samples)) },
    Measure { name: "fairness", needs: Needs::Nats, run: |place, samples| Box::pin(fairness::run(place, samples)) },
    Measure { name: "watched", needs: Needs::Nats, run: |place, samples| Box::pin(watched::run(place, samples)) },
    Measure { name: "untold", needs: Needs::Nats, run: |place, samples| Box::pin(untold::run(place, samples)) },
    Measure { name: "lanes", needs: Needs::Nats, run: |place, samples| Box::pin(lanes::run(place, samples)) },
    Measure {
        name: "embedded",
        needs: Needs::Directory,
        run: |place, samples| Box::pin(embedded::run(place, samples)),
    },
];

/// A gateway on NATS, with names of its own, and the arguments by which a worker finds the same.
struct Fabric<'a> {
    gateway: Child,
    broker: &'a Server,
    args: Vec<&'a str>,
}

impl<'a> Fabric<'a> {
    async fn start(place: &'a Place, prefix: &'a str, more: &[&'a str]) -> anyhow::Result<Self> {
        let (broker, mut args) = (place.server()?, vec!["--prefix", prefix]);
        args.extend(more);
        let gateway = Child::fabric(&[&["gateway"], args.as_slice()].concat(), Some(broker)).await?;
        Ok(Self { gateway, broker, args })
    }

    async fn worker(&self, more: &[&str]) -> anyhow::Result<Child> {
        Child::fabric(&[&["worker"], self.args.as_slice(), more].concat(), Some(self.broker)).await
    }
}

/// Where a function's calls are posted to.
fn path(name: &str) -> String {
    format!("/async-function/{name}")
}

/// So many milliseconds of CPU time, for each 1,000 calls.
fn for_a_thousand(cpu: Duration, calls: usize) -> f64 {
    cpu.as_secs_f64() * 1_000_000.0 / calls as f64
}
