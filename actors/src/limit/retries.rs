//! How many of a function's calls may be tried again, beside those that are tried for the first time.
//!
//! A function that fails everything would otherwise be called for its retries alone, many times as often as before it
//! failed. So a retry has to be earned: each call that starts earns a fifth of one, and a floor is free. One that is
//! not earned yet is not lost, but waits until it would be. (Finagle calls this a retry budget:
//! <https://finagle.github.io/blog/2016/02/08/retry-budgets/>.)

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a call that starts earns.
const SHARE: f64 = 0.2;
/// What is free, in a second.
const FLOOR: f64 = 10.0;
/// How many may be saved up: as many may come back at once.
const SAVED_MAX: f64 = 100.0;

/// The account of one function in this worker.
#[derive(Debug, Default)]
pub struct Retries(Mutex<Account>);

/// What is saved, or owed.
#[derive(Clone, Copy, Debug)]
struct Account {
    balance: f64,
    at: Option<Instant>,
}

impl Default for Account {
    fn default() -> Self {
        Self { balance: SAVED_MAX / 2.0, at: None }
    }
}

impl Account {
    fn earn(&mut self) {
        self.balance = (self.balance + SHARE).min(SAVED_MAX);
    }

    /// Spends one; how long until it is earned.
    fn spend(&mut self, now: Instant) -> Duration {
        let since = self.at.replace(now).map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.balance = (self.balance + since.as_secs_f64() * FLOOR).min(SAVED_MAX) - 1.0;
        Duration::try_from_secs_f64(-self.balance / FLOOR).unwrap_or_default()
    }
}

impl Retries {
    /// A call starts.
    pub fn started(&self) {
        self.account(Account::earn);
    }

    /// A call is to be tried again: how much longer it has to wait because so many others are too.
    #[must_use]
    pub fn wait(&self, now: Instant) -> Duration {
        self.account(|account| account.spend(now))
    }

    fn account<T>(&self, act: impl FnOnce(&mut Account) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn start() -> Instant {
        crate::supervision::roster::tests::now()
    }

    #[test]
    fn a_few_failures_cost_nothing() {
        let (retries, now) = (Retries::default(), start());
        for call in 0..1000 {
            retries.started();
            assert!(call % 5 != 0 || retries.wait(now).is_zero());
        }
    }

    #[test]
    fn when_everything_fails_the_retries_thin_out() {
        let (retries, now) = (Retries::default(), start());
        let waits: Vec<Duration> = (0..1050)
            .map(|_| {
                retries.started();
                retries.wait(now)
            })
            .collect();
        assert!(waits[40].is_zero(), "some are saved up");
        // 1,050 spent, 210 earned, 50 saved: 790 owed, ten a second.
        assert_eq!(waits[1049].as_secs(), 79);
        assert!(retries.wait(now + Duration::from_secs(100)).is_zero(), "and it passes");
    }

    proptest! {
        /// However calls start and fail: what comes back within a time is bounded by what started and by the floor.
        #[test]
        fn no_more_come_back_than_are_earned(steps in prop::collection::vec((0u32..20, 0u32..20, 0u64..2000), 1..60)) {
            let (retries, begin) = (Retries::default(), start());
            let (mut now, mut started) = (begin, 0u32);
            let mut due = Vec::new();
            for (starts, fails, pause) in steps {
                for _ in 0..starts {
                    retries.started();
                    started += 1;
                }
                due.extend((0..fails).map(|_| now + retries.wait(now)));
                now += Duration::from_millis(pause);
            }
            let back = due.iter().filter(|at| **at <= now).count();
            let earned = SAVED_MAX + SHARE * f64::from(started) + FLOOR * (now - begin).as_secs_f64();
            prop_assert!(back as f64 <= earned + 1.0, "{} came back, {} were earned", back, earned);
        }
    }
}
