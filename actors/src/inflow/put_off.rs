//! Calls that are tried again later, as far as it was decided here (pure).

use std::collections::BTreeSet;
use std::time::Instant;

/// How many are remembered: the first of them.
const MANY: usize = 64;

/// When calls are tried again, and whether they were turned away.
#[derive(Debug, Default)]
pub struct PutOff(BTreeSet<(Instant, bool)>);

impl PutOff {
    /// One is tried again then. `turned_away`: its function had no room for it, or was not there.
    pub fn note(&mut self, due: Instant, turned_away: bool, now: Instant) {
        self.0 = self.0.split_off(&(now, false));
        self.0.insert((due, turned_away));
        if self.0.len() > MANY {
            self.0.pop_last();
        }
    }

    /// When the next one is.
    #[must_use]
    pub fn next(&self, now: Instant) -> Option<Instant> {
        self.0.range((now, false)..).next().map(|(due, _)| *due)
    }

    /// How many were turned away and have not been tried again.
    #[must_use]
    pub fn turned_away(&self, now: Instant) -> u64 {
        self.0.range((now, false)..).filter(|(_, turned_away)| *turned_away).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_due_is_not_put_off_any_more() {
        let (mut calls, now) = (PutOff::default(), tokio::time::Instant::now().into_std());
        let at = |second| now + Duration::from_secs(second);
        assert_eq!((calls.next(now), calls.turned_away(now)), (None, 0));
        for (due, turned_away) in [(3, true), (1, false), (2, true)] {
            calls.note(at(due), turned_away, now);
        }
        assert_eq!((calls.next(now), calls.turned_away(now)), (Some(at(1)), 2));
        let late = at(2) + Duration::from_millis(1);
        assert_eq!((calls.next(late), calls.turned_away(late)), (Some(at(3)), 1));
        assert_eq!((calls.next(at(4)), calls.turned_away(at(4))), (None, 0));
    }

    #[test]
    fn the_first_of_many_are_remembered() {
        let (mut calls, now) = (PutOff::default(), tokio::time::Instant::now().into_std());
        for second in (0..100).rev() {
            calls.note(now + Duration::from_secs(second), true, now);
        }
        assert_eq!((calls.turned_away(now), calls.next(now)), (64, Some(now)));
        assert_eq!(calls.turned_away(now + Duration::from_secs(64)), 0);
    }
}
