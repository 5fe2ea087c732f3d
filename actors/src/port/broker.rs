//! The durable middle: what is stored here survives every process.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::{CallId, Function, LaneKey, Queue, Timestamp};

use super::{BoxFuture, BoxStream, Cancels, DeadLetters, Holdings, Lane, Records};

/// Stores messages, leases them out, and forgets them only when told.
///
/// *Durable*, below, means: it survives `kill -9` of any process, and of as many broker nodes as the replication
/// allows. Every method may be called from any number of tasks at once, and may be dropped halfway: what it did by
/// then is then unknown to the caller, never half done.
pub trait Broker: DeadLetters + Records + Cancels + Holdings + Send + Sync + 'static {
    /// Stores a message at the end of its lane; answers when it is durable.
    ///
    /// A message whose id the queue took within the de-duplication window (two minutes) is [`Stored::Duplicate`] and
    /// changes nothing, also when the lane is full. (After a crash of the broker itself, only the ids of messages that
    /// are still stored need be known: nats-server reads them back from its streams.) Afterwards a hint goes to [`wakes`](Self::wakes); hints may be
    /// lost or merged (at most one per function every 100 ms, the last one never suppressed for longer).
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::TooLarge`], [`Error::StorageFull`]: not stored. [`Error::Away`]: not known.
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<Stored, Error>>;

    /// The same for an id that was made for this message and is sent once: the broker need not remember it, which at
    /// thousands of calls a second for the length of the window takes more room than the calls.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    fn publish_once(&self, message: Message) -> BoxFuture<'_, Result<Stored, Error>>;

    /// Stores a message until `due`, when [`due`](Self::due) delivers it; answers when it is durable. A lane has one
    /// schedule under a `call`, which may stand for a turn of one: a new one replaces it. What is due already is delivered at once.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), but no quota applies.
    fn schedule(&self, message: Message, call: &CallId, due: Timestamp) -> BoxFuture<'_, Result<Stored, Error>>;

    /// Takes a schedule away, if it is not due yet; answers when that is durable, and whether there was one.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn unschedule(&self, lane: &LaneKey, call: &CallId) -> BoxFuture<'_, Result<bool, Error>>;

    /// Takes the message `id` away from where [`publish`](Self::publish) put it, leased or not; answers when that is
    /// durable, and whether it was still there.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn withdraw(&self, lane: &LaneKey, place: u64, id: &str) -> BoxFuture<'_, Result<bool, Error>>;

    /// How many messages of a lane lie before a place where [`publish`](Self::publish) put one, waiting or leased;
    /// nothing if none of the lane lies there any more.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn ahead(&self, lane: &LaneKey, place: u64) -> BoxFuture<'_, Result<Option<u64>, Error>>;

    /// Opens the lane of one function. Every process that opens it shares its messages, its order and its limit.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn lane(&self, lane: &LaneKey, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, Error>>;

    /// Opens the lane of scheduled messages that are due, of every queue. Each delivery names the lane it belongs to.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn due(&self, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, Error>>;

    /// Tells whoever follows [`wakes`](Self::wakes) that a lane has messages again which were given back. May be lost.
    fn hint<'a>(&'a self, lane: &'a LaneKey) -> BoxFuture<'a, ()>;

    /// The functions that have messages in a queue, waiting or leased, and how many: the truth behind the hints.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn backlog(&self, queue: &Queue) -> BoxFuture<'_, Result<Vec<Backlog>, Error>>;

    /// Hints that a function of the queue got a message. The stream ends when the connection is gone for good.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn wakes(&self, queue: &Queue) -> BoxFuture<'_, Result<BoxStream<'static, Function>, Error>>;

    /// Why nothing can be stored or found now, if it is known that nobody is there, and has been for a while: whoever waits
    /// would wait in vain. Whoever has stored something must go on trying all the same.
    fn outage(&self) -> Option<Error> {
        None
    }

    /// The largest payload that [`publish`](Self::publish) takes, in bytes.
    fn payload_len_max(&self) -> usize;
}

/// What a payload may grow by, in bytes, from when it is first stored: a retry counts its attempts, a dead letter says
/// why. Whoever accepts a call leaves this much room below [`Broker::payload_len_max`].
pub const HEADROOM: usize = 4096;

/// Bytes for a lane. The broker does not look into them.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Where it waits.
    pub lane: LaneKey,
    /// What makes it the same message when it is sent again; unique within its queue.
    pub id: String,
    /// The bytes.
    pub payload: Bytes,
}

/// That a message is stored, and whether it already was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Just now, at this place.
    New(u64),
    /// It was there, or had been, within the de-duplication window.
    Duplicate,
}

impl Stored {
    /// Whether it was stored just now.
    #[must_use]
    pub fn is_new(self) -> bool {
        matches!(self, Self::New(_))
    }

    /// Where it lies, if it was stored just now.
    #[must_use]
    pub fn place(self) -> Option<u64> {
        match self {
            Self::New(place) => Some(place),
            Self::Duplicate => None,
        }
    }
}

/// How a lane leases its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long a message stays with a holder that does not extend; then it is delivered again.
    pub lease: Duration,
    /// How many messages may be leased at once, all holders together. Unlimited if absent.
    pub limit: Option<NonZeroU32>,
    /// How long the broker remembers a lane that nobody pulls from.
    pub idle: Duration,
}

impl Default for Terms {
    /// A killed worker's calls are to run again within ten seconds, even if it had just extended their leases.
    fn default() -> Self {
        Self { lease: Duration::from_secs(9), limit: None, idle: Duration::from_secs(60) }
    }
}

/// How much may wait. A publish over a quota is refused, and nothing that waits is dropped for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Messages in one queue, waiting and leased.
    pub queue: u64,
    /// Messages of one function in a queue, waiting and leased.
    pub function: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { queue: 1_000_000, function: 500_000 }
    }
}

/// One function's messages in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The function.
    pub function: Function,
    /// Messages waiting or leased.
    pub messages: u64,
}

/// A cause from an adapter, kept whole.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What a broker can answer other than yes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A backlog quota is used up; nothing was stored.
    #[error("{scope} is full")]
    Full {
        /// Whose quota: `queue <name>` or `function <name>`.
        scope: String,
    },
    /// The payload is larger than a message may be; nothing was stored.
    #[error("a message may have {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: usize,
    },
    /// No room on disk; nothing was stored.
    #[error("the broker has no storage left: {0}")]
    StorageFull(#[source] Cause),
    /// Not reachable, or no answer in time: whether it happened is not known, and trying again may work.
    #[error("the broker did not answer: {0}")]
    Away(#[source] Cause),
    /// Reachable, and saying no: a setting, a permission, a version. Trying again does not help.
    #[error("the broker refused: {0}")]
    Refused(#[source] Cause),
}

impl Error {
    /// Whether the same request may succeed later with nothing changed by an operator.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Full { .. } | Self::StorageFull(_))
    }
}
