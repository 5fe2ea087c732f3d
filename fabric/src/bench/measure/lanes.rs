//! What a call costs with one active function, and with a thousand, each at an address of its own, as functions are. The
//! bare loop knows one.

use super::drain::{Drained, by_bare_loop, drained};
use super::{CONNECTIONS, Fabric, PATIENCE, path};
use crate::bench::caller;
use crate::bench::figure::{Samples, Who};
use crate::bench::function::rate;
use crate::bench::place::Place;

/// As many as are active at most.
const MOST: usize = 1000;
/// How many times as many calls as elsewhere: divided by a thousand they are few, and a beginning and an end weigh much.
const TIMES: usize = 3;
/// How many a worker runs at once by default.
const AT_ONCE: &str = "256";
/// How many functions are active, and what that is called.
const LANES: [(usize, (&str, &str)); 4] = [
    (1, ("drain_1_lane", "cpu_1_lane")),
    (10, ("drain_10_lanes", "cpu_10_lanes")),
    (100, ("drain_100_lanes", "cpu_100_lanes")),
    (MOST, ("drain_1000_lanes", "cpu_1000_lanes")),
];

pub(super) async fn run(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    let bare = by_bare_loop(place, TIMES * place.calls, AT_ONCE).await?;
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    for (lanes, keys) in LANES {
        bare.tell(samples, Who::Bare, keys);
        let (fabric, activated) = with(place, lanes).await?;
        fabric.tell(samples, Who::Fabric, keys);
        rates.push(fabric.rate);
        costs.extend(fabric.cpu);
        if lanes == MOST {
            samples.add("activated", Who::Fabric, activated);
        }
        place.clear().await?;
    }
    if let (Some(one), Some(most)) = (rates.first(), rates.last()) {
        samples.add("many_lanes", Who::Fabric, most / one);
    }
    let (least, most) = costs.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), it| (low.min(*it), high.max(*it)));
    if !costs.is_empty() {
        samples.add("cpu_growth", Who::Fabric, most / least);
    }
    Ok(())
}

/// What calls of so many functions take that are active, and how many become active in a second.
async fn with(place: &Place, lanes: usize) -> anyhow::Result<(Drained, f64)> {
    let (prefix, calls) = (place.name(), TIMES * place.calls);
    let fabric = Fabric::start(place, &prefix, &["--shards", "16"]).await?;
    let apart = place.function.apart(lanes).await?;
    let names: Vec<String> = (0..lanes).map(|n| format!("f{n}")).collect();
    for (name, url) in names.iter().zip(&apart.urls) {
        fabric.gateway.register(name, url, &[]).await?;
    }
    let paths: Vec<String> = names.iter().map(|name| path(name)).collect();
    // One call makes a function active, and the broker keeps its lane for a minute.
    caller::post_all(&fabric.gateway.public, &paths, 0..lanes, CONNECTIONS).await?;
    let first = fabric.worker(&[]).await?;
    let activated = rate(&place.function.reached(lanes, PATIENCE).await?);
    first.end().await?;
    place.function.forget();

    caller::post_all(&fabric.gateway.public, &paths, 0..calls, CONNECTIONS).await?;
    let worker = fabric.worker(&["--max-inflight", AT_ONCE]).await?;
    Ok((drained(place, worker, calls).await?, activated))
}
