//! How long calls take (pure).

use std::time::Duration;

/// How many times as long quick calls may take in a busy worker.
const HELD_UP: u32 = 8;
/// After how many calls it is known how quick they can be. Where many functions begin at once, the first calls of each are
/// held up by those of the others: one call at a time of each would be all that is ever seen.
const KNOWN_AFTER: u32 = 8;

/// What is known of a function's calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Takes {
    typical: Option<Duration>,
    quickest: Option<Duration>,
    count: u32,
}

impl Takes {
    /// One has taken so long.
    pub fn note(&mut self, took: Duration) {
        self.typical = Some(self.typical.map_or(took, |typical| (typical * 7 + took) / 8));
        let quickest = self.quickest.map_or(took, |quickest| (quickest * 15 + took) / 16);
        self.quickest = Some(quickest.min(took));
        self.count = self.count.saturating_add(1);
    }

    /// What they usually take, if any has been seen.
    #[must_use]
    pub fn typical(&self) -> Option<Duration> {
        self.typical
    }

    /// Whether they are usually over within so long.
    #[must_use]
    pub fn usually(&self, within: Duration) -> bool {
        self.typical.is_some_and(|typical| typical <= within)
    }

    /// How long quick calls may wait for each other: on average as long as they could take longer and still be quick, and
    /// so up to twice that. Not at all if they are not quick.
    #[must_use]
    pub fn patience(&self, within: Duration) -> Duration {
        let known = self.quickest.filter(|_| self.count >= KNOWN_AFTER).unwrap_or_default();
        if self.are_quick(within) { within.saturating_sub(known) * 2 } else { Duration::ZERO }
    }

    /// Whether they would be if nothing held them up: a worker that is busy makes all of them take longer, and is not to
    /// take that for what they are.
    #[must_use]
    pub fn are_quick(&self, within: Duration) -> bool {
        let might_be = self.count < KNOWN_AFTER || self.quickest.is_some_and(|quickest| quickest <= within);
        might_be && self.usually(within * HELD_UP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn takes(all: impl IntoIterator<Item = u32>) -> Takes {
        let mut takes = Takes::default();
        all.into_iter().for_each(|took| takes.note(MS * took));
        takes
    }

    #[test]
    fn nothing_is_known_before_the_first() {
        let takes = Takes::default();
        assert_eq!((takes.typical(), takes.usually(MS), takes.are_quick(MS)), (None, false, false));
    }

    #[test]
    fn a_busy_worker_makes_calls_longer_and_not_slow() {
        let busy = takes([90, 20, 80, 100, 60, 90, 70, 30].repeat(5));
        assert!(!busy.usually(MS * 50) && busy.are_quick(MS * 50));
        assert!(!takes([60; 10]).are_quick(MS * 50));
    }

    #[test]
    fn an_answer_at_once_now_and_then_does_not_make_long_calls_quick() {
        assert!(!takes([2000, 1].repeat(9)).are_quick(MS * 50));
        assert!(takes([200; 20].into_iter().chain([1])).are_quick(MS * 50));
        assert!(!takes([200; 20].into_iter().chain([1, 200, 200, 200, 200, 200])).are_quick(MS * 50));
    }

    #[test]
    fn before_it_is_known_they_may_be_held_up() {
        assert!(takes([60; 7]).are_quick(MS * 50) && !takes([60; 8]).are_quick(MS * 50));
        assert!(!takes([500; 1]).are_quick(MS * 50), "so long nothing holds them up");
    }

    #[test]
    fn quick_calls_have_patience_with_each_other() {
        assert_eq!(takes([10; 8]).patience(MS * 25), MS * 30);
        assert_eq!(takes([24; 8]).patience(MS * 25), MS * 2);
        assert_eq!(takes([26; 8]).patience(MS * 25), Duration::ZERO);
        assert_eq!(takes([60]).patience(MS * 25), MS * 50, "it is not known how quick they are");
        assert_eq!(Takes::default().patience(MS * 25), Duration::ZERO);
    }
}
