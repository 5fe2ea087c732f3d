//! When a call is tried again, and when it has been tried enough.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::outcome::RETRY_CODES;

/// How a function's calls are retried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How often the function may run and answer before the call is dead.
    pub attempts: u32,
    /// The upper bound of the first wait.
    pub base: Duration,
    /// The upper bound of every wait.
    pub cap: Duration,
    /// How old a call may get before it is dead.
    pub max_age: Duration,
    /// The statuses that are retried.
    pub codes: Vec<u16>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 10,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(120),
            max_age: Duration::from_secs(24 * 60 * 60),
            codes: RETRY_CODES.to_vec(),
        }
    }
}

/// What is known when an attempt did not succeed.
#[derive(Clone, Copy, Debug)]
pub struct Tried {
    /// Attempts that counted, this one included if it did.
    pub attempts: u32,
    /// Times the call came back from a busy function, this one included if it did.
    pub throttles: u32,
    /// When the call was accepted.
    pub accepted_at: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// The function's own wish.
    pub retry_after: Option<Duration>,
}

/// What becomes of a call that was tried in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try again at this time.
    Again(Timestamp),
    /// All attempts are used up.
    Exhausted,
    /// By the time of the next attempt it would be too old.
    TooOld,
}

impl Policy {
    /// When, if ever, to try again. `luck` in `0.0..1.0` is the jitter's draw.
    #[must_use]
    pub fn verdict(&self, tried: Tried, luck: f64) -> Verdict {
        if tried.attempts >= self.attempts {
            return Verdict::Exhausted;
        }
        // A Retry-After is a floor: the jitter goes on top, so that callers told the same time do not return together.
        let backoff = self.wait(tried.attempts.saturating_add(tried.throttles), luck);
        let wait = tried.retry_after.unwrap_or_default().saturating_add(backoff);
        let due = tried.now.after(wait);
        if due.since(tried.accepted_at) > self.max_age { Verdict::TooOld } else { Verdict::Again(due) }
    }

    /// Exponential backoff with full jitter after the `tries`-th try: uniform in `0..min(cap, base × 2^(tries-1))`
    /// (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    fn wait(&self, tries: u32, luck: f64) -> Duration {
        let doublings = tries.saturating_sub(1).min(32);
        let bound = self.base.saturating_mul(2u32.saturating_pow(doublings)).min(self.cap);
        Duration::try_from_secs_f64(bound.as_secs_f64() * luck.clamp(0.0, 1.0)).unwrap_or(bound)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tried(attempts: u32) -> Tried {
        Tried {
            attempts,
            throttles: 0,
            accepted_at: Timestamp::default(),
            now: Timestamp::default(),
            retry_after: None,
        }
    }

    fn wait(policy: &Policy, tried: Tried, luck: f64) -> Duration {
        match policy.verdict(tried, luck) {
            Verdict::Again(due) => due.since(tried.now),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        let policy = Policy { attempts: 99, ..Policy::default() };
        let bounds: Vec<u64> = (1..=9).map(|n| wait(&policy, tried(n), 1.0).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 32, 64, 120, 120]);
    }

    #[test]
    fn ends_by_attempts_or_by_age() {
        let policy = Policy::default();
        assert_eq!(policy.verdict(tried(10), 0.5), Verdict::Exhausted);
        let old = Tried { now: Timestamp::default().after(policy.max_age), ..tried(1) };
        assert_eq!(policy.verdict(old, 0.5), Verdict::TooOld);
    }

    #[test]
    fn busy_costs_no_attempt_but_waits_longer() {
        let policy = Policy::default();
        let busy = Tried { throttles: 50, ..tried(0) };
        assert_eq!(wait(&policy, busy, 1.0), policy.cap);
    }

    proptest! {
        #[test]
        fn retry_after_is_a_floor_and_luck_a_share(attempts in 1u32..9, after in 0u64..3600, luck in 0.0f64..1.0) {
            let policy = Policy::default();
            let asked = Tried { retry_after: Some(Duration::from_secs(after)), ..tried(attempts) };
            let (with, without) = (wait(&policy, asked, luck), wait(&policy, tried(attempts), luck));
            prop_assert!(with >= Duration::from_secs(after));
            prop_assert_eq!(with - Duration::from_secs(after), without);
            prop_assert!(without <= wait(&policy, tried(attempts), 1.0));
        }

        #[test]
        fn nothing_overflows(attempts: u32, throttles: u32, at: i64, now: i64, after: u64, luck: f64) {
            let policy = Policy { attempts: u32::MAX, cap: Duration::MAX, ..Policy::default() };
            let asked = Tried {
                attempts,
                throttles,
                accepted_at: Timestamp::from_unix_nanos(at),
                now: Timestamp::from_unix_nanos(now),
                retry_after: Some(Duration::from_secs(after)),
            };
            prop_assert!(matches!(policy.verdict(asked, luck), Verdict::Again(_) | Verdict::TooOld | Verdict::Exhausted));
        }
    }
}
