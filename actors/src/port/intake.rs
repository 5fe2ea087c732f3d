//! Where others leave calls: messages that an OpenFaaS gateway stored for its own queue-worker.

use std::sync::Arc;

use super::broker::{Error, Terms};
use super::{BoxFuture, Lane};

/// Somebody else's queue, from which calls are taken in.
///
/// Nothing is put into it, and nothing of it is changed or made: it belongs to whoever fills it.
pub trait Intake: Send + Sync + 'static {
    /// The subject that is read.
    fn subject(&self) -> &str;

    /// Opens it, for every process that does so together. The lane of its deliveries is the one that
    /// [`Function::for_subject`](proto::Function::for_subject) stands for, in the default queue; the id of each is the
    /// same however often it is delivered.
    ///
    /// # Errors
    /// [`Error::Away`], also if it is not there: somebody may make it later.
    fn open(&self, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, Error>>;
}
