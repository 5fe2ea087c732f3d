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
    /// How much of a wait is chance.
    pub jitter: Jitter,
    /// How old a call may get before it is dead.
    pub max_age: Duration,
    /// The statuses that are retried.
    pub codes: Vec<u16>,
    /// How often whoever runs a call may be gone before it is dead: it may be what ends them.
    pub crashes: u32,
}

/// How much of a wait is chance: what keeps calls that failed together from coming back together
/// (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Jitter {
    /// All of it.
    #[default]
    Full,
    /// One half of it.
    Equal,
    /// Nothing.
    None,
}

impl Jitter {
    /// Reads `full`, `equal` or `none`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "full" => Some(Self::Full),
            "equal" => Some(Self::Equal),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// The share of the longest wait that `luck` in `0.0..1.0` makes.
    fn share(self, luck: f64) -> f64 {
        let luck = luck.clamp(0.0, 1.0);
        match self {
            Self::Full => luck,
            Self::Equal => 0.5 + luck / 2.0,
            Self::None => 1.0,
        }
    }
}

/// What is set of a policy; what is not comes from elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in Policy")]
pub struct Overrides {
    pub attempts: Option<u32>,
    pub base: Option<Duration>,
    pub cap: Option<Duration>,
    pub jitter: Option<Jitter>,
    pub max_age: Option<Duration>,
    pub codes: Option<Vec<u16>>,
    pub crashes: Option<u32>,
}

impl Overrides {
    /// `policy` with what is set here.
    #[must_use]
    pub fn over(&self, policy: Policy) -> Policy {
        Policy {
            attempts: self.attempts.unwrap_or(policy.attempts),
            base: self.base.unwrap_or(policy.base),
            cap: self.cap.unwrap_or(policy.cap),
            jitter: self.jitter.unwrap_or(policy.jitter),
            max_age: self.max_age.unwrap_or(policy.max_age),
            codes: self.codes.clone().unwrap_or(policy.codes),
            crashes: self.crashes.unwrap_or(policy.crashes),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 10,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(120),
            jitter: Jitter::Full,
            max_age: Duration::from_secs(24 * 60 * 60),
            codes: RETRY_CODES.to_vec(),
            crashes: 5,
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
    /// From when its age counts.
    pub age_from: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// The function's own wish.
    pub retry_after: Option<Duration>,
    /// How much longer it waits because so many others are retried, if its age allows.
    pub crowded: Duration,
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
        if due.since(tried.age_from) > self.max_age {
            return Verdict::TooOld;
        }
        // That others fail as well is no reason to die of age.
        Verdict::Again(due.after(tried.crowded).min(tried.age_from.after(self.max_age)).max(due))
    }

    /// Whether a call that was left behind so often is left alone.
    #[must_use]
    pub fn is_poison(&self, crashes: u32) -> bool {
        crashes >= self.crashes
    }

    /// Exponential backoff after the `tries`-th try: at most `min(cap, base × 2^(tries-1))`, and by chance less.
    fn wait(&self, tries: u32, luck: f64) -> Duration {
        let doublings = tries.saturating_sub(1).min(32);
        let bound = self.base.saturating_mul(2u32.saturating_pow(doublings)).min(self.cap);
        Duration::try_from_secs_f64(bound.as_secs_f64() * self.jitter.share(luck)).unwrap_or(bound)
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
            age_from: Timestamp::default(),
            now: Timestamp::default(),
            retry_after: None,
            crowded: Duration::ZERO,
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

    #[test]
    fn jitter_is_all_half_or_nothing_of_a_wait() {
        for (jitter, least) in [(Jitter::Full, 0), (Jitter::Equal, 500), (Jitter::None, 1000)] {
            let policy = Policy { jitter, ..Policy::default() };
            let waits = [0.0, 1.0].map(|luck| wait(&policy, tried(1), luck).as_millis());
            assert_eq!(waits, [least, 1000], "{jitter:?}");
        }
    }

    #[test]
    fn what_is_set_comes_first() {
        let set = Overrides { attempts: Some(3), codes: Some(vec![503]), ..Overrides::default() };
        let policy = set.over(Policy::default());
        assert_eq!((policy.attempts, policy.codes, policy.cap), (3, vec![503], Policy::default().cap));
    }

    #[test]
    fn a_crowd_delays_but_does_not_kill() {
        let policy = Policy { jitter: Jitter::None, ..Policy::default() };
        let crowded = Tried { crowded: Duration::from_secs(9), ..tried(1) };
        assert_eq!(wait(&policy, crowded, 0.0), Duration::from_secs(10));
        let endless = Tried { crowded: Duration::MAX, ..tried(1) };
        assert_eq!(wait(&policy, endless, 0.0), policy.max_age);
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
                age_from: Timestamp::from_unix_nanos(at),
                now: Timestamp::from_unix_nanos(now),
                retry_after: Some(Duration::from_secs(after)),
                crowded: Duration::from_secs(after),
            };
            prop_assert!(matches!(policy.verdict(asked, luck), Verdict::Again(_) | Verdict::TooOld | Verdict::Exhausted));
        }
    }
}
