//! The leases a subscriber holds, in order of age (pure).
//!
//! One ring for all calls of a subscriber instead of a timer for each: since every lease lasts equally long, the
//! order in which they were last confirmed is the order in which they need attention. A renewed lease moves to the
//! back; the place it left is skipped when it comes to the front.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Leases by the instant from which they are known to hold.
#[derive(Debug, Default)]
pub struct Ring {
    order: VecDeque<(Instant, u64)>,
    since: HashMap<u64, Instant>,
}

/// When leases of one length are renewed, and when one that could not be must be taken for lost.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// How long a lease lasts.
    pub lease: Duration,
}

impl Schedule {
    /// How often to look.
    #[must_use]
    pub fn beat(&self) -> Duration {
        self.lease / 6
    }

    /// The age at which a lease is renewed.
    #[must_use]
    pub fn renew_at(&self) -> Duration {
        self.lease / 3
    }

    /// The age at which a lease is lost to us: one beat before the broker may give the message to somebody else, so
    /// that looking once a beat is enough to stop in time.
    #[must_use]
    pub fn lost_at(&self) -> Duration {
        self.lease - self.beat()
    }
}

impl Ring {
    /// A lease holds from `now`.
    pub fn hold(&mut self, key: u64, now: Instant) {
        self.since.insert(key, now);
        self.order.push_back((now, key));
    }

    /// A renewal that was asked for at `asked` was confirmed. Nothing if the lease is no longer held.
    pub fn renewed(&mut self, key: u64, asked: Instant) {
        if let Some(since) = self.since.get_mut(&key)
            && *since < asked
        {
            *since = asked;
            // Confirmations come back nearly in the order they were asked for; where not, keep the ring sorted.
            let at = self.order.partition_point(|&(instant, _)| instant <= asked);
            self.order.insert(at, (asked, key));
        }
    }

    /// A lease is settled or given up.
    pub fn release(&mut self, key: u64) {
        self.since.remove(&key);
        if self.since.is_empty() {
            self.order.clear();
        }
    }

    /// Every lease that is at least `age` old, oldest first.
    #[must_use]
    pub fn older_than(&mut self, age: Duration, now: Instant) -> Vec<u64> {
        while let Some(&(instant, key)) = self.order.front()
            && self.since.get(&key) != Some(&instant)
        {
            self.order.pop_front();
        }
        self.order
            .iter()
            .take_while(|(instant, _)| now.duration_since(*instant) >= age)
            .filter(|(instant, key)| self.since.get(key) == Some(instant))
            .map(|&(_, key)| key)
            .collect()
    }

    /// How many leases are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.since.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.since.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_what_is_old_and_still_held_is_due() {
        let start = crate::supervision::roster::tests::now();
        let mut ring = Ring::default();
        ring.hold(1, start);
        ring.hold(2, start + SECOND);
        ring.hold(3, start + 2 * SECOND);
        assert_eq!(ring.older_than(3 * SECOND, start + 4 * SECOND), [1, 2]);
        ring.renewed(1, start + 4 * SECOND);
        ring.release(2);
        assert_eq!(ring.older_than(3 * SECOND, start + 5 * SECOND), [3]);
        assert_eq!(ring.older_than(3 * SECOND, start + 7 * SECOND), [3, 1]);
    }

    #[test]
    fn a_late_confirmation_does_not_revive_a_settled_call() {
        let start = crate::supervision::roster::tests::now();
        let mut ring = Ring::default();
        ring.hold(1, start);
        ring.release(1);
        ring.renewed(1, start + SECOND);
        assert!(ring.is_empty() && ring.older_than(Duration::ZERO, start + SECOND).is_empty());
    }

    proptest! {
        /// Against the obvious model: a map of instants, scanned whole.
        #[test]
        fn agrees_with_a_scan(steps in prop::collection::vec((0u8..4, 0u64..8, 0u64..30), 1..200)) {
            let start = crate::supervision::roster::tests::now();
            let (mut ring, mut model, mut now, mut next) = (Ring::default(), HashMap::new(), start, 100);
            for (step, key, back) in steps {
                now += Duration::from_millis(10);
                let keys: Vec<u64> = { let mut keys: Vec<u64> = model.keys().copied().collect(); keys.sort_unstable(); keys };
                let key = keys.get(usize::try_from(key).unwrap()).copied();
                match (step, key) {
                    (0, _) => { next += 1; ring.hold(next, now); model.insert(next, now); }
                    (1, Some(key)) => { ring.release(key); model.remove(&key); }
                    (2, Some(key)) => {
                        let asked = now - Duration::from_millis(back);
                        ring.renewed(key, asked);
                        let since = model.get_mut(&key).unwrap();
                        *since = asked.max(*since);
                    }
                    _ => {
                        let age = Duration::from_millis(50);
                        let mut due = ring.older_than(age, now);
                        let mut expected: Vec<u64> = model.iter().filter(|(_, since)| now.duration_since(**since) >= age).map(|(key, _)| *key).collect();
                        due.sort_unstable();
                        expected.sort_unstable();
                        prop_assert_eq!(due, expected);
                        prop_assert_eq!(ring.len(), model.len());
                    }
                }
            }
        }
    }
}
