//! One call in hand: what a subscriber's task does with a message it was given.
//!
//! ```text
//! decode ─► account ─► attempt ─► plan (pure) ─► settle: store what follows, then ack ─► report
//! ```

pub mod account;
pub mod attempt;
pub mod exchange;
pub mod given;
mod note;
pub mod plan;
pub mod recorder;
pub mod report;
pub mod run;
pub mod settle;
pub mod trace;
pub mod turned;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use self::recorder::Recorder;
use crate::directory::Directory;
use crate::limit::rates::Rates;
use crate::luck::Luck;
use crate::marks::Marks;
use crate::membership::Membership;
use crate::meter::Meter;
use crate::port::{Broker, Clock, Invoker};
use crate::trace::Tracing;

/// What a call needs to be run: shared by all calls of a worker.
pub struct Desk {
    /// Where what follows is stored.
    pub broker: Arc<dyn Broker>,
    /// What sends the requests.
    pub invoker: Arc<dyn Invoker>,
    /// The time of day, for due times and records.
    pub clock: Arc<dyn Clock>,
    /// The functions.
    pub directory: watch::Receiver<Arc<Directory>>,
    /// Who else is alive.
    pub membership: watch::Receiver<Arc<Membership>>,
    /// The buckets of everything that has a rate.
    pub rates: Arc<Rates>,
    /// What tells how calls are.
    pub recorder: Recorder,
    /// The calls that are to be cancelled.
    pub marks: Arc<Marks>,
    /// Where it is counted what becomes of them.
    pub meter: Arc<Meter>,
    /// How callbacks are delivered.
    pub callbacks: Callbacks,
    /// Where jitter comes from.
    pub luck: Luck,
    /// Who traces.
    pub tracing: Tracing,
}

impl Desk {
    /// How long a call may take at the most.
    #[must_use]
    pub fn longest_call(&self) -> Duration {
        let longest = self.directory.borrow().iter().map(|spec| spec.timeout).max();
        longest.unwrap_or_default().max(self.callbacks.timeout)
    }
}

/// How callbacks are delivered.
#[derive(Clone, Debug)]
pub struct Callbacks {
    /// How long a receiver may take.
    pub timeout: Duration,
    /// How deliveries are retried.
    pub retry: proto::retry::Policy,
    /// The largest result that a callback carries, in bytes; the caller of a larger one is told how large it was.
    pub result_len_max: usize,
    /// How many deliveries to one host may run at once in the whole cluster.
    pub per_host: NonZeroU32,
}

impl Default for Callbacks {
    fn default() -> Self {
        // Whatever a receiver answers but success may pass: it is its operator, not its caller, who mends it.
        let retry = proto::retry::Policy { codes: (300..=599).collect(), ..proto::retry::Policy::default() };
        let per_host = NonZeroU32::MIN.saturating_add(63);
        Self { timeout: Duration::from_secs(30), retry, result_len_max: 1024 * 1024, per_host }
    }
}
