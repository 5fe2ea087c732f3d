//! One exposition while it is written.

use std::fmt;

use actors::meter::histogram::{Counts, SCHEMA, SHORTEST};
use prometheus_client::encoding::{
    DescriptorEncoder, MetricEncoder, NativeHistogram, NativeHistogramBuckets, NoLabelSet,
};
use prometheus_client::metrics::MetricType;

use super::catalogue::{Kind, Metric};

/// The bounds that are told where native histograms are not, as powers of two, in seconds: from 1 ms to 68 min.
const BOUNDS: [i32; 19] = [-10, -9, -8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 10, 12];

/// What a series says.
pub(super) enum Value {
    Whole(u64),
    Real(f64),
    Counts(Counts),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<Counts> for Value {
    fn from(counts: Counts) -> Self {
        Self::Counts(counts)
    }
}

/// An exposition.
pub(super) struct Sheet<'a>(DescriptorEncoder<'a>);

impl<'a> Sheet<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// A metric with its series, by the values of its labels; nothing if it has none.
    pub(super) fn family<const N: usize>(
        &mut self,
        metric: &Metric,
        series: impl IntoIterator<Item = ([String; N], Value)>,
    ) -> fmt::Result {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        debug_assert_eq!(metric.labels.len(), N, "{}", metric.name);
        let kind = match metric.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        // What is written of a counter ends in it anyhow.
        let name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
        let mut encoder = self.0.encode_descriptor(name, metric.help, None, kind)?;
        for (values, value) in series {
            if N == 0 {
                return write(encoder, metric.kind, value);
            }
            let labels: Vec<(&str, String)> = metric.labels.iter().copied().zip(values).collect();
            write(encoder.encode_family(&labels)?, metric.kind, value)?;
        }
        Ok(())
    }

    /// A metric that has one series.
    pub(super) fn one(&mut self, metric: &Metric, value: impl Into<Value>) -> fmt::Result {
        self.family(metric, [([], value.into())])
    }
}

fn write(mut encoder: MetricEncoder<'_>, kind: Kind, value: Value) -> fmt::Result {
    match (kind, value) {
        (Kind::Counter, Value::Whole(value)) => encoder.encode_counter::<NoLabelSet, u64, f64>(&value, None),
        (Kind::Counter, Value::Real(value)) => encoder.encode_counter::<NoLabelSet, f64, f64>(&value, None),
        (Kind::Gauge, Value::Whole(value)) => encoder.encode_gauge(&value),
        (Kind::Gauge, Value::Real(value)) => encoder.encode_gauge(&value),
        (Kind::Histogram, Value::Counts(counts)) => histogram(encoder, &counts),
        (Kind::Counter | Kind::Gauge, Value::Counts(_)) | (Kind::Histogram, Value::Whole(_) | Value::Real(_)) => {
            Err(fmt::Error)
        }
    }
}

/// Both ways in one: whoever reads the one passes over the other.
fn histogram(mut encoder: MetricEncoder<'_>, counts: &Counts) -> fmt::Result {
    let (spans, deltas) = native(counts);
    let native = NativeHistogram {
        schema: SCHEMA,
        zero_threshold: SHORTEST,
        zero_count: counts.zero,
        negative: NativeHistogramBuckets { spans: &[], deltas: &[] },
        positive: NativeHistogramBuckets { spans: &spans, deltas: &deltas },
        created: None,
    };
    let classic = classic(counts);
    encoder.encode_histogram_with_native::<NoLabelSet>(counts.sum, counts.count(), &classic, None, native)
}

/// How many there are up to each bound, those up to the one before it left out.
fn classic(counts: &Counts) -> Vec<(f64, u64)> {
    let mut before = 0;
    let ends = BOUNDS.iter().map(|exponent| (f64::from(*exponent).exp2(), counts.within(*exponent)));
    let ends = ends.chain([(f64::INFINITY, counts.count())]);
    ends.map(|(bound, within)| (bound, within - std::mem::replace(&mut before, within))).collect()
}

/// The buckets that have any as runs, each by how far it is behind the end of the one before it, and by how many more
/// each bucket has than the one before.
fn native(counts: &Counts) -> (Vec<(i32, u32)>, Vec<i64>) {
    let (mut spans, mut deltas) = (Vec::<(i32, u32)>::new(), Vec::new());
    let (mut next, mut before) = (0, 0);
    for &(index, count) in &counts.buckets {
        match spans.last_mut().filter(|_| index == next) {
            Some((_, length)) => *length += 1,
            None => spans.push((index - next, 1)),
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        deltas.push(count - std::mem::replace(&mut before, count));
        next = index + 1;
    }
    (spans, deltas)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> Counts {
        Counts { zero: 1, buckets: vec![(-40, 2), (-3, 4), (-2, 1), (0, 3), (60, 1)], sum: 7.5 }
    }

    #[test]
    fn classic_buckets_have_all_of_them() {
        let classic = classic(&counts());
        assert_eq!(classic[0], (1.0 / 1024.0, 3), "those that took next to nothing are in the first");
        assert_eq!(classic.iter().find(|it| it.0 == 1.0), Some(&(1.0, 8)));
        assert_eq!(classic.iter().map(|it| it.1).sum::<u64>(), counts().count());
        assert_eq!(classic.last(), Some(&(f64::INFINITY, 1)));
    }

    #[test]
    fn native_buckets_are_runs_and_differences() {
        let (spans, deltas) = native(&counts());
        assert_eq!(spans, [(-40, 1), (36, 2), (1, 1), (59, 1)]);
        assert_eq!(deltas, [2, 2, -3, 2, -2]);
    }
}
