//! Promise 2, the other half: an attempt runs twice only where something went wrong that explains it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::troubles::Troubles;
use super::{Checker, ensure};
use crate::functions::RECEIVER;
use crate::ledger::{Event, Outcome};

#[derive(Default)]
pub(crate) struct Duplicates {
    troubles: Troubles,
    /// The last run of each attempt.
    last: BTreeMap<(u32, u32), Run>,
    attempts: BTreeMap<u64, (u32, u32)>,
    /// When each call ran first.
    first: BTreeMap<u32, Duration>,
    draining: BTreeSet<usize>,
}

struct Run {
    worker: usize,
    began: Duration,
    outcome: Option<Outcome>,
}

impl Checker for Duplicates {
    fn name(&self) -> &'static str {
        "an attempt runs twice only if something went wrong"
    }

    fn saw(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        self.troubles.saw(at, event);
        match event {
            Event::Draining { worker, .. } => drop(self.draining.insert(*worker)),
            Event::Finished { run, outcome } => {
                let last = self.attempts.remove(run).and_then(|attempt| self.last.get_mut(&attempt));
                if let Some(last) = last {
                    last.outcome = Some(*outcome);
                }
            }
            Event::Began { worker, run, call, function, attempt, .. } if *function != RECEIVER => {
                let first = *self.first.entry(*call).or_insert(at);
                let began = Run { worker: *worker, began: at, outcome: None };
                self.attempts.insert(*run, (*call, *attempt));
                let Some(before) = self.last.insert((*call, *attempt), began) else { return Ok(()) };
                let given_back = before.outcome == Some(Outcome::Cut) && self.draining.contains(&before.worker);
                let explained = before.outcome == Some(Outcome::Busy)
                    || given_back
                    // A busy function's attempt has several turns, which several workers may have had.
                    || self.troubles.any(first);
                return ensure(explained, || {
                    let Run { worker: first, began, outcome } = before;
                    format!(
                        "attempt {attempt} of c{call} ran in w{first} from {began:?} ({outcome:?}), and again in w{worker}"
                    )
                });
            }
            _ => {}
        }
        Ok(())
    }
}
