//! Promise 7: a drain is over by its deadline, and leaves nothing behind that others would have to wait for.

use std::collections::BTreeMap;
use std::time::Duration;

use super::troubles::Troubles;
use super::{Checker, ensure};
use crate::ledger::{Event, Line};

/// What a drain may take beyond its deadline: calls have two seconds to give their messages back.
const BEYOND: Duration = Duration::from_secs(5);
/// How long a lease lasts that nobody extends.
const LEASE: Duration = Duration::from_secs(9);
/// The same where requests to the broker are lost, each of which is given up after two seconds.
const IN_TROUBLE: Duration = Duration::from_secs(20);

#[derive(Default)]
pub(crate) struct Drains {
    troubles: Troubles,
    /// By when each is to be gone, and since when it knows.
    by: BTreeMap<usize, (Duration, Duration)>,
    /// Messages that nobody else can take yet, and when the worker has let go of them.
    held: BTreeMap<(usize, u64), Duration>,
}

impl Checker for Drains {
    fn name(&self) -> &'static str {
        "a drain is over by its deadline and leaves nothing"
    }

    fn saw(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        self.troubles.saw(at, event);
        match event {
            Event::Draining { worker, by } => {
                let (deadline, _) = self.by.entry(*worker).or_insert((*by, at));
                *deadline = *by.min(deadline);
            }
            Event::Delivered { worker, lease, line, .. } if *line != Line::Due => {
                self.held.insert((*worker, *lease), Duration::MAX);
            }
            Event::Acked { worker, lease }
            | Event::AckedLate { worker, lease }
            | Event::GivenBack { worker, lease, .. }
            | Event::Forgotten { worker, lease } => {
                self.held.remove(&(*worker, *lease));
            }
            Event::LetGo { worker, lease } => {
                self.held.entry((*worker, *lease)).and_modify(|let_go| *let_go = at);
            }
            Event::Killed { worker } => {
                self.by.remove(worker);
            }
            Event::Gone { worker, failed } => {
                ensure(failed.is_none(), || format!("w{worker} failed: {failed:?}"))?;
                let touched = |since| self.troubles.touched(*worker, since);
                if let Some((_, since)) = self.by.remove(worker) {
                    let waits = |let_go: &Duration| let_go.saturating_add(LEASE) > at;
                    let left = self.held.iter().filter(|((it, _), let_go)| it == worker && waits(let_go)).count();
                    ensure(left == 0 || touched(since), || format!("w{worker} has left {left} messages leased"))?;
                }
            }
            _ => {}
        }
        let late = self.by.iter().find(|(worker, (by, since))| {
            at > *by + if self.troubles.touched(**worker, *since) { IN_TROUBLE } else { BEYOND }
        });
        ensure(late.is_none(), || format!("a worker is still there after its deadline: {late:?}"))
    }
}
