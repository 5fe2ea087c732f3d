//! How fast calls start again after all of them were held back (pure).
//!
//! What piled up behind a pause or an outage would otherwise start in one instant, on a function that may have been
//! scaled down meanwhile. By time and not by answers: a function whose calls take a minute would else take ten to get
//! going.

use std::time::{Duration, Instant};

/// So many run at once in the first step; twice as many in each that follows.
const FIRST: u32 = 8;
const STEP: Duration = Duration::from_secs(1);
/// After so many steps nothing is held back any more.
const STEPS: u32 = 10;

/// The way back, begun at an instant.
#[derive(Clone, Copy, Debug)]
pub struct Ramp {
    began: Instant,
}

impl Ramp {
    /// Begins now.
    #[must_use]
    pub fn begin(now: Instant) -> Self {
        Self { began: now }
    }

    /// How many calls may run now, and until when no more may; nothing once it is over.
    #[must_use]
    pub fn limit(self, now: Instant) -> Option<(u32, Instant)> {
        let step = now.saturating_duration_since(self.began).as_millis() / STEP.as_millis();
        let step = u32::try_from(step).ok().filter(|step| *step < STEPS)?;
        Some((FIRST << step, self.began + STEP * (step + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_with_every_second_and_ends() {
        let now = crate::supervision::roster::tests::now();
        let ramp = Ramp::begin(now);
        let limit = |millis| ramp.limit(now + Duration::from_millis(millis)).map(|(limit, _)| limit);
        let limits = [0, 999, 1000, 5500, 9999, 10_000].map(limit);
        assert_eq!(limits, [Some(8), Some(8), Some(16), Some(256), Some(4096), None]);
        assert_eq!(ramp.limit(now + Duration::from_millis(1500)).unwrap().1, now + Duration::from_secs(2));
    }
}
