//! What a call costs with one active function, and with a thousand.

use super::{CONNECTIONS, Fabric, PATIENCE, for_a_thousand, path};
use crate::bench::caller;
use crate::bench::figure::{Samples, Who};
use crate::bench::function::{once_each, rate};
use crate::bench::place::Place;

/// As many as are active at most.
const MOST: usize = 1000;
/// How many times as many calls as elsewhere: divided by a thousand they are few, and a beginning and an end weigh much.
const TIMES: usize = 3;
/// How many functions are active, and what that is called.
const LANES: [(usize, &str, &str); 4] = [
    (1, "drain_1_lane", "cpu_1_lane"),
    (10, "drain_10_lanes", "cpu_10_lanes"),
    (100, "drain_100_lanes", "cpu_100_lanes"),
    (MOST, "drain_1000_lanes", "cpu_1000_lanes"),
];

pub(super) async fn run(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    let (mut rates, mut costs, calls) = (Vec::new(), Vec::new(), TIMES * place.calls);
    for (lanes, drain, cpu) in LANES {
        let prefix = place.name();
        let fabric = Fabric::start(place, &prefix, &["--shards", "16"]).await?;
        let names: Vec<String> = (0..lanes).map(|n| format!("f{n}")).collect();
        for name in &names {
            fabric.gateway.register(name, &place.function.url(0), &[]).await?;
        }
        let paths: Vec<String> = names.iter().map(|name| path(name)).collect();
        // One call makes a function active, and the broker keeps its lane for a minute.
        caller::post_all(&fabric.gateway.public, &paths, lanes, CONNECTIONS).await?;
        let first = fabric.worker(&[]).await?;
        let activated = rate(&place.function.reached(lanes, PATIENCE).await?);
        first.end().await?;
        place.function.forget();

        caller::post_all(&fabric.gateway.public, &paths, calls, CONNECTIONS).await?;
        let worker = fabric.worker(&[]).await?;
        let hits = place.function.reached(calls, PATIENCE).await?;
        once_each(&hits)?;
        rates.push(rate(&hits));
        samples.add(drain, Who::Fabric, rate(&hits));
        if let Some(used) = worker.usage()? {
            costs.push(for_a_thousand(used.cpu, calls));
            samples.add(cpu, Who::Fabric, for_a_thousand(used.cpu, calls));
        }
        if lanes == MOST {
            samples.add("activated", Who::Fabric, activated);
        }
        worker.kill().await?;
        place.function.forget();
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
