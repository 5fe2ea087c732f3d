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
    known: RwLock<Known>,
    /// How many there are: usually none, and then asking costs nothing.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Known {
    /// Each with when it was last added.
    marks: HashMap<CallId, (Mark, Instant)>,
    order: VecDeque<(Instant, CallId)>,
}

impl Marks {
    /// Adds one. Whether it is news.
    pub fn add(&self, mark: &Mark, now: Instant) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let is_old = |(at, _): &(Instant, CallId)| now.duration_since(*at) > REMEMBERED_FOR;
        while known.order.front().is_some_and(is_old)
            && let Some((at, call)) = known.order.pop_front()
        {
            // One that was added again has its time still before it.
            if known.marks.get(&call).is_some_and(|(_, added)| *added == at) {
                known.marks.remove(&call);
            }
        }
        let is_news = known.marks.get(&mark.call).is_none_or(|(before, _)| before != mark);
        if is_news {
            known.marks.insert(mark.call.clone(), (mark.clone(), now));
            known.order.push_back((now, mark.call.clone()));
        }
        self.count.store(known.marks.len(), Ordering::Release);
        is_news
    }

    /// Whether a call is to be cancelled: in the life that it is in, not in one that came after it, and not another call
    /// with the same id. A callback has its call's id, and tells how that ended: it is not meant.
    #[must_use]
    pub fn has(&self, call: &Call) -> bool {
        if self.count.load(Ordering::Acquire) == 0 || call.target != Target::Function {
            return false;
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.marks.get(&call.id).is_some_and(|(mark, _)| {
            mark.lane.function == call.function
                && (mark.accepted_at, mark.redriven) == (call.accepted_at, call.redriven)
        })
    }
}

#[cfg(test)]
mod tests {
    use proto::{Function, LaneKey, Queue, Request, Timestamp};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_mark_is_for_one_call_in_one_life_and_for_a_while() {
        let (id, function) = (CallId::parse("c").unwrap(), Function::parse("f").unwrap());
        let call = Call::new(id.clone(), function.clone(), Timestamp::default(), Request::default());
        let lane = LaneKey::new(Queue::default(), function);
        let (marks, now) = (Marks::default(), Instant::now());
        assert!(!marks.has(&call));
        let mark = Mark { call: id, accepted_at: call.accepted_at, redriven: 0, lane };
        assert_eq!([marks.add(&mark, now), marks.add(&mark, now)], [true, false]);
        assert!(marks.has(&call));
        let others = [
            Call { redriven: 1, ..call.clone() },
            Call { accepted_at: Timestamp::from_unix_nanos(1), ..call.clone() },
            Call { function: Function::parse("g").unwrap(), ..call.clone() },
            Call { target: Target::Url("http://caller.example".into()), ..call.clone() },
        ];
        assert!(others.iter().all(|other| !marks.has(other)));
        let other = Mark { call: CallId::parse("d").unwrap(), ..mark };
        marks.add(&other, now + 2 * REMEMBERED_FOR);
        assert!(!marks.has(&call));
        // Marked in its next life, it is known for as long as if it had not been marked before.
        let again = Call { redriven: 1, ..call };
        let early = now + 3 * REMEMBERED_FOR;
        let first = Mark { call: again.id.clone(), ..other };
        marks.add(&first, early);
        marks.add(&Mark { redriven: 1, ..first.clone() }, early + REMEMBERED_FOR / 2);
        let third = Mark { call: CallId::parse("e").unwrap(), ..first };
        marks.add(&third, early + REMEMBERED_FOR + REMEMBERED_FOR / 4);
        assert!(marks.has(&again));
    }
}
