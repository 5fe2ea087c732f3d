//! What is counted while calls run, for whoever shows it: numbers, and no word about how they are shown.
//!
//! A lane's [`Series`] is looked up once, by its subscriber; what a call costs are a few additions to it. Of as many
//! lanes as are wanted each has a series of its own, and the others share one ([`Capped`]); one of which nothing was
//! heard for a while goes. The hosts of callbacks share one as well: callers make them up.

pub mod capped;
pub mod histogram;
pub mod lines;
pub mod number;
pub mod series;
pub mod statuses;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use proto::{LaneKey, Queue};

pub use self::capped::Capped;
pub use self::histogram::Histogram;
pub use self::number::{Counter, Gauge};
pub use self::series::Series;
pub use self::statuses::Statuses;
use crate::permit::capacity::Capacity;

/// How many functions have series of their own, if nothing else is said.
pub const FUNCTIONS: usize = 200;

/// What a process counts.
pub struct Meter {
    /// By lane.
    pub lanes: Capped<LaneKey, Series>,
    /// Of all hosts that are called back.
    pub callbacks: Arc<Series>,
    /// What waits for its time, in the whole cluster, as last heard.
    pub later: Gauge,
    /// How many dead letters there are, in the whole cluster, as last heard.
    pub letters: Gauge,
    /// How often children of the root were begun anew.
    pub child_restarts: Counter,
    /// How often subscribers were.
    pub subscriber_restarts: Counter,
    /// How much waits in each queue for those that share a series.
    others: Mutex<BTreeMap<Queue, u64>>,
    capacity: OnceLock<Capacity>,
    is_draining: AtomicBool,
}

impl Default for Meter {
    fn default() -> Self {
        Self::new(FUNCTIONS)
    }
}

impl Meter {
    /// One in which so many functions have series of their own.
    #[must_use]
    pub fn new(functions: usize) -> Self {
        Self {
            lanes: Capped::new(functions),
            callbacks: Arc::default(),
            later: Gauge::default(),
            letters: Gauge::default(),
            child_restarts: Counter::default(),
            subscriber_restarts: Counter::default(),
            others: Mutex::default(),
            capacity: OnceLock::new(),
            is_draining: AtomicBool::new(false),
        }
    }

    /// Where the calls of a lane are counted.
    #[must_use]
    pub fn of(&self, lane: &LaneKey) -> Arc<Series> {
        if lane.queue.is_callbacks() { self.callbacks.clone() } else { self.lanes.get(lane) }
    }

    /// So much waits in a queue for those that share a series; with nothing, it is not known. They share it with those of
    /// all other queues: what is told is the sum.
    pub fn others_wait(&self, queue: &Queue, messages: Option<u64>) {
        let Some(other) = self.lanes.other() else { return };
        // Nothing panics while it holds the lock.
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        match messages {
            Some(messages) => others.insert(queue.clone(), messages),
            None => others.remove(queue),
        };
        let sum = others.values().sum::<u64>() as f64;
        other.backlog.set(Some(sum).filter(|_| !others.is_empty()));
    }

    /// The permits of this process are these.
    pub fn measures(&self, capacity: &Capacity) {
        // A process has one tree, and so one capacity.
        self.capacity.get_or_init(|| capacity.clone());
    }

    /// The permits of this process, once it has some.
    #[must_use]
    pub fn capacity(&self) -> Option<&Capacity> {
        self.capacity.get()
    }

    /// How many calls run, callbacks among them.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        let own = self.lanes.all().iter().map(|(_, it)| it.in_flight()).sum::<u64>();
        own + self.lanes.other().map_or(0, |it| it.in_flight()) + self.callbacks.in_flight()
    }

    /// The drain has begun.
    pub fn drains(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether the drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use proto::Function;

    use super::*;

    #[tokio::test]
    async fn what_waits_for_others_is_the_sum_of_all_queues() {
        let meter = Meter::new(0);
        let [a, b] = ["a", "b"].map(|name| Queue::parse(name).unwrap());
        meter.others_wait(&a, Some(5));
        assert!(meter.lanes.other().is_none(), "nobody shares anything yet");
        let other = meter.of(&LaneKey::new(a.clone(), Function::parse("f").unwrap()));
        let told = |queue, messages| {
            meter.others_wait(queue, messages);
            other.backlog.get()
        };
        assert_eq!((told(&a, Some(5)), told(&b, Some(2)), told(&a, Some(1))), (Some(5.0), Some(7.0), Some(3.0)));
        assert_eq!((told(&a, None), told(&b, None)), (Some(2.0), None));
    }
}
