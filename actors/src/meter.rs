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

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use proto::LaneKey;

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
            capacity: OnceLock::new(),
            is_draining: AtomicBool::new(false),
        }
    }

    /// Where the calls of a lane are counted.
    #[must_use]
    pub fn of(&self, lane: &LaneKey) -> Arc<Series> {
        if lane.queue.is_callbacks() { self.callbacks.clone() } else { self.lanes.get(lane) }
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
