//! How a supervisor treats its children, said once for the whole tree.
//!
//! ractor restarts nothing by itself: a supervisor hands each exit to its [`Roster`], which asks the [`Policy`] and
//! answers with a [`Verdict`]; the supervisor applies it. No other place decides about restarts.

pub mod exit;
pub mod policy;
pub mod roster;

pub use exit::Exit;
pub use policy::{Policy, Verdict};
pub use roster::Roster;
