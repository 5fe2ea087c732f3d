//! What it costs to be watched: calls accepted and run while a share of them is traced and metrics are scraped, of those
//! while nobody looks. Both ways are there at once, and take turns.

use std::time::Duration;

use tokio::time::Instant;

use super::PATIENCE;
use super::turns::{PAIRS, Whole};
use crate::bench::collector::Collector;
use crate::bench::figure::{Samples, Who};
use crate::bench::place::Place;

/// How much is traced.
const SHARE: &str = "1%";
/// How often metrics are scraped at the least: far more often than anybody does.
const SCRAPE_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn run(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    let collector = Collector::start().await?;
    let (url, names) = (collector.url(), [place.name(), place.name()]);
    let [unseen, seen] = &names;
    let unseen = Whole::start(place, unseen, &[]).await?;
    let seen = Whole::start(place, seen, &["--otlp-endpoint", &url, "--trace-sample", SHARE]).await?;
    for whole in [&unseen, &seen] {
        whole.warm_up().await?;
        whole.turn().await?;
    }
    let mut scraped = None;
    for pair in 0..PAIRS {
        for is_seen in [pair % 2 == 1, pair % 2 == 0] {
            if !is_seen {
                samples.add("watched", Who::Bare, unseen.turn().await?);
                continue;
            }
            let is_due = scraped.is_none_or(|at: Instant| at.elapsed() >= SCRAPE_EVERY);
            let scrapes = async {
                for process in seen.processes().into_iter().filter(|_| is_due) {
                    process.scrape().await?;
                }
                anyhow::Ok(())
            };
            let (rate, ()) = tokio::try_join!(seen.turn(), scrapes)?;
            scraped = if is_due { Some(Instant::now()) } else { scraped };
            samples.add("watched", Who::Fabric, rate);
        }
    }
    collector.asked(PATIENCE).await?;
    unseen.kill().await?;
    seen.kill().await
}
