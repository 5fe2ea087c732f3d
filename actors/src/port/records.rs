//! What is told about calls, one record for each, and only the latest.

use std::time::Duration;

use proto::{CallId, Record};

use super::broker::{Error, Stored};
use super::{BoxFuture, BoxStream};

/// Keeps the records of calls.
///
/// The record of a call that goes on is a *note*: it costs the call nothing, and may be lost in a crash. The record of a
/// call that is at its end is durable, and nothing that is noted late can take its place: but for what is on its way
/// through a cluster while that changes its leader, which whoever settles the call finds out and mends.
pub trait Records: Send + Sync + 'static {
    /// Notes where a call is, unless its record is no longer the one at `over` (0: unless there is one). Nobody waits
    /// for it, and it may be lost. Afterwards it is kept for `keep_for`.
    fn note(&self, record: &Record, over: u64, keep_for: Duration) -> BoxFuture<'_, ()>;

    /// Notes that a call was accepted under an id that was made for it. As [`note`](Self::note) with 0, and it may be
    /// noted together with others, a moment later; it is kept for a day or for `keep_for`, if that is longer.
    fn note_accepted(&self, record: &Record, keep_for: Duration) -> BoxFuture<'_, ()>;

    /// Stores the end of a call, whatever its record was; answers when it is durable. The same `id` within the
    /// de-duplication window is [`Stored::Duplicate`] and changes nothing.
    ///
    /// # Errors
    /// As [`Broker::schedule`](super::Broker::schedule).
    fn end(&self, record: &Record, id: String, keep_for: Duration) -> BoxFuture<'_, Result<Stored, Error>>;

    /// The same for a call of which nobody else can tell an end: it was handed out once, and to whoever tells this. It
    /// may be stored together with others; that it was told before is not noticed, and the first one holds.
    ///
    /// # Errors
    /// As [`end`](Self::end).
    fn end_first(&self, record: &Record, keep_for: Duration) -> BoxFuture<'_, Result<Stored, Error>> {
        self.end(record, record.end_id(), keep_for)
    }

    /// The record of a call, if there is one.
    ///
    /// # Errors
    /// [`Error::Away`]; [`Error::Refused`] if it cannot be read.
    fn record(&self, call: &CallId) -> BoxFuture<'_, Result<Option<Recorded>, Error>>;

    /// As [`record`](Self::record), but what was told together with others may be missing: enough to note something
    /// over it. Where a note that is on its way could not be noted over, it is waited for a while.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    fn noted(&self, call: &CallId) -> BoxFuture<'_, Result<Option<Recorded>, Error>> {
        self.record(call)
    }

    /// Hints that the record of a call has changed. Hints may be lost.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn changes(&self, call: &CallId) -> BoxFuture<'_, Result<BoxStream<'static, ()>, Error>>;

    /// Every record as it is told from now on, by whomever. What comes faster than it is taken is lost, and something may
    /// be told twice, or come to nothing.
    ///
    /// # Errors
    /// As [`changes`](Self::changes).
    fn told(&self) -> BoxFuture<'_, Result<BoxStream<'static, Record>, Error>>;
}

/// A record as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The record.
    pub record: Record,
    /// Which version of it this is, another for each change; 0 if it was told together with others, so that a note
    /// may take its place as if there were none.
    pub revision: u64,
}
