//! The buckets of a process: one for each function and each namespace that has a rate.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use proto::{Function, Namespace};

use super::rate::{Bucket, Pace};

/// Whose rate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// One function's.
    Function(Function),
    /// That of all functions of a namespace together.
    Namespace(Namespace),
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(function) => write!(f, "function {function}"),
            Self::Namespace(namespace) => write!(f, "namespace {namespace}"),
        }
    }
}

/// The rates that a call is subject to, all of them.
pub type Paces = Vec<(Whose, Pace)>;

/// Every bucket that is not full.
#[derive(Debug, Default)]
pub struct Rates {
    buckets: Mutex<HashMap<Whose, Bucket>>,
}

/// Idle buckets are forgotten when there are so many.
const MANY: usize = 1024;

impl Rates {
    /// How many calls may start now by all of `paces`.
    #[must_use]
    pub fn available(&self, paces: &Paces, now: Instant) -> u32 {
        let buckets = self.buckets();
        let bucket = |whose| buckets.get(whose).copied().unwrap_or_default();
        paces.iter().map(|(whose, pace)| bucket(whose).available(*pace, now)).min().unwrap_or(u32::MAX)
    }

    /// Whose rate lets none start now for longest, and until when.
    #[must_use]
    pub fn next<'a>(&self, paces: &'a Paces, now: Instant) -> Option<(&'a Whose, Instant)> {
        let buckets = self.buckets();
        let bucket = |whose| buckets.get(whose).copied().unwrap_or_default();
        let next = paces.iter().filter_map(|(whose, pace)| Some((whose, bucket(whose).next_at(*pace, now)?)));
        next.max_by_key(|&(_, at)| at)
    }

    /// Takes up to `count` tokens from each bucket, the same from all. How many.
    pub fn take(&self, paces: &Paces, count: u32, now: Instant) -> u32 {
        if paces.is_empty() {
            return count;
        }
        let mut buckets = self.buckets();
        if buckets.len() >= MANY {
            buckets.retain(|_, bucket| !bucket.is_idle(now));
        }
        let bucket = |buckets: &HashMap<Whose, Bucket>, whose| buckets.get(whose).copied().unwrap_or_default();
        let least = paces.iter().map(|(whose, pace)| bucket(&buckets, whose).available(*pace, now)).min();
        let count = least.map_or(count, |least| least.min(count));
        for (whose, pace) in paces {
            buckets.entry(whose.clone()).or_default().take(count, *pace, now);
        }
        count
    }

    /// Puts back tokens that were not used.
    pub fn put_back(&self, paces: &Paces, count: u32, now: Instant) {
        let mut buckets = self.buckets();
        for (whose, pace) in paces {
            if let Some(bucket) = buckets.get_mut(whose) {
                bucket.put_back(count, *pace, now);
            }
        }
    }

    /// Held for moments and never across an await; a bucket leaves nothing half done.
    fn buckets(&self) -> MutexGuard<'_, HashMap<Whose, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn paces(function: &str, rates: (f64, f64)) -> Paces {
        let function = Function::parse(function).unwrap();
        let pace = |per_second| Pace { per_second, burst: per_second };
        let namespace = Whose::Namespace(function.namespace().clone());
        vec![(Whose::Function(function), pace(rates.0)), (namespace, pace(rates.1))]
    }

    #[test]
    fn the_functions_of_a_namespace_share_its_rate() {
        let (rates, now) = (Rates::default(), tokio::time::Instant::now().into_std());
        let (a, b) = (paces("a.acme", (10.0, 15.0)), paces("b.acme", (10.0, 15.0)));
        assert_eq!(rates.take(&a, 100, now), 10);
        assert_eq!(rates.take(&b, 100, now), 5);
        assert_eq!(rates.take(&b, 100, now), 0);
        let (whose, next) = rates.next(&b, now).unwrap();
        assert!(matches!(whose, Whose::Namespace(_)));
        assert_eq!((next - now).as_millis(), 66);
        rates.put_back(&a, 4, now);
        assert_eq!(rates.take(&b, 100, now), 4, "what one did not use, another may");
        assert_eq!(rates.take(&b, 100, now + Duration::from_secs(60)), 10);
    }

    #[test]
    fn without_a_rate_there_is_no_limit() {
        let (rates, now) = (Rates::default(), tokio::time::Instant::now().into_std());
        assert_eq!((rates.available(&Vec::new(), now), rates.take(&Vec::new(), 7, now)), (u32::MAX, 7));
    }
}
