//! What the process says about itself while it runs: logs, on stderr. What it counts is in [`metrics`](crate::metrics).

pub mod log;

pub use self::log::{Log, LogFormat, parse};
