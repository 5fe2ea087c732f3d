//! The harness: processes, brokers, functions and clients for the behaviours in `it/`.
//!
//! It waits for facts, never for time: [`eventually`] asks again until something holds, and fails with the last
//! reason why it did not.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    reason = "a harness that cannot go on fails its test"
)]

pub mod book;
pub mod broker;
pub mod browser;
pub mod client;
pub mod cluster;
pub mod collector;
pub mod eventually;
pub mod fabric;
pub mod function;
pub mod fuzz;
pub mod golden;
pub mod nats;
pub mod process;
pub mod tool;

pub use eventually::eventually;
