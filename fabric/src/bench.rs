//! What Fabric does on this machine, measured beside programs that do nothing else: `fabric bench`.
//!
//! Every part of Fabric that is measured is a process of its own, as in production; callers and the function that is
//! called are in this one. A round measures Fabric and the bare program one after the other, and what counts is the
//! ratio of the two: it holds on another machine, and on a busy one, where times do not.

pub mod bare;
mod caller;
mod child;
mod collector;
pub mod figure;
mod function;
mod measure;
mod place;
mod plot;
mod table;

use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::anyhow;
use serde::Serialize;

use self::figure::{Figure, Samples};
use self::measure::{MEASURES, Measure};
use self::place::Place;
use crate::jetstream::Access;
use crate::open_files;
use crate::signal::Signals;

pub use self::plot::plot;
pub use self::table::table;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Who one is to the NATS server, and where it is.
    pub broker: Option<(Access, String)>,
    /// Where an embedded broker may keep its files.
    pub data_dir: Option<PathBuf>,
    /// How often everything is measured.
    pub rounds: usize,
    /// How many calls a rate is measured with.
    pub calls: usize,
    /// How many calls a second latency is measured at.
    pub rate: NonZeroU32,
    /// The names of the measurements, if not all.
    pub only: Vec<String>,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Results {
    /// Of which version.
    pub version: &'static str,
    /// How many processors there are.
    pub cpus: usize,
    /// How often everything was measured.
    pub rounds: usize,
    /// How many calls a rate was measured with.
    pub calls: usize,
    /// How many calls a second latency was measured at.
    pub rate: NonZeroU32,
    /// What came of it.
    pub figures: Vec<Figure>,
}

/// The names of all measurements.
pub fn names() -> impl Iterator<Item = &'static str> {
    MEASURES.iter().map(|measure| measure.name)
}

/// Measures; `progress` hears what is being done.
///
/// # Errors
/// When a part cannot be started, refuses calls, or stands still.
pub async fn run(plan: &Plan, progress: impl Fn(String) -> anyhow::Result<()>) -> anyhow::Result<Results> {
    open_files::raise();
    let mut signals = Signals::listen()?;
    let place = Place::new(plan).await?;
    let mut samples = Samples::default();
    let is_wanted = |measure: &&Measure| {
        (plan.only.is_empty() || plan.only.iter().any(|name| name == measure.name)) && place.has(measure.needs)
    };
    for round in 1..=plan.rounds {
        for measure in MEASURES.iter().filter(is_wanted) {
            progress(format!("round {round} of {}: {}", plan.rounds, measure.name))?;
            let measured = tokio::select! {
                measured = (measure.run)(&place, &mut samples) => measured,
                name = signals.next() => Err(anyhow!("{name}: nothing more is measured")),
            };
            // Its streams would take from what is measured next; a failure to measure is the one to be told.
            let cleared = place.clear().await;
            measured.and(cleared)?;
        }
    }
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let version = env!("CARGO_PKG_VERSION");
    Ok(Results { version, cpus, rounds: plan.rounds, calls: plan.calls, rate: plan.rate, figures: samples.figures() })
}
