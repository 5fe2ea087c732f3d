//! Which calls are to be cancelled.

use std::time::Duration;

use proto::{CallId, LaneKey, Timestamp};
use serde::{Deserialize, Serialize};

use super::broker::Error;
use super::{BoxFuture, BoxStream};

/// How long it is remembered that a call is to be cancelled: longer than it can wait for a worker to find out.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(48 * 60 * 60);

/// Tells every worker which calls nobody wants any more.
pub trait Cancels: Send + Sync + 'static {
    /// Marks a call; answers when that is durable. Marking it twice is marking it once.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`], [`Error::StorageFull`].
    fn cancel(&self, mark: &Mark) -> BoxFuture<'_, Result<(), Error>>;

    /// Every mark of the last [`REMEMBERED_FOR`], then every new one. The stream ends when it cannot go on.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn cancelled(&self) -> BoxFuture<'_, Result<BoxStream<'static, Mark>, Error>>;
}

/// A call that is to be cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// Which.
    pub call: CallId,
    /// When that was accepted: a later one with the same id is another.
    pub accepted_at: Timestamp,
    /// In which of its lives: a call that is redriven afterwards is wanted again.
    pub redriven: u32,
    /// Where it waits or runs.
    pub lane: LaneKey,
}
