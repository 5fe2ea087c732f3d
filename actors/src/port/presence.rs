//! Who is alive: every process says so again and again, and hears the others.

use std::time::Duration;

use super::broker::Error;
use super::{BoxFuture, BoxStream};
use crate::membership::Member;

/// How long somebody who says nothing more counts as alive.
pub const ALIVE_FOR: Duration = Duration::from_secs(10);
/// How often everybody says it.
pub const ANNOUNCE_EVERY: Duration = Duration::from_secs(3);

/// Carries signs of life between processes. Nothing of it is durable, and every sign may be lost.
pub trait Presence: Send + Sync + 'static {
    /// Tells everybody that `id` is alive, and what it does.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn announce(&self, id: &str, member: &Member) -> BoxFuture<'_, Result<(), Error>>;

    /// Tells everybody that `id` goes.
    ///
    /// # Errors
    /// As [`announce`](Self::announce).
    fn leave(&self, id: &str) -> BoxFuture<'_, Result<(), Error>>;

    /// The last sign of everybody who gave one within [`ALIVE_FOR`], then every sign as it comes. The stream ends when
    /// it cannot go on.
    ///
    /// # Errors
    /// As [`announce`](Self::announce).
    fn signs(&self) -> BoxFuture<'_, Result<BoxStream<'static, Sign>, Error>>;
}

/// A sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// This one is alive.
    Alive(String, Member),
    /// This one went.
    Left(String),
}
