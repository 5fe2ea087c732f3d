//! The figures that are measured, what is asked of each, and what several rounds say of it.

use std::collections::BTreeMap;

use serde::Serialize;

/// What is asked of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Fabric's value over that of the bare program.
    RatioAtLeast(f64),
    /// The same, from the other side.
    RatioAtMost(f64),
    /// Fabric's value.
    AtLeast(f64),
    /// The same, from the other side.
    AtMost(f64),
    /// Fabric's value, in every round.
    NeverOver(f64),
}

/// Something that is measured.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its name in the results.
    pub key: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What a value counts.
    pub unit: &'static str,
    /// What is asked of it, if anything.
    pub asked: Option<Asked>,
}

/// Every figure, in the order in which they are told.
pub const DEFINITIONS: &[Definition] = &[
    define("start_ms", "start to ready", "ms", Some(Asked::AtMost(150.0))),
    define("idle_mb", "memory of an idle worker", "MB", Some(Asked::AtMost(20.0))),
    define("idle_function_kb", "memory for each registered function that is idle", "KB", Some(Asked::AtMost(0.0))),
    define("active_function_kb", "memory for each active function", "KB", Some(Asked::AtMost(64.0))),
    define("enqueue", "calls accepted, of what the bare server answers", "/s", Some(Asked::RatioAtLeast(0.6))),
    define("drain_64", "calls run, 64 at once", "/s", Some(Asked::RatioAtLeast(0.85))),
    define("drain_256", "calls run, 256 at once", "/s", Some(Asked::RatioAtLeast(0.85))),
    define("cpu_64", "worker's CPU for 1,000 calls, 64 at once", "ms", Some(Asked::RatioAtMost(1.25))),
    define("cpu_256", "worker's CPU for 1,000 calls, 256 at once", "ms", Some(Asked::RatioAtMost(1.25))),
    define("latency_p50_ms", "sent to called at a steady rate, p50", "ms", Some(Asked::RatioAtMost(1.5))),
    define("latency_p99_ms", "sent to called at a steady rate, p99", "ms", Some(Asked::RatioAtMost(2.0))),
    define("recovery_s", "until the last call of a killed worker runs again", "s", Some(Asked::NeverOver(10.0))),
    define(
        "recovery_busy_s",
        "the same, where the other worker uses more than half of its permits",
        "s",
        Some(Asked::NeverOver(10.0)),
    ),
    define("fair_share", "slot-time of the function that got less, of its fair share", "", Some(Asked::AtLeast(0.9))),
    define(
        "watched",
        "calls run while traced at 1 % and scraped, of those unseen",
        "/s",
        Some(Asked::RatioAtLeast(0.95)),
    ),
    define("untold", "calls run while their collector is killed, of those told", "/s", Some(Asked::RatioAtLeast(0.95))),
    define("drain_1_lane", "calls run, 1 active function, 16 shards", "/s", None),
    define("drain_10_lanes", "calls run, 10 active functions", "/s", None),
    define("drain_100_lanes", "calls run, 100 active functions", "/s", None),
    define("drain_1000_lanes", "calls run, 1,000 active functions", "/s", None),
    define("cpu_1_lane", "worker's CPU for 1,000 calls, 1 active function", "ms", None),
    define("cpu_10_lanes", "worker's CPU for 1,000 calls, 10 active functions", "ms", None),
    define("cpu_100_lanes", "worker's CPU for 1,000 calls, 100 active functions", "ms", None),
    define("cpu_1000_lanes", "worker's CPU for 1,000 calls, 1,000 active functions", "ms", None),
    define("activated", "functions that become active, 1,000 at once", "/s", None),
    define("many_lanes", "rate with 1,000 active functions, of that with one", "", Some(Asked::AtLeast(0.6))),
    define("cpu_growth", "CPU for a call: the dearest of the four, of the cheapest", "", Some(Asked::AtMost(1.5))),
    define("embedded_enqueue", "embedded: calls accepted", "/s", Some(Asked::AtLeast(20_000.0))),
    define(
        "embedded_drain",
        "embedded: calls run, 64 at once, of those on NATS",
        "/s",
        Some(Asked::RatioAtLeast(0.85)),
    ),
];

const fn define(key: &'static str, title: &'static str, unit: &'static str, asked: Option<Asked>) -> Definition {
    Definition { key, title, unit, asked }
}

