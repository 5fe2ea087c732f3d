//! What a process had that is lost: until when it is looked for, how often, and by whom (pure).
//!
//! A broker delivers a call again when its lease ends, but tells nobody of it. Whoever pulls from its lane gets it; where
//! nobody does, because the function is not active elsewhere or permits are too short to wait with, it is found by a scan.
//! One that is made only every few seconds would add them to the lease.

use std::time::{Duration, Instant};

/// How often it is looked within a lease.
const LOOKS: u32 = 12;
/// How many of those who serve a queue look each time, about; fewer while many are lost who count among them.
const LOOKERS: f64 = 8.0;

/// A search, while there is something to look for.
#[derive(Debug, Default)]
pub struct Search {
    /// When all has come back.
    by: Option<Instant>,
}

impl Search {
    /// Somebody is lost who may have extended leases until now, because signs of life may be lost as well. Whether a search
    /// begins by it.
    pub fn begin(&mut self, lease: Duration, now: Instant) -> bool {
        self.by.replace(now + lease + pause(lease)).is_none()
    }

    /// After a look: the pause before the next one, unless all has come back by now.
    pub fn next(&mut self, lease: Duration, now: Instant) -> Option<Duration> {
        self.by = self.by.filter(|by| *by > now);
        self.by.map(|_| pause(lease))
    }
}

/// Whether one of so many who would look does; `luck` is in `0.0..1.0`. A broker would not bear that all do where they are
/// hundreds.
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

    const LEASE: Duration = Duration::from_secs(12);
    const SECOND: Duration = Duration::from_secs(1);

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
    fn it_is_looked_until_the_last_lease_is_seen_to_have_ended() {
        let (mut search, now) = (Search::default(), now());
        assert!(search.begin(LEASE, now));
        let all = looks(&mut search, now);
        assert_eq!((all.first(), all.last()), (Some(&SECOND), Some(&(13 * SECOND))));
        assert!(search.begin(LEASE, now + 60 * SECOND), "it was over");
    }

    #[test]
    fn one_search_is_for_all_who_are_lost() {
        let (mut search, now) = (Search::default(), now());
        assert!(search.begin(LEASE, now));
        assert!(!search.begin(LEASE, now + 2 * SECOND));
        assert_eq!(looks(&mut search, now).last(), Some(&(15 * SECOND)));
    }

    #[test]
    fn a_few_of_many_look_each_time() {
        assert!((0..100).all(|n| is_up_to_me(8, f64::from(n) / 100.0)));
        let of_a_thousand = (0..1000).filter(|n| is_up_to_me(1000, f64::from(*n) / 1000.0)).count();
        assert_eq!(of_a_thousand, 8);
    }
}
