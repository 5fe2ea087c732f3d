//! The control plane: functions as records that every process follows.

use proto::Function;
use proto::spec::Deployment;

use super::broker::Error;
use super::{BoxFuture, BoxStream};

/// Keeps the record of each function, durably, and tells everybody about changes.
pub trait Control: Send + Sync + 'static {
    /// Every record there is, then [`Change::Current`], then every change as it happens, in order. The stream ends
    /// with an error when it cannot go on; a new watch begins from the start.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn watch(&self) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, Error>>, Error>>;

    /// Writes a function's record, new or not; answers when it is durable.
    ///
    /// # Errors
    /// As [`Broker::schedule`](super::Broker::schedule).
    fn put(&self, function: &Function, deployment: Deployment) -> BoxFuture<'_, Result<(), Error>>;

    /// Removes a function's record; answers when that is durable, and whether there was one.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    fn delete(&self, function: &Function) -> BoxFuture<'_, Result<bool, Error>>;
}

/// Something a watch tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The function's record is now this.
    Put(Function, Box<Deployment>),
    /// The function has no record any more.
    Deleted(Function),
    /// Everything that was there when the watch began has been told.
    Current,
    /// A record that cannot be read; the ones around it still count.
    Unreadable {
        /// Its key.
        key: String,
        /// What is wrong with it.
        why: String,
    },
}
