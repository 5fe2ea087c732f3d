//! How long things took, in buckets (pure).
//!
//! The buckets are those of Prometheus's native histograms of [`SCHEMA`]: each bound is 2^(1/4) times the one before,
//! so every power of two is one. What is shorter than [`SHORTEST`] is in the bucket of zero.

use std::array;
use std::f64::consts::SQRT_2;
use std::time::Duration;

use super::Counter;

/// Buckets for each doubling are two to the power of this.
pub const SCHEMA: i32 = 2;
/// The lowest bound is two to the power of this, in seconds: 122 µs.
const LOW: i32 = -13;
/// The highest: 36 h.
const HIGH: i32 = 17;
/// Buckets for each doubling.
const PER_DOUBLING: i32 = 1 << SCHEMA;
/// How many buckets there are above the one of zero.
const COUNT: usize = ((HIGH - LOW) * PER_DOUBLING) as usize;
/// What is at most this long is as good as nothing, in seconds.
pub const SHORTEST: f64 = 1.0 / (1 << -LOW) as f64;
/// Where the buckets of one doubling end, as parts of it; that of its own end is not among them.
const BOUNDS: [f64; 4] = [1.0, 1.189_207_115_002_721, SQRT_2, 1.681_792_830_507_429];

/// Counts durations; to count one takes two additions.
#[derive(Debug)]
pub struct Histogram {
    zero: Counter,
    buckets: [Counter; COUNT],
    nanos: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { zero: Counter::default(), buckets: array::from_fn(|_| Counter::default()), nanos: Counter::default() }
    }
}

/// What was counted, at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// How many were as good as nothing.
    pub zero: u64,
    /// How many were in each bucket that has any: by its index, which is the binary logarithm of its upper bound in
    /// seconds times four; in order.
    pub buckets: Vec<(i32, u64)>,
    /// All of them together, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// One took so long.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = if seconds <= SHORTEST { Some(&self.zero) } else { self.buckets.get(place(index(seconds))) };
        bucket.unwrap_or(&self.zero).add(1);
        self.nanos.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let buckets = (LOW * PER_DOUBLING + 1..).zip(self.buckets.iter().map(Counter::get));
        let buckets = buckets.filter(|(_, count)| *count > 0).collect();
        Counts { zero: self.zero.get(), buckets, sum: self.nanos.get() as f64 / 1e9 }
    }
}

impl Counts {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.zero + self.buckets.iter().map(|(_, count)| count).sum::<u64>()
    }

    /// How many took at most two to the power of `exponent` seconds.
    #[must_use]
    pub fn within(&self, exponent: i32) -> u64 {
        let most = exponent * PER_DOUBLING;
        self.zero + self.buckets.iter().take_while(|(index, _)| *index <= most).map(|(_, count)| count).sum::<u64>()
    }

    /// These and those together.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for &(index, count) in &other.buckets {
            let at = self.buckets.partition_point(|(before, _)| *before < index);
            match self.buckets.get_mut(at).filter(|it| it.0 == index) {
                Some((_, all)) => *all += count,
                None => self.buckets.insert(at, (index, count)),
            }
        }
        self.zero += other.zero;
        self.sum += other.sum;
        self
    }
}

/// The bucket of a number above [`SHORTEST`]; what is above all of them is in the last one.
fn index(seconds: f64) -> i32 {
    let bits = seconds.to_bits();
    let exponent = i32::try_from((bits >> 52) & 0x7ff).unwrap_or_default() - 1023;
    // The number is `part` of the power of two that is not above it, from one to two.
    let part = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    let above: i32 = BOUNDS.iter().map(|bound| i32::from(part > *bound)).sum();
    (exponent * PER_DOUBLING + above).min(HIGH * PER_DOUBLING)
}

fn place(index: i32) -> usize {
    usize::try_from(index - LOW * PER_DOUBLING - 1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(seconds: &[f64]) -> Counts {
        let histogram = Histogram::default();
        seconds.iter().for_each(|seconds| histogram.observe(Duration::from_secs_f64(*seconds)));
        histogram.counts()
    }

    #[test]
    fn a_bound_belongs_to_what_is_below_it() {
        assert_eq!(counts(&[1.0, 1.1, 1.3, 2.0]).buckets, [(0, 1), (1, 1), (2, 1), (4, 1)]);
        assert_eq!(counts(&[0.0, 0.0001]).zero, 2);
        assert_eq!(counts(&[0.000_123]).buckets, [(-51, 1)]);
        assert_eq!(counts(&[1e6]).buckets, [(68, 1)], "what is above all of them is in the last one");
    }

    #[test]
    fn powers_of_two_are_bounds() {
        let counts = counts(&[0.0, 0.25, 0.26, 0.5, 0.9, 3.0]);
        assert_eq!([-2, -1, 0, 1, 2].map(|it| counts.within(it)), [2, 4, 5, 5, 6]);
        assert_eq!((counts.count(), counts.sum), (6, 4.91));
    }

    proptest! {
        #[test]
        fn each_is_in_the_bucket_that_prometheus_means(nanos in 122_071u64..100_000_000_000_000) {
            let seconds = Duration::from_nanos(nanos).as_secs_f64();
            let index = f64::from(counts(&[seconds]).buckets[0].0);
            prop_assert!(seconds <= (index / 4.0).exp2() * (1.0 + 1e-12));
            prop_assert!(seconds > ((index - 1.0) / 4.0).exp2() * (1.0 - 1e-12));
        }

        #[test]
        fn two_together_are_as_one(a in prop::collection::vec(0.0..100.0f64, 0..20), b in prop::collection::vec(0.0..100.0f64, 0..20)) {
            let (both, one) = (counts(&a).and(&counts(&b)), counts(&[a, b].concat()));
            prop_assert_eq!((both.zero, &both.buckets), (one.zero, &one.buckets));
            prop_assert!((both.sum - one.sum).abs() < 1e-6);
        }
    }
}
