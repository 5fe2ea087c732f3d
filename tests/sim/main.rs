//! The whole `actors` crate on the in-memory broker, under a paused clock, in worlds that a seed makes up.
//!
//! | module | holds |
//! |---|---|
//! | [`plan`] | a seed as data: who is there, what is called, what goes wrong and when |
//! | [`faults`] | what can go wrong |
//! | [`functions`] | functions and callback receivers that answer by the seed |
//! | [`wire`], [`ports`], [`lanes`] | a worker's connection to the broker, on which things get lost |
//! | [`world`], [`callers`] | workers that start, are killed, cut off and drained; those who call |
//! | [`ledger`] | everything that happens, as events; the hash of all of them |
//! | [`checkers`] | the invariants, each with its name |
//! | [`seeds`] | runs seeds, and says how to run one again |
//! | [`scale`] | many workers, many functions, many calls |
//!
//! `FABRIC_SIM_SEEDS=5000` runs so many, `FABRIC_SIM_FROM=100000` begins there, `FABRIC_SIM_SEED=123` runs one and
//! prints what happens in it (with `-- --nocapture`, if nothing fails).

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a simulation that cannot go on fails; its threads and their time are its own"
)]

mod callers;
mod checkers;
mod faults;
mod functions;
mod lanes;
mod ledger;
mod plan;
mod ports;
mod scale;
mod seeds;
mod wire;
mod world;
