//! The calls that are to be cancelled, as every worker knows them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use proto::{Call, CallId, Target};
use tokio::time::Instant;

use crate::port::cancels::{Mark, REMEMBERED_FOR};

/// Marks, each for as long as the broker remembers it too.
#[derive(Debug, Default)]
pub struct Marks {
    marks: RwLock<Known>,
    /// How many there are: usually none, and then asking costs nothing.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Known {
    /// In which of its lives each call is to be cancelled.
    calls: HashMap<CallId, u32>,
    order: VecDeque<(Instant, CallId)>,
}

impl Marks {
    /// Adds one.
    pub fn add(&self, mark: &Mark, now: Instant) {
        let mut known = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        while let Some((at, _)) = known.order.front()
            && now.duration_since(*at) > REMEMBERED_FOR
        {
            let Some((_, call)) = known.order.pop_front() else { break };
            if !known.order.iter().any(|(_, other)| *other == call) {
                known.calls.remove(&call);
            }
        }
        if known.calls.insert(mark.call.clone(), mark.redriven) != Some(mark.redriven) {
            known.order.push_back((now, mark.call.clone()));
        }
        self.count.store(known.calls.len(), Ordering::Release);
    }

    /// Whether a call is to be cancelled: in the life that it is in, not in one that came after it. A callback has its
    /// call's id, and tells how that ended: it is not meant.
    #[must_use]
    pub fn has(&self, call: &Call) -> bool {
        self.count.load(Ordering::Acquire) > 0
            && call.target == Target::Function
            && self.marks.read().unwrap_or_else(PoisonError::into_inner).calls.get(&call.id) == Some(&call.redriven)
    }
}

#[cfg(test)]
mod tests {
    use proto::{Function, LaneKey, Queue, Request, Timestamp};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_mark_is_for_one_life_and_one_while() {
        let (id, function) = (CallId::parse("c").unwrap(), Function::parse("f").unwrap());
        let mut call = Call::new(id.clone(), function.clone(), Timestamp::default(), Request::default());
        let lane = LaneKey::new(Queue::default(), function);
        let (marks, now) = (Marks::default(), Instant::now());
        assert!(!marks.has(&call));
        marks.add(&Mark { call: id, redriven: 0, lane: lane.clone() }, now);
        assert!(marks.has(&call));
        call.redriven = 1;
        assert!(!marks.has(&call));
        call.redriven = 0;
        call.target = Target::Url("http://caller.example".into());
        assert!(!marks.has(&call));
        call.target = Target::Function;
        let other = Mark { call: CallId::parse("d").unwrap(), redriven: 0, lane };
        marks.add(&other, now + 2 * REMEMBERED_FOR);
        assert!(!marks.has(&call));
    }
}
