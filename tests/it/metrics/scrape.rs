//! The text of Prometheus, read strictly.

use std::collections::{BTreeMap, BTreeSet};

use fabric::metrics::catalogue::{ALL, Kind, Metric};
use http::StatusCode;
use tests::client::Client;
use tests::fabric::Fabric;

/// What one process told at one time.
pub(crate) struct Scrape {
    samples: Vec<Sample>,
    pub(crate) text: String,
}

struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Asks a process, and reads its answer.
pub(crate) async fn scrape(fabric: &Fabric) -> Scrape {
    let answer = Client::default().get(&format!("{}/metrics", fabric.admin)).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    Scrape::read(std::str::from_utf8(&answer.body).unwrap())
}

/// The metric that a series belongs to, if it is in the catalogue.
pub(crate) fn metric(series: &str) -> Option<&'static Metric> {
    let is = |it: &&&Metric| {
        let part = series.strip_prefix(it.name);
        part == Some("") || (it.kind == Kind::Histogram && matches!(part, Some("_bucket" | "_sum" | "_count")))
    };
    ALL.iter().find(is).copied()
}

impl Scrape {
    /// Reads a text, and holds it against the format and the catalogue.
    pub(crate) fn read(text: &str) -> Self {
        let (mut samples, mut helped, mut typed, mut last) = (Vec::new(), BTreeSet::new(), BTreeMap::new(), None);
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                assert!(helped.insert(name.to_owned()), "{name} is told of twice");
                assert_eq!(metric(name).unwrap_or_else(|| panic!("{name} is not in the catalogue")).help, help);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert!(helped.contains(name), "{line}");
                assert_eq!(kind, format!("{:?}", metric(name).unwrap().kind).to_lowercase(), "{name}");
                typed.insert(name.to_owned(), kind.to_owned());
                last = Some(name.to_owned());
            } else {
                let sample = sample(line);
                let of = metric(&sample.name).unwrap_or_else(|| panic!("{line} is of no metric in the catalogue"));
                assert_eq!(last.as_deref(), Some(of.name), "{line} is not with its like");
                let labels: BTreeSet<&str> =
                    sample.labels.keys().map(String::as_str).filter(|it| *it != "le").collect();
                assert_eq!(labels, of.labels.iter().copied().collect(), "{line}");
                samples.push(sample);
            }
        }
        let scrape = Self { samples, text: text.to_owned() };
        scrape.check();
        scrape
    }

    /// Whether each series is there once, and histograms are whole.
    fn check(&self) {
        let mut seen = BTreeSet::new();
        for Sample { name, labels, value } in &self.samples {
            assert!(seen.insert((name, labels)), "{name} {labels:?} is there twice");
            assert!(value.is_finite(), "{name} {labels:?} is {value}");
            let Some(base) = name.strip_suffix("_count").filter(|base| metric(base).is_some()) else { continue };
            let of_it = |it: &&Sample| {
                let own: BTreeMap<_, _> = it.labels.iter().filter(|(label, _)| *label != "le").collect();
                it.name == format!("{base}_bucket") && own == labels.iter().collect()
            };
            let buckets: Vec<&Sample> = self.samples.iter().filter(of_it).collect();
            assert!(buckets.is_sorted_by(|a, b| a.value <= b.value), "{name} {labels:?}");
            let last = buckets.last().unwrap();
            assert_eq!((last.labels["le"].as_str(), last.value), ("+Inf", *value), "{name} {labels:?}");
        }
    }

    /// The sum of the series of this name that have these labels; nothing if there is none.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |it: &&Sample| it.name == name && labels.iter().all(|(name, value)| it.labels[*name] == *value);
        let values: Vec<f64> = self.samples.iter().filter(has).map(|it| it.value).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// The metrics that are told of.
    pub(crate) fn metrics(&self) -> BTreeSet<&'static str> {
        self.samples.iter().map(|it| metric(&it.name).unwrap().name).collect()
    }
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?} is no sample"));
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("{line:?} does not end"))),
        None => (series, ""),
    };
    let is_name = |name: &str| {
        name.starts_with(|it: char| it.is_ascii_lowercase())
            && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_')
    };
    assert!(is_name(name), "{line:?}");
    // No value that is told here has a comma or a quotation mark in it.
    let pairs = labels.split(',').filter(|it| !it.is_empty()).map(|pair| {
        let (label, value) = pair.split_once('=').unwrap_or_else(|| panic!("{line:?}: {pair:?}"));
        let value =
            value.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or_else(|| panic!("{line:?}: {pair:?}"));
        assert!(is_name(label), "{line:?}");
        (label.to_owned(), value.to_owned())
    });
    Sample {
        name: name.to_owned(),
        labels: pairs.collect(),
        value: value.parse().unwrap_or_else(|_| panic!("{line:?}")),
    }
}

#[test]
fn the_reader_can_fail() {
    let good = "# HELP fabric_ready 1 if the process wants to be sent requests.\n# TYPE fabric_ready gauge\n";
    assert_eq!(Scrape::read(&format!("{good}fabric_ready 1\n")).get("fabric_ready", &[]), Some(1.0));
    for bad in [
        format!("{good}fabric_ready 1\nfabric_ready 1\n"),
        format!("{good}fabric_ready one\n"),
        format!("{good}fabric_ready{{function=\"f\"}} 1\n"),
        format!("{good}fabric_draining 1\n"),
        format!("{good}fabric_nonsense 1\n"),
        format!("{good}fabric_ready NaN\n"),
        good.replace("gauge", "counter"),
    ] {
        assert!(std::panic::catch_unwind(|| drop(Scrape::read(&bad))).is_err(), "{bad}");
    }
}
