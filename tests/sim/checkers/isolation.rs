//! Promise 3: one function cannot hurt another. A call of the quiet function starts at once, whatever the others do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::troubles::Troubles;
use super::{Checker, ensure};
use crate::ledger::Event;
use crate::plan::QUIET;

/// Between a call's acceptance and its start: finding out, opening a lane, a pull, over a wire that takes up to 80 ms
/// there and back for each.
const WITHIN: Duration = Duration::from_secs(1);

/// How long a first worker may be unaware of what came while it started: a hint that came before it listened is made up
/// for by its second look at the backlog.
const STARTING: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(crate) struct Isolation {
    troubles: Troubles,
    waiting: BTreeMap<u32, Duration>,
    workers: BTreeSet<usize>,
    /// When there was nobody last.
    deserted: Duration,
}

impl Checker for Isolation {
    fn name(&self) -> &'static str {
        "a quiet function's call starts at once"
    }

    fn saw(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        self.troubles.saw(at, event);
        match event {
            Event::Up { worker } => {
                self.workers.insert(*worker);
                self.deserted = if self.workers.len() == 1 { at } else { self.deserted };
            }
            Event::Killed { worker } | Event::Draining { worker, .. } => {
                self.workers.remove(worker);
            }
            Event::Accepted { call, quiet: true, .. } => drop(self.waiting.insert(*call, at)),
            Event::Began { call, function: QUIET, .. } => {
                if let Some(since) = self.waiting.remove(call) {
                    let excused = !self.troubles.calm(since) || self.deserted + STARTING >= since;
                    return ensure(excused || at - since <= WITHIN, || format!("c{call} waited for {:?}", at - since));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
