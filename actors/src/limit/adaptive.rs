//! How many calls a function bears at once, found by trying (pure).
//!
//! Additive increase, multiplicative decrease, as TCP finds the capacity of a path (Chiu and Jain 1989), with TCP's
//! slow start after an outage. There is no limit until the function first says that it has enough.

use std::time::Instant;

/// What is kept of the limit when it turns out too high.
const KEEP: f64 = 0.9;

/// The limit as it is known now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Adaptive {
    limit: Option<f64>,
    /// Whether every success raises it by one: it begins low, and where the end is is not known.
    starting: bool,
    /// When it was last lowered: what began before that has been counted.
    lowered_at: Option<Instant>,
}

impl Adaptive {
    /// How many calls may run at once, if that is limited.
    #[must_use]
    pub fn limit(&self) -> Option<u32> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1, and `as` saturates")]
        self.limit.map(|limit| limit as u32)
    }

    /// A call ended well, as one of `in_flight`. A limit that reaches `ceiling` is none.
    pub fn succeeded(&mut self, in_flight: u32, ceiling: u32) {
        let Some(limit) = self.limit else { return };
        // A limit that is not used is not tried either.
        if f64::from(in_flight) * 2.0 < limit {
            return;
        }
        let raised = limit + if self.starting { 1.0 } else { limit.recip() };
        self.limit = (raised < f64::from(ceiling)).then_some(raised);
    }

    /// The function turned a call away that began at `began`; `running` others go on, which it has room for.
    pub fn refused(&mut self, began: Instant, running: u32, now: Instant) {
        self.lower(f64::from(running), began, now);
    }

    /// The function took too long over a call that began at `began`, as one of `in_flight`.
    pub fn timed_out(&mut self, began: Instant, in_flight: u32, now: Instant) {
        self.lower(f64::from(in_flight), began, now);
    }

    /// After an outage or a pause: begins with one call, and doubles with every round that goes well.
    pub fn start_over(&mut self) {
        *self = Self { limit: Some(1.0), starting: true, lowered_at: None };
    }

    /// Once for all calls that were on their way together.
    fn lower(&mut self, bound: f64, began: Instant, now: Instant) {
        let first = self.lowered_at.is_none_or(|at| began >= at);
        let bound = self.limit.map_or(bound, |limit| limit.min(bound));
        self.limit = Some((if first { bound * KEEP } else { bound }).max(1.0));
        self.starting = false;
        if first {
            self.lowered_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// Rounds of as many calls as the limit allows, at a function that has room for `room`. Rejections and successes.
    fn rounds(adaptive: &mut Adaptive, offered: u32, room: u32, rounds: u32, mut now: Instant) -> (u32, u32) {
        let (mut rejected, mut served) = (0, 0);
        for _ in 0..rounds {
            let calls = adaptive.limit().unwrap_or(offered).min(offered);
            let began = now;
            now += Duration::from_millis(200);
            let over = calls.saturating_sub(room);
            for n in 0..over {
                adaptive.refused(began, calls - n - 1, now);
            }
            for _ in 0..calls - over {
                // Where one ends the next begins.
                adaptive.succeeded(calls - over, offered);
            }
            (rejected, served) = (rejected + over, served + calls - over);
        }
        (rejected, served)
    }

    #[test]
    fn there_is_no_limit_until_the_function_has_enough() {
        let mut adaptive = Adaptive::default();
        adaptive.succeeded(100, 256);
        assert_eq!(adaptive.limit(), None);
        adaptive.refused(tokio::time::Instant::now().into_std(), 50, tokio::time::Instant::now().into_std());
        assert_eq!(adaptive.limit(), Some(45));
    }

    #[test]
    fn one_crowded_round_lowers_it_once() {
        let mut adaptive = Adaptive::default();
        let began = tokio::time::Instant::now().into_std();
        let now = began + Duration::from_millis(1);
        for running in (50..255).rev() {
            adaptive.refused(began, running, now);
        }
        assert_eq!(adaptive.limit(), Some(50), "what was not turned away is what fits");
        for _ in 0..10 {
            adaptive.timed_out(began, 50, now);
        }
        assert_eq!(adaptive.limit(), Some(50));
        adaptive.timed_out(now, 50, now);
        assert_eq!(adaptive.limit(), Some(45));
    }

    #[test]
    fn it_settles_near_what_the_function_bears_with_few_rejections() {
        let mut adaptive = Adaptive::default();
        let now = tokio::time::Instant::now().into_std();
        rounds(&mut adaptive, 256, 50, 10, now);
        let (rejected, served) = rounds(&mut adaptive, 256, 50, 100, now + Duration::from_secs(60));
        assert!(f64::from(rejected) < 0.01 * f64::from(served), "{rejected} of {served}");
        assert!(served > 100 * 45, "{served}");
    }

    #[test]
    fn after_an_outage_it_doubles_until_nothing_limits_it() {
        let mut adaptive = Adaptive::default();
        adaptive.start_over();
        let limits: Vec<_> = (0..8)
            .map(|_| {
                let limit = adaptive.limit();
                rounds(&mut adaptive, 100, 1000, 1, tokio::time::Instant::now().into_std());
                limit
            })
            .collect();
        assert_eq!(limits, [Some(1), Some(2), Some(4), Some(8), Some(16), Some(32), Some(64), None]);
    }

    proptest! {
        #[test]
        fn never_below_one(steps in prop::collection::vec((0u8..4, 0u32..300), 0..200)) {
            let mut adaptive = Adaptive::default();
            let mut now = tokio::time::Instant::now().into_std();
            for (step, n) in steps {
                now += Duration::from_millis(10);
                match step {
                    0 => adaptive.succeeded(n, 256),
                    1 => adaptive.refused(now, n, now),
                    2 => adaptive.timed_out(now, n, now),
                    _ => adaptive.start_over(),
                }
                prop_assert!(adaptive.limit() != Some(0));
            }
        }
    }
}
