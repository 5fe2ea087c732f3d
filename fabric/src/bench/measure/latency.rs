//! How long it takes from sending a call until its function is called, at a steady rate. The bare loop's calls are
//! published to the broker by the caller itself: there is no gateway between.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::drain::bare_loop;
use super::{Fabric, PATIENCE, path};
use crate::bench::figure::{Samples, Who, percentile};
use crate::bench::place::Place;
use crate::bench::{bare, caller};

/// How many calls count.
const CALLS: usize = 2000;
/// As many before them, to warm up.
const WARM_UP: usize = 200;

pub(super) async fn run(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    let (name, every) = (place.name(), place.every);
    let context = bare::stream(place.server()?, &name).await?;
    let worker = bare_loop(place, &name, "64")?;
    for (count, counts) in [(WARM_UP, false), (CALLS, true)] {
        let began = Instant::now() + Duration::from_millis(50);
        let mut publishing = JoinSet::new();
        for number in 0..count {
            let (context, name) = (context.clone(), name.clone());
            publishing.spawn(async move {
                let at = caller::due(began + every.mul_f64(number as f64)).await;
                context.publish(name, caller::body(number).into()).await?.await?;
                anyhow::Ok((number, at))
            });
        }
        let mut sent = Vec::new();
        while let Some(published) = publishing.join_next().await {
            sent.push(published??);
        }
        sent.sort_unstable();
        let sent: Vec<Instant> = sent.into_iter().map(|(_, at)| at).collect();
        tell(place, samples, Who::Bare, &sent, counts).await?;
    }
    worker.kill().await?;

    let prefix = place.name();
    let fabric = Fabric::start(place, &prefix, &[]).await?;
    fabric.gateway.register("f", &place.function.url(0), &[]).await?;
    let worker = fabric.worker(&[]).await?;
    for (count, counts) in [(WARM_UP, false), (CALLS, true)] {
        let sent = caller::post_steadily(&fabric.gateway.public, &path("f"), count, place.every).await?;
        tell(place, samples, Who::Fabric, &sent, counts).await?;
    }
    worker.kill().await
}

/// Waits for all that was sent, and tells how long it took if it `counts`.
async fn tell(place: &Place, samples: &mut Samples, who: Who, sent: &[Instant], counts: bool) -> anyhow::Result<()> {
    let hits = place.function.reached(sent.len(), PATIENCE).await?;
    place.function.forget();
    let wait = |hit: &crate::bench::function::Hit| Some(hit.began.duration_since(*sent.get(hit.number)?));
    let waits: Vec<f64> = hits.iter().filter_map(wait).map(|wait| wait.as_secs_f64() * 1000.0).collect();
    if let (true, Some(p50), Some(p99)) = (counts, percentile(&waits, 0.5), percentile(&waits, 0.99)) {
        samples.add("latency_p50_ms", who, p50);
        samples.add("latency_p99_ms", who, p99);
    }
    // The last acknowledgements are on their way.
    sleep(Duration::from_millis(100)).await;
    Ok(())
}
