//! A broker in one process: the reference for what the ports mean.
//!
//! One machine keeps the order, the leases, the schedules and the de-duplication window in memory; a [`Store`] under
//! it keeps what must last. Over [`Volatile`] it is the broker of tests and simulations, without threads or files, and
//! follows tokio's paused clock. Over a durable store it is the embedded broker. Both behave alike because they are
//! the same.
//!
//! Leases live in memory only: a process that dies loses them all, which is what a lost lease means anyway.

mod broker;
mod cancels;
mod control;
mod dead;
mod hints;
mod holdings;
mod intake;
mod lane;
mod later;
mod line;
mod listeners;
mod machine;
mod presence;
mod records;
mod shelf;
mod store;
mod survey;
mod window;

use std::sync::Arc;

use proto::Timestamp;
use tokio::time::Instant;

pub use self::intake::Foreign;
use self::machine::Machine;
pub use self::store::{Change, Done, Entry, Failure, Kind, Place, Recovered, Seq, Store, Volatile};
pub use self::window::Space;
use crate::port::Clock;
use crate::port::broker::Quotas;

/// How much a broker takes.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How much may wait.
    pub quotas: Quotas,
    /// The largest payload, in bytes.
    pub payload_len_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        // As much as a NATS server takes by default, and what a body of one MiB needs around it.
        Self { quotas: Quotas::default(), payload_len_max: 1024 * 1024 + 64 * 1024 }
    }
}

/// The broker; clones share everything.
#[derive(Clone)]
pub struct Memory {
    machine: Arc<Machine>,
}

impl Memory {
    /// An empty one that lives as long as the process.
    #[must_use]
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self::over(Arc::new(Volatile::default()), Recovered::default(), settings, clock)
    }

    /// One over a store, beginning with what the store found.
    #[must_use]
    pub fn over(store: Arc<dyn Store>, recovered: Recovered, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self { machine: Arc::new(Machine::new(store, recovered, settings, clock)) }
    }
}

/// A time of day that follows tokio's clock, paused or not: for tests and simulations.
#[derive(Clone, Copy, Debug)]
pub struct SteadyClock {
    began: Instant,
}

impl Default for SteadyClock {
    fn default() -> Self {
        Self { began: Instant::now() }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        // 2026-01-01: any day will do, as long as it is always the same.
        Timestamp::from_unix_nanos(1_767_225_600_000_000_000).after(self.began.elapsed())
    }
}
