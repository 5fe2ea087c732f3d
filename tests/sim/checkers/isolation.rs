//! Promise 3: one function cannot hurt another. A call of the quiet function starts at once, whatever the others do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::troubles::Troubles;
use super::{Checker, ensure};
use crate::functions::Kind;
use crate::ledger::Event;
use crate::plan::{Plan, QUIET};

/// Between a call's acceptance and its start: finding out, opening a lane, a pull, over a wire that takes up to 80 ms
/// there and back for each.
const WITHIN: Duration = Duration::from_secs(1);

/// How long a first worker may be unaware of what came while it started: a hint that came before it listened is made up
/// for by its second look at the backlog.
const STARTING: Duration = Duration::from_secs(10);

/// The same where one function takes all it can get and another's calls are quick as a rule, and then hang: such a one may
/// have what is kept free for newcomers, and keeps it until its time is over (8 s).
const BESIDE_A_HOG: Duration = Duration::from_secs(10);

pub(crate) struct Isolation {
    within: Duration,
    troubles: Troubles,
    waiting: BTreeMap<u32, Duration>,
    workers: BTreeSet<usize>,
    /// When there was nobody last.
    deserted: Duration,
}

impl Isolation {
    pub(crate) fn new(plan: &Plan) -> Self {
        let hangs = plan.functions.iter().any(|function| function.kind == Kind::Hanging);
        let within = if plan.hog && hangs { BESIDE_A_HOG } else { WITHIN };
        let (troubles, waiting) = (Troubles::default(), BTreeMap::new());
        Self { within, troubles, waiting, workers: BTreeSet::new(), deserted: Duration::ZERO }
    }
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
                    return ensure(excused || at - since <= self.within, || {
                        format!("c{call} waited for {:?}", at - since)
                    });
                }
            }
            _ => {}
        }
        Ok(())
    }
}
