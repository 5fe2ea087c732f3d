//! Behaviour that crosses crates: a module for each promise, one binary.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails"
)]

mod conformance;
mod first_call;
mod isolation;
mod refusals;
mod streaming;
mod tidy;
mod tree;
mod workers;
