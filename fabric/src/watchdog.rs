//! The function's side of the bargain: any program as an HTTP function that says when it is busy and when it is going.
//!
//! ```text
//! run ─► service ─► health                    whether requests are wanted
//!                └► slots ─► exec  ─► process    one for each request: body → stdin, stdout → answer
//!                         └► proxy ─► upstream   one that serves HTTP
//! drain                                       how it ends
//! ```
//!
//! What it is told and what it answers is as OpenFaaS's watchdog has it; `docs/watchdog.md` says where it is not.

mod answer;
mod body;
mod descriptors;
mod drain;
pub mod duration;
mod environment;
mod error;
mod exec;
mod fault;
mod health;
pub mod limits;
pub mod lines;
mod local;
mod meter;
mod process;
pub mod program;
mod proxy;
mod run;
mod service;
pub mod settings;
mod slots;
mod upstream;

pub use self::error::Error;
pub use self::local::Local;
pub use self::run::run;

/// What an answer is said to be if nobody says what it is.
pub const CONTENT_TYPE: &str = "application/octet-stream";

/// The longest line of a function's that stays one, in bytes, if nobody says so.
pub const LINE_LEN_MAX: usize = 64 * 1024;
