//! What a lane waited for, and when: the last spells of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use proto::Timestamp;

use super::Reason;

/// How many changes are remembered. What is older is told as waiting for nothing in particular.
const CHANGES_MAX: usize = 256;

/// The changes of what a lane waits for; clones share them. Who notes them is one, who asks are its calls.
#[derive(Clone, Debug, Default)]
pub struct Spells(Arc<Mutex<Changes>>);

#[derive(Debug, Default)]
struct Changes {
    last: Option<Reason>,
    /// From when on it waited for what.
    at: VecDeque<(Timestamp, Option<Reason>)>,
}

/// A part of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spell<R> {
    /// What was waited for.
    pub reason: R,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

impl Spells {
    /// It waits for this now.
    pub fn note(&self, reason: Option<Reason>, now: impl FnOnce() -> Timestamp) {
        // Held for moments and never across an await; nothing is left half done.
        let mut changes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if changes.last == reason {
            return;
        }
        changes.last = reason;
        if changes.at.len() >= CHANGES_MAX {
            changes.at.pop_front();
        }
        changes.at.push_back((now(), reason));
    }

    /// What was waited for between two times, without gaps; nothing, where nothing was known of.
    #[must_use]
    pub fn between(&self, from: Timestamp, until: Timestamp) -> Vec<Spell<Option<Reason>>> {
        let changes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = changes.at.iter().rev().find(|(at, _)| *at <= from).and_then(|(_, reason)| *reason);
        let mut spells = vec![Spell { reason: before, from, until }];
        for &(at, reason) in changes.at.iter().filter(|(at, _)| *at > from && *at < until) {
            if let Some(last) = spells.last_mut().filter(|last| last.reason != reason) {
                last.until = at;
                spells.push(Spell { reason, from: at, until });
            }
        }
        spells.retain(|spell| spell.from < spell.until);
        spells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: i64) -> Timestamp {
        Timestamp::from_unix_nanos(nanos)
    }

    #[test]
    fn a_wait_is_told_in_spells_without_gaps() {
        let spells = Spells::default();
        for (now, reason) in [
            (10, Some(Reason::Rate)),
            (11, Some(Reason::Rate)),
            (20, Some(Reason::ClusterLimit)),
            (30, None),
            (40, Some(Reason::QueueShare)),
        ] {
            spells.note(reason, || at(now));
        }
        let told = |from, until| {
            let spells = spells.between(at(from), at(until));
            spells.iter().map(|it| (it.reason, it.from.unix_nanos(), it.until.unix_nanos())).collect::<Vec<_>>()
        };
        assert_eq!(told(0, 5), [(None, 0, 5)], "before anything was known");
        assert_eq!(told(5, 25), [(None, 5, 10), (Some(Reason::Rate), 10, 20), (Some(Reason::ClusterLimit), 20, 25)]);
        assert_eq!(told(20, 30), [(Some(Reason::ClusterLimit), 20, 30)]);
        assert_eq!(told(35, 99), [(None, 35, 40), (Some(Reason::QueueShare), 40, 99)]);
        assert_eq!(told(7, 7), []);
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let spells = Spells::default();
        for n in 0..10_000 {
            let reason = if n % 2 == 0 { Some(Reason::Rate) } else { None };
            spells.note(reason, || at(n));
        }
        assert_eq!(spells.between(at(0), at(20_000)).len(), CHANGES_MAX + 1);
    }
}
