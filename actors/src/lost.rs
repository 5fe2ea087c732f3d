//! What a process had that is lost: until when it is looked for, how often, and by whom (pure).
//!
//! A broker delivers a call again when its lease ends, but tells nobody of it. Whoever pulls from its lane gets it; where
//! nobody does, because the function is not active elsewhere or permits are too short to wait with, it is found by a scan.
//! One that is made only every few seconds would add them to the lease.

use std::time::{Duration, Instant};

use crate::membership::Loss;

/// How often it is looked within a lease.
const LOOKS: u32 = 12;
/// How many of those who serve a queue look each time, about.
const LOOKERS: f64 = 4.0;

/// A search, while there is something to look for.
#[derive(Debug, Default)]
pub struct Search {
    /// When all has come back.
    by: Option<Instant>,
}

impl Search {
    /// Somebody is lost whose leases last so long. Whether a search begins by it.
    pub fn begin(&mut self, loss: &Loss, lease: Duration, now: Instant) -> bool {
        let was_over = self.by.is_none();
        let by = loss.alive_until.map_or(now, |at| at + lease + pause(lease));
        self.by = self.by.max(Some(by));
        was_over
    }

    /// After a look: the pause before the next one, unless all has come back by now.
    pub fn next(&mut self, lease: Duration, now: Instant) -> Option<Duration> {
        self.by = self.by.filter(|by| *by > now);
        self.by.map(|_| pause(lease))
    }
}

/// Whether one of so many who would look does; `luck` is in `0.0..1.0`. Whom a few wake is for all to take.
#[must_use]
pub fn is_up_to_me(of: u32, luck: f64) -> bool {
    luck * f64::from(of) < LOOKERS
}

fn pause(lease: Duration) -> Duration {
    lease / LOOKS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::Serves;

    const LEASE: Duration = Duration::from_secs(12);
    const SECOND: Duration = Duration::from_secs(1);

    fn lost(alive_until: Option<Instant>) -> Loss {
        Loss { serves: Serves::Everything, alive_until }
    }

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// When it is looked, after the first time.
    fn looks(search: &mut Search, from: Instant) -> Vec<Duration> {
        let mut at = from;
        std::iter::from_fn(|| {
            at += search.next(LEASE, at)?;
            Some(at - from)
        })
        .collect()
    }

    #[test]
    fn it_is_looked_until_the_last_lease_has_ended() {
        let (mut search, now) = (Search::default(), now());
        assert!(search.begin(&lost(Some(now - 4 * SECOND)), LEASE, now));
        let all = looks(&mut search, now);
        assert_eq!(all.first(), Some(&SECOND));
        // The last lease may end 8 s from now, and is to be seen to have.
        assert_eq!(all.last(), Some(&(9 * SECOND)));
        assert!(search.begin(&lost(None), LEASE, now + 60 * SECOND), "it was over");
    }

    #[test]
    fn what_was_given_back_is_there_already() {
        let (mut search, now) = (Search::default(), now());
        assert!(search.begin(&lost(None), LEASE, now));
        assert!(looks(&mut search, now).is_empty());
    }

    #[test]
    fn one_search_is_for_all_who_are_lost() {
        let (mut search, now) = (Search::default(), now());
        assert!(search.begin(&lost(Some(now)), LEASE, now));
        assert!(!search.begin(&lost(None), LEASE, now));
        assert!(!search.begin(&lost(Some(now - SECOND)), LEASE, now));
        assert_eq!(looks(&mut search, now).last(), Some(&(13 * SECOND)));
    }

    #[test]
    fn a_few_of_many_look_each_time() {
        assert!((0..100).all(|n| is_up_to_me(4, f64::from(n) / 100.0)));
        let of_a_thousand = (0..1000).filter(|n| is_up_to_me(1000, f64::from(*n) / 1000.0)).count();
        assert_eq!(of_a_thousand, 4);
    }
}
