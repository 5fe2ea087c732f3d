//! The time of day, from the operating system: the one place that asks.

use std::time::SystemTime;

use actors::port::Clock;
use proto::Timestamp;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that everybody else is told to ask")]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}
