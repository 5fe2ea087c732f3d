//! Dead letters: calls that nobody will try again by himself.

use proto::dead::Filter;
use proto::{CallId, Dead};

use super::BoxFuture;
use super::broker::{Error, Stored};

/// Keeps dead letters, durably, until they are removed (or have grown very old).
pub trait DeadLetters: Send + Sync + 'static {
    /// Stores a dead letter; answers when it is durable. `call` is absent if the bytes could not be read. The same
    /// `id` within the de-duplication window is stored once.
    ///
    /// # Errors
    /// As [`Broker::schedule`](super::Broker::schedule).
    fn bury(&self, dead: Dead, id: String, call: Option<&CallId>) -> BoxFuture<'_, Result<Stored, Error>>;

    /// The letters that match, with numbers above `after`, oldest first, `max` at most. Fewer than `max` does not
    /// mean that there are no more; none does.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn letters(&self, filter: &Filter, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<Letter>, Error>>;

    /// One letter, if it is there.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn letter(&self, number: u64) -> BoxFuture<'_, Result<Option<Letter>, Error>>;

    /// Removes a letter; answers when that is durable, and whether it was there.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn remove_letter(&self, number: u64) -> BoxFuture<'_, Result<bool, Error>>;

    /// How many dead letters there are.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn dead_count(&self) -> BoxFuture<'_, Result<u64, Error>>;
}

/// A dead letter where it lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// Its number: greater than those of all letters before it, and its own for as long as it lies there.
    pub number: u64,
    /// What it says.
    pub dead: Dead,
}
