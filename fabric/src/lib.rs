//! The program: command line, gateway, and the adapters for the ports of the supervision tree.
//!
//! ```text
//! cli  config                                    what a process is told
//! command/ ─► operator  apply                    what operators ask of running processes
//! command/ ─► boot ─► gateway  admin  invoke        HTTP, both sides
//!                  ─► jetstream  embedded           the two brokers
//!                  ─► actors::tree                  what runs
//! command/ ─► watchdog                              the function's side
//! ```
//!
//! The adapters never import each other; only [`boot`] knows them all.

#![forbid(unsafe_code)]

pub mod activity;
pub mod admin;
pub mod apply;
pub mod audit;
pub mod bench;
pub mod boot;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod demo;
pub mod embedded;
pub mod gateway;
pub mod http_client;
pub mod identity;
pub mod invoke;
pub mod jetstream;
pub mod listener;
pub mod metrics;
pub mod open_files;
pub mod operator;
mod path;
mod redact;
#[cfg(test)]
mod reference;
pub mod signal;
pub mod table;
pub mod telemetry;
pub mod ui;
pub mod watchdog;
