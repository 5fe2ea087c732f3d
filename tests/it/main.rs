//! Behaviour that crosses crates: a module for each promise, one binary.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails"
)]

mod admin;
mod book;
mod broker;
mod calls;
mod chaos;
mod cli;
mod completions;
mod config;
mod conformance;
mod deploy;
mod drain;
mod figures;
mod first_call;
#[cfg(target_os = "linux")]
mod full;
mod fuzzed;
mod identity;
mod isolation;
mod limits;
mod logs;
mod metrics;
#[cfg(target_os = "linux")]
mod open_files;
mod openfaas;
mod overlap;
mod raw;
mod refusals;
mod shards;
mod signing;
mod ssrf;
mod streaming;
mod tidy;
mod traces;
mod tree;
mod ui;
mod upgrade;
mod watchdog;
mod wire;
mod workers;
