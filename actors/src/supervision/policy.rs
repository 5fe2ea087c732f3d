//! When a child that ended is started again, and when its supervisor gives up (pure).
//!
//! A failed child is restarted after an exponential, jittered delay. A child that fails more than `restarts_max`
//! times within `window` is beyond that: it is *parked* for `park` (its failure is its own: a lane that the broker
//! refuses) or its supervisor *escalates* (its failure is the process's: a queue that cannot live). What fails because the
//! broker is away is started again for as long as that takes: ending the process would only end the calls that run.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Exit;

/// How failures are answered.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Upper bound of the first delay.
    pub base: Duration,
    /// Upper bound of every delay.
    pub cap: Duration,
    /// How far back failures are counted.
    pub window: Duration,
    /// Failures within the window that are answered by a restart.
    pub restarts_max: u32,
    /// What answers one more.
    pub then: Then,
}

/// What is done about a child that fails too often.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// Leave it alone for this long, then begin anew.
    Park(Duration),
    /// Fail as well, with the child's cause.
    Escalate,
}

impl Policy {
    /// For children whose failure concerns nobody else: subscribers.
    pub const LOCAL: Self = Self {
        base: Duration::from_millis(200),
        cap: Duration::from_secs(10),
        window: Duration::from_secs(60),
        restarts_max: 5,
        then: Then::Park(Duration::from_secs(30)),
    };

    /// For children that the process cannot do without.
    pub const VITAL: Self = Self {
        base: Duration::from_millis(200),
        cap: Duration::from_secs(5),
        window: Duration::from_secs(60),
        restarts_max: 10,
        then: Then::Escalate,
    };
}

/// What a supervisor does about an exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start it again.
    Restart {
        /// After this long.
        after: Duration,
    },
    /// Start it again much later; show it as parked until then.
    Park {
        /// After this long.
        after: Duration,
    },
    /// Fail, with the cause.
    Escalate {
        /// The child's.
        cause: String,
    },
    /// It is gone and shall be.
    Forget,
}

/// The failures of one child that still count.
#[derive(Clone, Debug, Default)]
pub struct History {
    failures: VecDeque<Instant>,
    /// Exits for want of the broker.
    aways: VecDeque<Instant>,
}

impl History {
    /// Takes note of an exit and says what to do. `luck` in `0.0..1.0` is the jitter's draw.
    pub fn verdict(&mut self, policy: &Policy, exit: &Exit, now: Instant, luck: f64) -> Verdict {
        if exit.is_normal() {
            return Verdict::Forget;
        }
        for exits in [&mut self.failures, &mut self.aways] {
            while exits.front().is_some_and(|&at| now.duration_since(at) > policy.window) {
                exits.pop_front();
            }
        }
        if matches!(exit, Exit::Away(_)) {
            self.aways.push_back(now);
            let aways = u32::try_from(self.aways.len()).unwrap_or(u32::MAX);
            return Verdict::Restart { after: delay(policy, aways, luck) };
        }
        self.failures.push_back(now);
        let failures = self.count();
        if failures <= policy.restarts_max {
            return Verdict::Restart { after: delay(policy, failures, luck) };
        }
        match policy.then {
            Then::Park(after) => {
                self.failures.clear();
                Verdict::Park { after }
            }
            Then::Escalate => Verdict::Escalate { cause: exit.to_string() },
        }
    }

    /// How many failures count now.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.failures.len()).unwrap_or(u32::MAX)
    }
}

/// Exponential with half jitter: never at once, so that a child that fails at start does not spin.
fn delay(policy: &Policy, failures: u32, luck: f64) -> Duration {
    let bound = policy.base.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1).min(20))).min(policy.cap);
    bound / 2 + (bound / 2).mul_f64(luck.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Exit {
        Exit::Failed("boom".into())
    }

    #[test]
    fn a_normal_end_is_the_end() {
        let now = crate::supervision::roster::tests::now();
        assert_eq!(History::default().verdict(&Policy::VITAL, &Exit::Stopped, now, 0.5), Verdict::Forget);
    }

    #[test]
    fn delays_grow_and_the_last_straw_escalates() {
        let now = crate::supervision::roster::tests::now();
        let mut history = History::default();
        let delays: Vec<u128> = (0..Policy::VITAL.restarts_max)
            .map(|_| match history.verdict(&Policy::VITAL, &failed(), now, 1.0) {
                Verdict::Restart { after } => after.as_millis(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(delays, [200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000, 5000]);
        let last = history.verdict(&Policy::VITAL, &failed(), now, 1.0);
        assert_eq!(last, Verdict::Escalate { cause: failed().to_string() });
    }

    #[test]
    fn an_outage_of_the_broker_is_outlasted() {
        let mut now = crate::supervision::roster::tests::now();
        for policy in [Policy::VITAL, Policy::LOCAL] {
            let mut history = History::default();
            for _ in 0..1000 {
                let Verdict::Restart { after } = history.verdict(&policy, &Exit::Away("gone".into()), now, 1.0) else {
                    panic!("it gave up");
                };
                assert!(after <= policy.cap);
                now += after;
            }
            assert_eq!(history.count(), 0, "and nothing is held against it");
        }
    }

    #[test]
    fn failures_are_forgotten_after_the_window() {
        let mut now = crate::supervision::roster::tests::now();
        let mut history = History::default();
        for _ in 0..100 {
            let verdict = history.verdict(&Policy::LOCAL, &failed(), now, 0.0);
            assert_eq!(verdict, Verdict::Restart { after: Policy::LOCAL.base / 2 });
            now += Policy::LOCAL.window + Duration::from_secs(1);
        }
    }

    #[test]
    fn a_local_failure_parks_and_then_begins_anew() {
        let now = crate::supervision::roster::tests::now();
        let mut history = History::default();
        for _ in 0..Policy::LOCAL.restarts_max {
            assert!(matches!(history.verdict(&Policy::LOCAL, &failed(), now, 0.5), Verdict::Restart { .. }));
        }
        assert!(matches!(history.verdict(&Policy::LOCAL, &failed(), now, 0.5), Verdict::Park { .. }));
        assert!(matches!(history.verdict(&Policy::LOCAL, &Exit::Killed, now, 0.5), Verdict::Restart { .. }));
    }
}
