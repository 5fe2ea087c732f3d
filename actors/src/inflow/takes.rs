//! How long calls take (pure).

use std::time::Duration;

/// How many times as long quick calls may take in a busy worker.
const HELD_UP: u32 = 8;

/// What is known of a function's calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Takes {
    typical: Option<Duration>,
    quickest: Option<Duration>,
}

impl Takes {
    /// One has taken so long.
    pub fn note(&mut self, took: Duration) {
        self.typical = Some(self.typical.map_or(took, |typical| (typical * 7 + took) / 8));
        let quickest = self.quickest.map_or(took, |quickest| (quickest * 15 + took) / 16);
        self.quickest = Some(quickest.min(took));
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

    /// Whether they would be if nothing held them up: a worker that is busy makes all of them take longer, and is not to
    /// take that for what they are.
    #[must_use]
    pub fn are_quick(&self, within: Duration) -> bool {
        self.quickest.is_some_and(|quickest| quickest <= within) && self.usually(within * HELD_UP)
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
        assert!(takes([200, 1]).are_quick(MS * 50));
        assert!(!takes([200, 1, 200, 200, 200, 200, 200]).are_quick(MS * 50));
    }
}
