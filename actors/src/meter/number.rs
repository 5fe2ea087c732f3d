//! Numbers that anybody may change at any time.

use std::sync::atomic::{AtomicU64, Ordering};

/// One that grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One that is what it was last said to be; not known at first.
#[derive(Debug)]
pub struct Gauge(AtomicU64);

impl Default for Gauge {
    fn default() -> Self {
        Self(AtomicU64::new(f64::NAN.to_bits()))
    }
}

impl Gauge {
    /// It is this now; with nothing, it is not known.
    pub fn set(&self, value: Option<f64>) {
        self.0.store(value.unwrap_or(f64::NAN).to_bits(), Ordering::Relaxed);
    }

    /// What it is, if that is known.
    #[must_use]
    pub fn get(&self) -> Option<f64> {
        Some(f64::from_bits(self.0.load(Ordering::Relaxed))).filter(|value| !value.is_nan())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_unknown_until_it_is_said_and_may_be_forgotten() {
        let gauge = Gauge::default();
        assert_eq!(gauge.get(), None);
        gauge.set(Some(2.5));
        assert_eq!(gauge.get(), Some(2.5));
        gauge.set(None);
        assert_eq!(gauge.get(), None);
    }
}
