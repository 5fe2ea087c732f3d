//! What is scheduled, by when it is due and by whose it is (pure).

use std::collections::{BTreeSet, HashMap};

use proto::{CallId, LaneKey, Timestamp};

use super::line::Line;
use super::store::Seq;

/// Every schedule, and the line of those that are due.
#[derive(Debug, Default)]
pub(super) struct Later {
    by_time: BTreeSet<(Timestamp, Seq)>,
    by_call: HashMap<(LaneKey, CallId), Seq>,
    entries: HashMap<Seq, (LaneKey, CallId, Timestamp)>,
    /// What is due and not yet moved.
    pub(super) due: Line,
}

impl Later {
    /// A schedule is stored.
    pub(super) fn insert(&mut self, seq: Seq, lane: LaneKey, call: CallId, due: Timestamp) {
        self.by_time.insert((due, seq));
        self.by_call.insert((lane.clone(), call.clone()), seq);
        self.entries.insert(seq, (lane, call, due));
    }

    /// The schedule that a new one of the same call would replace: one that is not due yet.
    #[must_use]
    pub(super) fn replaced_by(&self, lane: &LaneKey, call: &CallId) -> Option<Seq> {
        let seq = *self.by_call.get(&(lane.clone(), call.clone()))?;
        let (_, _, due) = self.entries.get(&seq)?;
        self.by_time.contains(&(*due, seq)).then_some(seq)
    }

    /// A schedule is gone: moved, or replaced. What it was.
    pub(super) fn remove(&mut self, seq: Seq) -> Option<(LaneKey, CallId, Timestamp)> {
        let (lane, call, due) = self.entries.remove(&seq)?;
        self.by_time.remove(&(due, seq));
        let key = (lane, call);
        if self.by_call.get(&key) == Some(&seq) {
            self.by_call.remove(&key);
        }
        let (lane, call) = key;
        Some((lane, call, due))
    }

    /// The lane that a due entry goes to.
    #[must_use]
    pub(super) fn lane(&self, seq: Seq) -> Option<&LaneKey> {
        self.entries.get(&seq).map(|(lane, _, _)| lane)
    }

    /// Puts what is due by `now` in line.
    pub(super) fn fall_due(&mut self, now: Timestamp) {
        while let Some(&(due, seq)) = self.by_time.first()
            && due <= now
        {
            self.by_time.pop_first();
            self.due.push(seq);
        }
    }

    /// The first `max` entries after `after` whose lane is wanted, due or not, in order.
    #[must_use]
    pub(super) fn after(&self, after: Seq, max: usize, wanted: impl Fn(&LaneKey) -> bool) -> Vec<(Seq, LaneKey)> {
        let all = self.entries.iter().filter(|(seq, (lane, _, _))| **seq > after && wanted(lane));
        let mut all: Vec<_> = all.map(|(seq, (lane, _, _))| (*seq, lane.clone())).collect();
        all.sort_unstable_by_key(|(seq, _)| *seq);
        all.truncate(max);
        all
    }

    /// When the next one is due.
    #[must_use]
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.by_time.first().map(|&(due, _)| due)
    }
}
