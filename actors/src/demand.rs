//! How much of what waits could run if there were more to run it, as an autoscaler wants to know (pure).
//!
//! A backlog alone misleads it: calls that a limit or a rate holds back start no sooner for more replicas or workers.
//! What may bear more is another matter: calls that wait for a busy endpoint, an open circuit or a worker's permit are
//! what a replica or a worker more is for, so they are runnable. So are calls that were turned away and are put off: of a
//! function that has no replica, all are.

use std::num::NonZeroU32;

use proto::limit::Rate;
use serde::Serialize;

/// What is known of a function, or could be of any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Calls that are in its lane and do not run, or that were turned away and wait to be tried again.
    pub waiting: u64,
    /// Calls that run, in all workers.
    pub in_flight: u64,
    /// Whether it or its queue is paused.
    pub paused: bool,
    /// How many may run at once in the cluster.
    pub limit: Option<NonZeroU32>,
    /// How many may start in a time in the cluster.
    pub rate: Option<Rate>,
    /// How long a call usually takes, in seconds.
    pub typical_seconds: Option<f64>,
}

/// What waits, by what it waits for, and what runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Demand {
    /// Calls that would run if there were room at the function and in the workers.
    pub runnable: u64,
    /// Calls that wait for others to end, because so many may run at once.
    pub blocked_by_limit: u64,
    /// Calls that wait because so many may start in a time.
    pub blocked_by_rate: u64,
    /// Calls that wait for an operator.
    pub blocked_by_pause: u64,
    /// Calls that run.
    pub in_flight: u64,
}

impl Demand {
    /// Reckons it.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        let Facts { waiting, in_flight, .. } = *facts;
        if facts.paused {
            return Self { blocked_by_pause: waiting, in_flight, ..Self::default() };
        }
        let within = |at_once: u64| waiting.min(at_once.saturating_sub(in_flight));
        let allowed = facts.limit.map_or(waiting, |limit| within(limit.get().into()));
        let runnable = facts.rate.map_or(allowed, |rate| within(sustained(rate, facts.typical_seconds)).min(allowed));
        Self {
            runnable,
            blocked_by_limit: waiting - allowed,
            blocked_by_rate: allowed - runnable,
            blocked_by_pause: 0,
            in_flight,
        }
    }

    /// Calls that run or would.
    #[must_use]
    pub fn at_once(&self) -> u64 {
        self.runnable.saturating_add(self.in_flight)
    }

    /// The same where so many of it may run at once: what is beyond waits for others to end.
    #[must_use]
    pub fn within(self, limit: NonZeroU32) -> Self {
        let runnable = self.runnable.min(u64::from(limit.get()).saturating_sub(self.in_flight));
        Self { runnable, blocked_by_limit: self.blocked_by_limit + (self.runnable - runnable), ..self }
    }

    /// The same where so many of it may start in a time: what is beyond waits for that. `typical_seconds` as of [`Facts`].
    #[must_use]
    pub fn paced(self, rate: Rate, typical_seconds: Option<f64>) -> Self {
        let runnable = self.runnable.min(sustained(rate, typical_seconds).saturating_sub(self.in_flight));
        Self { runnable, blocked_by_rate: self.blocked_by_rate + (self.runnable - runnable), ..self }
    }

    /// These and those together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            runnable: self.runnable.saturating_add(other.runnable),
            blocked_by_limit: self.blocked_by_limit.saturating_add(other.blocked_by_limit),
            blocked_by_rate: self.blocked_by_rate.saturating_add(other.blocked_by_rate),
            blocked_by_pause: self.blocked_by_pause.saturating_add(other.blocked_by_pause),
            in_flight: self.in_flight.saturating_add(other.in_flight),
        }
    }
}

/// How many that run so many calls at once each are wanted for so many calls at once.
#[must_use]
pub fn wanted(at_once: u64, each: NonZeroU32) -> u64 {
    at_once.div_ceil(each.get().into())
}

