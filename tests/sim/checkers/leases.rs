//! Whoever has lost a lease settles nothing: a broker that does not fence would take his word for another's message.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::troubles::Troubles;
use super::{Checker, ensure};
use crate::ledger::Event;

#[derive(Default)]
pub(crate) struct Leases {
    troubles: Troubles,
    /// Whose each lease is, and since when.
    held: BTreeMap<u64, (u32, Duration)>,
    settled: BTreeSet<u64>,
    /// Calls whose messages may have been taken away under the worker.
    withdrawn: BTreeSet<u32>,
}

impl Checker for Leases {
    fn name(&self) -> &'static str {
        "whoever has lost a lease settles nothing"
    }

    fn saw(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        self.troubles.saw(at, event);
        match event {
            Event::Delivered { lease, call, .. } => drop(self.held.insert(*lease, (*call, at))),
            Event::Acked { lease, .. } => drop(self.settled.insert(*lease)),
            Event::Cancelling { call } => drop(self.withdrawn.insert(*call)),
            Event::AckedLate { worker, lease } => {
                let Some((call, since)) = self.held.get(lease) else { return Ok(()) };
                let explained = self.settled.contains(lease)
                    || self.withdrawn.contains(call)
                    || self.troubles.touched(*worker, *since);
                return ensure(explained, || format!("w{worker} settled c{call} when it had lost it"));
            }
            _ => {}
        }
        Ok(())
    }
}
