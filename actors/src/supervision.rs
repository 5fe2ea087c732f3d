//! How a supervisor treats its children, said once for the whole tree.
//!
//! ractor restarts nothing by itself: a supervisor hands each exit to its [`Roster`], which asks the [`Policy`] and
//! answers with a [`Verdict`]; the supervisor applies it. No other place decides about restarts.

pub mod exit;
mod leaf;
pub mod policy;
pub mod roster;

pub use exit::Exit;
pub(crate) use leaf::Leaf;
pub use policy::{Policy, Verdict};
use ractor::{ActorRef, Message};
pub use roster::Roster;

/// Tells an actor something. One that has just ended does not hear it: its exit is on the way to its supervisor.
pub(crate) fn tell<M: Message>(actor: &ActorRef<M>, message: M) {
    if actor.cast(message).is_err() {
        tracing::debug!(actor = %actor.get_id(), "told nothing: it has ended");
    }
}
