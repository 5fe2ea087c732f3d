//! The embedded broker: how many calls it accepts, each on disk before it is answered, and how fast it runs them, beside
//! a worker on NATS.

use anyhow::Context;

use super::{drain, enqueue};
use crate::bench::child::Child;
use crate::bench::figure::{Samples, Who};
use crate::bench::place::{Needs, Place};

const AT_ONCE: &str = "64";

pub(super) async fn run(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    if place.has(Needs::Nats) {
        samples.add("embedded_drain", Who::Bare, drain::on_nats(place, AT_ONCE).await?.rate);
    }
    samples.add("embedded_enqueue", Who::Bare, enqueue::by_bare_server(place).await?);

    let dir = place.directory()?;
    let dir = dir.to_str().context("the directory's name is not text")?;
    let gateway = Child::fabric(&["gateway", "--data-dir", dir], None).await?;
    gateway.register("f", &place.function.url(0), &[]).await?;
    samples.add("embedded_enqueue", Who::Fabric, enqueue::accepted(&gateway.public, place.calls).await?);
    gateway.end().await?;
    let worker = Child::fabric(&["worker", "--data-dir", dir, "--max-inflight", AT_ONCE], None).await?;
    let calls = enqueue::with_warm_up(place.calls);
    samples.add("embedded_drain", Who::Fabric, drain::drained(place, worker, calls).await?.rate);
    Ok(())
}
