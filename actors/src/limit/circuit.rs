//! Whether a function that failed everything lately is tried (pure).
//!
//! A circuit breaker (Nygard, "Release It!"): closed, everything goes; open, nothing does; when a while has passed,
//! one call at a time probes, and the first that gets through closes it.

use std::time::{Duration, Instant};

/// So many failures with no success between them open it.
const OPENS_AFTER: u32 = 20;
/// The pause before the first probe; it doubles with every probe that fails.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The circuit of one function in one worker.
#[derive(Clone, Copy, Debug)]
pub struct Circuit(State);

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { probe_at: Instant, probes: u32 },
    Probing { began: Instant, probes: u32 },
}

/// What may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admits {
    /// Anything.
    All,
    /// One call, to see.
    Probe,
    /// Nothing, until then if it is known.
    Nothing(Option<Instant>),
}

impl Default for Circuit {
    fn default() -> Self {
        Self(State::Closed { failures: 0 })
    }
}

impl Circuit {
    /// What may start now.
    #[must_use]
    pub fn admits(&self, now: Instant) -> Admits {
        match self.0 {
            State::Closed { .. } => Admits::All,
            State::Open { probe_at, .. } if now >= probe_at => Admits::Probe,
            State::Open { probe_at, .. } => Admits::Nothing(Some(probe_at)),
            State::Probing { .. } => Admits::Nothing(None),
        }
    }

    /// A call starts.
    pub fn began(&mut self, now: Instant) {
        if let State::Open { probe_at, probes } = self.0
            && now >= probe_at
        {
            self.0 = State::Probing { began: now, probes };
        }
    }

    /// A call that began at `began` got through to the function, or did not, or it is not known. Whether that closed
    /// the circuit. `luck` in `0.0..1.0` spreads the probes of workers that lost the function together.
    pub fn ended(&mut self, began: Instant, through: Option<bool>, now: Instant, luck: f64) -> bool {
        let was_closed = matches!(self.0, State::Closed { .. });
        self.0 = match (self.0, through) {
            (_, Some(true)) => State::Closed { failures: 0 },
            (State::Closed { failures }, Some(false)) if failures + 1 < OPENS_AFTER => {
                State::Closed { failures: failures + 1 }
            }
            (State::Closed { .. }, Some(false)) => State::Open { probe_at: now + pause(0, luck), probes: 0 },
            (State::Probing { began: probe, probes }, Some(false) | None) if began >= probe => {
                State::Open { probe_at: now + pause(probes + 1, luck), probes: probes + 1 }
            }
            // What began before it opened says nothing new.
            (state, _) => state,
        };
        !was_closed && matches!(self.0, State::Closed { .. })
    }
}

/// Between a half and the whole of a pause that doubles.
fn pause(probes: u32, luck: f64) -> Duration {
    let whole = PAUSE_FIRST.saturating_mul(2u32.saturating_pow(probes)).min(PAUSE_MAX);
    whole.mul_f64(0.5 + luck.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Circuit {
        let mut circuit = Circuit::default();
        for _ in 0..OPENS_AFTER {
            assert_eq!(circuit.admits(now), Admits::All);
            circuit.ended(now, Some(false), now, 1.0);
        }
        circuit
    }

    #[test]
    fn only_failures_without_a_success_between_open_it() {
        let now = tokio::time::Instant::now().into_std();
        let mut circuit = Circuit::default();
        for n in 0..1000 {
            circuit.ended(now, Some(n % (OPENS_AFTER - 1) == 0), now, 0.0);
            assert_eq!(circuit.admits(now), Admits::All);
        }
        assert_eq!(opened(now).admits(now), Admits::Nothing(Some(now + PAUSE_FIRST)));
    }

    #[test]
    fn one_call_at_a_time_probes_ever_more_rarely_until_one_gets_through() {
        let mut now = tokio::time::Instant::now().into_std();
        let mut circuit = opened(now);
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(circuit.admits(now), Admits::Nothing(Some(now + Duration::from_secs(pause))));
            now += Duration::from_secs(pause);
            assert_eq!(circuit.admits(now), Admits::Probe);
            circuit.began(now);
            assert_eq!(circuit.admits(now), Admits::Nothing(None), "the probe runs");
            assert!(!circuit.ended(now, Some(false), now, 1.0));
        }
        now += Duration::from_secs(30);
        circuit.began(now);
        assert!(circuit.ended(now, Some(true), now, 1.0));
        assert_eq!(circuit.admits(now), Admits::All);
    }

    #[test]
    fn what_began_before_says_nothing_unless_it_got_through() {
        let now = tokio::time::Instant::now().into_std();
        let mut circuit = opened(now);
        let later = now + Duration::from_secs(2);
        circuit.began(later);
        assert!(!circuit.ended(now, Some(false), later, 1.0));
        assert_eq!(circuit.admits(later), Admits::Nothing(None), "the probe still runs");
        assert!(circuit.ended(now, Some(true), later, 1.0));
    }

    #[test]
    fn a_probe_that_vanishes_is_repeated() {
        let now = tokio::time::Instant::now().into_std();
        let mut circuit = opened(now);
        let later = now + Duration::from_secs(2);
        circuit.began(later);
        circuit.ended(later, None, later, 1.0);
        assert_eq!(circuit.admits(later + PAUSE_MAX), Admits::Probe);
    }
}
