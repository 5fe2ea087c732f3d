//! What is held, for those who look without taking.

use std::collections::BTreeSet;

use proto::{Function, LaneKey, Namespace, Queue};

use super::broker::Error;
use super::{BoxFuture, Payload};

/// Shows the messages that are held.
pub trait Holdings: Send + Sync + 'static {
    /// Every queue in which something may be held, whether any function names it now or not.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn queues(&self) -> BoxFuture<'_, Result<BTreeSet<Queue>, Error>>;

    /// The messages of a lane, waiting or leased, at places above `after`; oldest first, `max` at most.
    ///
    /// # Errors
    /// As [`queues`](Self::queues).
    fn ready(&self, lane: &LaneKey, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<Held>, Error>>;

    /// What waits in a lane that nobody has taken; what was taken and given back may or may not be counted.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    fn line(&self, lane: &LaneKey) -> BoxFuture<'_, Result<Line, Error>>;

    /// How many messages of all queues are scheduled, or due and not yet moved to their lanes.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    fn later(&self) -> BoxFuture<'_, Result<u64, Error>>;

    /// The messages of a queue, or of one function in it, that are scheduled, or due and not yet moved to their lane, at
    /// places above `after`; oldest first, `max` at most.
    ///
    /// # Errors
    /// As [`queues`](Self::queues).
    fn scheduled(
        &self,
        queue: &Queue,
        function: Option<&Function>,
        after: u64,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Held>, Error>>;

    /// How many messages are scheduled, or due and not yet moved to their lane; what moves meanwhile may be counted twice
    /// or not at all.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    fn scheduled_count(&self, whose: &Whose) -> BoxFuture<'_, Result<u64, Error>>;
}

/// Whose messages are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Those of all functions of a queue.
    Queue(Queue),
    /// Those of one function in its queue.
    Lane(LaneKey),
    /// Those of all functions of a namespace, in whatever queues.
    Namespace(Namespace),
}

/// How a message is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// In a schedule, or due and not yet moved to its lane.
    Scheduled,
    /// In its lane, where nobody has taken it yet.
    Waiting,
    /// In its lane, from where it was handed out: it may be leased, or have come back.
    Taken,
}

/// What waits in a lane.
#[derive(Clone)]
pub struct Line {
    /// How many messages.
    pub waiting: u64,
    /// The first of them, if there is one.
    pub first: Option<Held>,
}

/// A message where it is held.
#[derive(Clone)]
pub struct Held {
    /// Its place: for one in its lane, what [`withdraw`](super::Broker::withdraw) takes.
    pub place: u64,
    /// The lane it is in, or goes to.
    pub lane: LaneKey,
    /// How it is held there.
    pub hold: Hold,
    /// Its id.
    pub id: String,
    /// Its bytes.
    pub payload: Payload,
}
