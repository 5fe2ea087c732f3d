//! The embedded broker: how many calls it accepts, each on disk before it is answered, and how fast it runs them.

use anyhow::Context;

use super::{CONNECTIONS, PATIENCE, path};
use crate::bench::caller;
use crate::bench::child::Child;
use crate::bench::figure::{Samples, Who};
use crate::bench::function::{once_each, rate};
use crate::bench::place::Place;

pub(super) async fn run(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    let dir = place.directory()?;
    let dir = dir.to_str().context("the directory's name is not text")?;
    let gateway = Child::fabric(&["gateway", "--data-dir", dir], None).await?;
    gateway.register("f", &place.function.url(0), &[]).await?;
    let rate_in = caller::post_all(&gateway.public, &[path("f")], place.calls, CONNECTIONS).await?;
    samples.add("embedded_enqueue", Who::Fabric, rate_in);
    gateway.end().await?;

    let worker = Child::fabric(&["worker", "--data-dir", dir, "--max-inflight", "64"], None).await?;
    let hits = place.function.reached(place.calls, PATIENCE).await?;
    once_each(&hits)?;
    let rate_out = rate(&hits);
    samples.add("embedded_drain", Who::Fabric, rate_out);
    if let Some(on_nats) = samples.latest("drain_64") {
        samples.add("embedded_of_jetstream", Who::Fabric, rate_out / on_nats);
    }
    worker.kill().await?;
    place.function.forget();
    Ok(())
}