/// How many calls run at once if they start as fast as they may: as many as start while one runs (Little's law). Of a
/// function whose calls nobody has seen, a second is assumed.
fn sustained(rate: Rate, typical_seconds: Option<f64>) -> u64 {
    let at_once = rate.per_second() * typical_seconds.unwrap_or(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and `as` saturates")]
    let at_once = at_once.ceil() as u64;
    at_once.max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts(waiting: u64, in_flight: u64) -> Facts {
        Facts { waiting, in_flight, ..Facts::default() }
    }

    fn parts(facts: &Facts) -> [u64; 4] {
        let it = Demand::of(facts);
        [it.runnable, it.blocked_by_limit, it.blocked_by_rate, it.blocked_by_pause]
    }

    #[test]
    fn what_nothing_holds_back_is_runnable() {
        assert_eq!(parts(&facts(40, 2)), [40, 0, 0, 0]);
        assert_eq!(parts(&facts(0, 0)), [0; 4]);
    }

    #[test]
    fn what_a_limit_holds_back_is_no_reason_for_more_replicas() {
        let limit = NonZeroU32::new(10);
        assert_eq!(parts(&Facts { limit, ..facts(100, 4) }), [6, 94, 0, 0]);
        assert_eq!(parts(&Facts { limit, ..facts(3, 4) }), [3, 0, 0, 0]);
        // The limit was lowered while more ran.
        assert_eq!(parts(&Facts { limit, ..facts(5, 12) }), [0, 5, 0, 0]);
    }

    #[test]
    fn a_rate_allows_as_many_at_once_as_start_while_one_runs() {
        let rate = Rate::parse("10/s");
        let slow = Facts { rate, typical_seconds: Some(2.0), ..facts(100, 5) };
        assert_eq!(parts(&slow), [15, 0, 85, 0]);
        let quick = Facts { typical_seconds: Some(0.01), ..slow };
        assert_eq!(parts(&Facts { in_flight: 0, ..quick }), [1, 0, 99, 0], "one at least, or it would never start");
        assert_eq!(parts(&Facts { typical_seconds: None, in_flight: 0, ..slow }), [10, 0, 90, 0]);
        let limit = NonZeroU32::new(8);
        assert_eq!(parts(&Facts { limit, ..slow }), [3, 97, 0, 0], "what both hold back is the limit's");
    }

    #[test]
    fn what_shares_a_limit_keeps_to_it_together() {
        let one = Demand::of(&facts(10, 4));
        let both = one.and(one).within(NonZeroU32::new(12).unwrap());
        assert_eq!((both.runnable, both.blocked_by_limit, both.at_once()), (4, 16, 12));
        assert_eq!(one.within(NonZeroU32::new(100).unwrap()), one);
    }

    #[test]
    fn what_shares_a_rate_keeps_to_it_together() {
        let (one, rate) = (Demand::of(&facts(10, 4)), Rate::parse("10/s").unwrap());
        let both = one.and(one).paced(rate, Some(1.5));
        assert_eq!((both.runnable, both.blocked_by_rate, both.at_once()), (7, 13, 15));
        assert_eq!(one.paced(rate, Some(60.0)), one);
    }

    #[test]
    fn while_it_is_paused_nothing_is_runnable() {
        assert_eq!(parts(&Facts { paused: true, ..facts(7, 1) }), [0, 0, 0, 7]);
    }

    #[test]
    fn so_many_are_wanted_that_all_of_it_runs_at_once() {
        let each = |count| NonZeroU32::new(count).unwrap();
        assert_eq!([wanted(0, each(4)), wanted(1, each(4)), wanted(4, each(4)), wanted(5, each(4))], [0, 1, 1, 2]);
    }

    proptest! {
        #[test]
        fn every_call_is_counted_once(waiting in 0u64..1000, in_flight in 0u64..100, limit in 0u32..50,
            count in 0u32..50, typical in proptest::option::of(0.0..100.0f64), paused: bool) {
            let rate = NonZeroU32::new(count).map(|count| Rate { count, per: std::time::Duration::from_secs(1) });
            let limit = NonZeroU32::new(limit);
            let it = Demand::of(&Facts { waiting, in_flight, paused, limit, rate, typical_seconds: typical });
            let blocked = it.blocked_by_limit + it.blocked_by_rate + it.blocked_by_pause;
            prop_assert_eq!(it.runnable + blocked, waiting);
            if let Some(limit) = limit {
                prop_assert!(it.at_once() <= u64::from(limit.get()).max(in_flight));
            }
            // Something can start where nothing runs.
            prop_assert!(it.runnable > 0 || waiting == 0 || paused || in_flight > 0);
        }
    }
}
