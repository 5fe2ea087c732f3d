//! The time of day.

use proto::Timestamp;

/// Tells what time it is. Durations are measured with `tokio::time`, which tests can pause; this is only for points
/// in time that other machines must understand.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}
