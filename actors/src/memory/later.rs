//! What is scheduled, by when it is due and by whose it is (pure).

use std::collections::{BTreeSet, HashMap};

use proto::{CallId, Function, LaneKey, Queue, Timestamp};

use super::line::Line;
use super::store::Seq;
use crate::port::holdings::Whose;

/// Every schedule, and the line of those that are due.
#[derive(Debug, Default)]
pub(super) struct Later {
    by_time: BTreeSet<(Timestamp, Seq)>,
    by_call: HashMap<(LaneKey, CallId), Seq>,
    entries: HashMap<Seq, (LaneKey, CallId, Timestamp)>,
    by_queue: BTreeSet<(Queue, Seq)>,
    by_lane: BTreeSet<(LaneKey, Seq)>,
    /// What is due and not yet moved.
    pub(super) due: Line,
}

impl Later {
    /// A schedule is stored.
    pub(super) fn insert(&mut self, seq: Seq, lane: LaneKey, call: CallId, due: Timestamp) {
        self.by_time.insert((due, seq));
        self.by_call.insert((lane.clone(), call.clone()), seq);
        self.by_queue.insert((lane.queue.clone(), seq));
        self.by_lane.insert((lane.clone(), seq));
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
        let at = (lane.queue.clone(), seq);
        self.by_queue.remove(&at);
        let at = (lane, seq);
        self.by_lane.remove(&at);
        let key = (at.0, call);
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

    /// The entries of a queue, or of one function in it, from behind one on.
    fn seqs<'a>(
        &'a self,
        queue: &Queue,
        function: Option<&Function>,
        after: Seq,
    ) -> Box<dyn Iterator<Item = Seq> + 'a> {
        let next = after.saturating_add(1);
        match function {
            Some(function) => {
                let lane = LaneKey::new(queue.clone(), function.clone());
                Box::new(self.by_lane.range((lane.clone(), next)..=(lane, Seq::MAX)).map(|it| it.1))
            }
            None => {
                let range = (queue.clone(), next)..=(queue.clone(), Seq::MAX);
                Box::new(self.by_queue.range(range).map(|it| it.1))
            }
        }
    }

    /// How many entries somebody has.
    #[must_use]
    pub(super) fn count(&self, whose: &Whose) -> u64 {
        let count = match whose {
            Whose::Queue(queue) => self.seqs(queue, None, 0).count(),
            Whose::Lane(LaneKey { queue, function }) => self.seqs(queue, Some(function), 0).count(),
            Whose::Namespace(namespace) => {
                self.entries.values().filter(|(lane, ..)| lane.function.namespace() == namespace).count()
            }
        };
        count as u64
    }

    /// The first `max` entries of a queue, or of one function there, after `after`: due or not, in order.
    #[must_use]
    pub(super) fn after(
        &self,
        queue: &Queue,
        function: Option<&Function>,
        after: Seq,
        max: usize,
    ) -> Vec<(Seq, LaneKey)> {
        let seqs = self.seqs(queue, function, after).take(max);
        seqs.filter_map(|seq| Some((seq, self.lane(seq)?.clone()))).collect()
    }

    /// The queues of all entries, each as often as it has some.
    pub(super) fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.by_queue.iter().map(|(queue, _)| queue)
    }

    /// How many there are, those that are due and not yet moved included.
    #[must_use]
    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// When the next one is due.
    #[must_use]
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.by_time.first().map(|&(due, _)| due)
    }
}
