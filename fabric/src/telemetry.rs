//! What the process says about itself while it runs: logs, on stderr, and spans ([`traces`]). What it counts is in
//! [`metrics`](crate::metrics).

pub mod log;
pub mod traces;

pub use self::log::{Log, LogFormat, parse};