/// Whose value it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Of the program with no features, or of Fabric without what the figure is about.
    Bare,
    /// Of Fabric.
    Fabric,
}

/// What was measured, by figure.
#[derive(Debug, Default)]
pub struct Samples(BTreeMap<&'static str, (Vec<f64>, Vec<f64>)>);

impl Samples {
    /// One round's value.
    pub fn add(&mut self, key: &'static str, who: Who, value: f64) {
        let (bare, fabric) = self.0.entry(key).or_default();
        match who {
            Who::Bare => bare.push(value),
            Who::Fabric => fabric.push(value),
        }
    }

    /// What all rounds together say, in the order of [`DEFINITIONS`].
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let known = DEFINITIONS.iter().filter_map(|definition| Some((definition, self.0.get(definition.key)?)));
        known.filter_map(|(definition, (bare, fabric))| Figure::of(*definition, bare, fabric)).collect()
    }
}

/// A figure, as several rounds found it.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Its name.
    pub key: &'static str,
    /// What it is.
    pub title: &'static str,
    /// What a value counts.
    pub unit: &'static str,
    /// The median of what was measured of Fabric.
    pub fabric: f64,
    /// The median of what was measured of the bare program, where there is one.
    pub bare: Option<f64>,
    /// The median of the ratios of what was measured one after the other: once in a round, or several times.
    pub ratio: Option<f64>,
    /// What was asked.
    pub asked: Option<Asked>,
    /// Whether it is so.
    pub met: Option<bool>,
    /// What was measured of Fabric, in order.
    pub rounds: Vec<f64>,
    /// What was measured of the bare program, or of Fabric without what the figure is about.
    pub bare_rounds: Vec<f64>,
}

impl Figure {
    fn of(Definition { key, title, unit, asked }: Definition, bare: &[f64], fabric: &[f64]) -> Option<Self> {
        let ratios: Vec<f64> = fabric.iter().zip(bare).map(|(fabric, bare)| fabric / bare).collect();
        let (value, ratio) = (median(fabric)?, median(&ratios));
        let met = match asked {
            None => None,
            Some(Asked::AtLeast(asked)) => Some(value >= asked),
            Some(Asked::AtMost(asked)) => Some(value <= asked),
            Some(Asked::NeverOver(asked)) => Some(fabric.iter().all(|value| *value <= asked)),
            Some(Asked::RatioAtLeast(asked)) => ratio.map(|ratio| ratio >= asked),
            Some(Asked::RatioAtMost(asked)) => ratio.map(|ratio| ratio <= asked),
        };
        let (rounds, bare_rounds) = (fabric.to_vec(), bare.to_vec());
        Some(Self { key, title, unit, fabric: value, bare: median(bare), ratio, asked, met, rounds, bare_rounds })
    }
}

/// The middle one; of an even number the mean of the two in the middle.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

/// The value below which `share` of them are.
#[must_use]
pub fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index within the slice")]
    let at = (sorted.len().checked_sub(1)? as f64 * share) as usize;
    sorted.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_what_counts() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        let values: Vec<f64> = (1..=101).map(f64::from).collect();
        assert_eq!((percentile(&values, 0.5), percentile(&values, 0.99)), (Some(51.0), Some(100.0)));
    }

    #[test]
    fn ratios_are_of_one_round_and_judged_by_what_is_asked() {
        let mut samples = Samples::default();
        for (bare, fabric) in [(100.0, 90.0), (200.0, 160.0), (50.0, 50.0)] {
            samples.add("drain_64", Who::Bare, bare);
            samples.add("drain_64", Who::Fabric, fabric);
        }
        samples.add("start_ms", Who::Fabric, 200.0);
        [9.0, 10.5, 9.0].into_iter().for_each(|took| samples.add("recovery_s", Who::Fabric, took));
        let figures = samples.figures();
        assert_eq!((figures[0].key, figures[0].met, figures[0].ratio), ("start_ms", Some(false), None));
        assert_eq!((figures[1].key, figures[1].met, figures[1].ratio), ("drain_64", Some(true), Some(0.9)));
        assert_eq!((figures[2].fabric, figures[2].met), (9.0, Some(false)), "once is too often");
    }

    #[test]
    fn every_figure_has_a_name_of_its_own() {
        let keys: std::collections::HashSet<_> = DEFINITIONS.iter().map(|definition| definition.key).collect();
        assert_eq!(keys.len(), DEFINITIONS.len());
    }
}
