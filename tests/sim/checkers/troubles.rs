//! What was wrong between the workers and the broker, and when: the excuse for what would be a fault otherwise.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ledger::Event;

/// How long what went wrong is felt after it is over: a lease that was lost ends within ten seconds, a part of a worker
/// that failed for it is started again a while later.
const FELT_FOR: Duration = Duration::from_secs(45);
/// The same for what it does to one lease.
const LEASE: Duration = Duration::from_secs(11);

/// Troubles by worker: until when the last one lasts.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    until: BTreeMap<usize, Duration>,
}

impl Troubles {
    /// Something happened.
    pub(crate) fn saw(&mut self, at: Duration, event: &Event) {
        let (worker, until) = match event {
            Event::Wrong { worker, lasts } => (*worker, at + *lasts),
            Event::Killed { worker } => (*worker, at),
            _ => return,
        };
        let before = self.until.entry(worker).or_default();
        *before = until.max(*before);
    }

    /// Whether something was wrong with a worker lately, or since then.
    pub(crate) fn touched(&self, worker: usize, since: Duration) -> bool {
        self.until.get(&worker).is_some_and(|until| *until + LEASE >= since)
    }

    /// Whether something was wrong with anybody lately, or since then.
    pub(crate) fn any(&self, since: Duration) -> bool {
        self.until.keys().any(|worker| self.touched(*worker, since))
    }

    /// Whether nothing has been wrong with any of them for a while, and since then.
    pub(crate) fn calm(&self, since: Duration) -> bool {
        self.until.values().all(|until| *until + FELT_FOR < since)
    }
}
