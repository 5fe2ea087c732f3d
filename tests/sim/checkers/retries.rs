//! Promise 8: a retry never occupies a slot. Once it is stored, the message it follows from is let go; it is in no lane
//! before it is due, and what is given back to a lane does not wait there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::troubles::Troubles;
use super::{Checker, ensure};
use crate::ledger::{Event, Line};

/// Between storing a retry and letting go of what it follows from: the record is told in between.
const WITHIN: Duration = Duration::from_secs(1);
/// What a message may wait in its lane that was given back there.
const WAITS: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(crate) struct Retries {
    troubles: Troubles,
    /// Messages that are with a worker, by lease.
    held: BTreeMap<u64, (usize, u32, Arc<str>)>,
    /// Leases whose retries are stored, and since when.
    follows: BTreeMap<u64, (usize, u32, Duration)>,
    /// Retries that wait.
    waiting: BTreeSet<Arc<str>>,
}

impl Checker for Retries {
    fn name(&self) -> &'static str {
        "a retry occupies no slot"
    }

    fn saw(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        self.troubles.saw(at, event);
        match event {
            Event::Delivered { line: Line::Due, message, .. } => drop(self.waiting.remove(message)),
            Event::Delivered { worker, lease, call, message, .. } => {
                self.held.insert(*lease, (*worker, *call, message.clone()));
                let waits = self.waiting.contains(message);
                return ensure(!waits, || format!("{message} was in its lane before it was due"));
            }
            Event::Scheduled { worker, call, message, new } => {
                self.waiting.extend(new.then(|| message.clone()));
                // A worker may have two turns of a call, after a trouble: the retry is not what it follows from.
                let is_callback = |message: &str| message.ends_with(".callback");
                let before = |it: &(usize, u32, Arc<str>)| {
                    let alike = is_callback(&it.2) == is_callback(message);
                    (it.0, it.1) == (*worker, *call) && it.2 != *message && alike
                };
                let lease = self.held.iter().rev().find(|(_, it)| before(it));
                self.follows.extend(lease.map(|(lease, _)| (*lease, (*worker, *call, at))));
            }
            Event::GivenBack { delay, lease, .. } => {
                self.follows.remove(lease);
                // What is due and not yet moved is in no lane of a function.
                let was_in_lane = self.held.remove(lease).is_some();
                return ensure(!was_in_lane || *delay <= WAITS, || {
                    format!("a message was given back to wait for {delay:?}")
                });
            }
            Event::LetGo { lease, .. } | Event::Acked { lease, .. } | Event::AckedLate { lease, .. } => {
                self.follows.remove(lease);
                self.held.remove(lease);
            }
            Event::Killed { worker } => self.follows.retain(|_, (it, ..)| it != worker),
            _ => {}
        }
        let late = self
            .follows
            .values()
            .find(|(worker, _, since)| at - *since > WITHIN && !self.troubles.touched(*worker, *since));
        ensure(late.is_none(), || {
            format!("the retry of c{} waits, and its message is still held", late.map_or(0, |it| it.1))
        })
    }
}
