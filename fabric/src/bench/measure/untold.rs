//! What becomes of calls whose collector is killed while they come in: their rate, of that while it is there. All of them
//! are traced, and each must run once, as always.

use std::pin::pin;

use futures_util::future::{Either, select};

use super::PATIENCE;
use super::turns::{PAIRS, Whole};
use crate::bench::collector::Collector;
use crate::bench::figure::{Samples, Who};
use crate::bench::place::Place;

pub(super) async fn run(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    let mut collector = Collector::start().await?;
    let (url, prefix) = (collector.url(), place.name());
    let fabric = Whole::start(place, &prefix, &["--otlp-endpoint", &url, "--trace-sample", "100%"]).await?;
    fabric.turn().await?;
    for pair in 0..PAIRS {
        for is_killed in [pair % 2 == 1, pair % 2 == 0] {
            // Who was killed in the turn before is there again, and known to be.
            fabric.warm_up().await?;
            collector.asked(PATIENCE).await?;
            if !is_killed {
                samples.add("untold", Who::Bare, fabric.turn().await?);
                continue;
            }
            let half = pin!(place.function.reached(fabric.turn_len() / 2, PATIENCE));
            let (address, rate) = match select(half, pin!(fabric.turn())).await {
                Either::Left((half, turn)) => {
                    half?;
                    (collector.kill().await, turn.await?)
                }
                // So few calls that nobody saw the half of them.
                Either::Right((rate, _)) => (collector.kill().await, rate?),
            };
            samples.add("untold", Who::Fabric, rate);
            collector = Collector::start_at(address).await?;
        }
    }
    fabric.kill().await
}
