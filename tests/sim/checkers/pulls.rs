//! Promise 5: nothing is pulled that cannot start. What a worker has that has not run, and asks for, is never more than it
//! may run; as much again may be settled beside that. What it is handed starts at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::troubles::Troubles;
use super::{Checker, ensure};
use crate::ledger::{Event, Line, Outcome};
use crate::plan::Plan;

/// Between a message's arrival and the start of its call: its record may be asked for first.
const WITHIN: Duration = Duration::from_secs(2);

pub(crate) struct Pulls {
    permits: u32,
    troubles: Troubles,
    /// Pulls that are out, and how many messages more each may bring.
    pulls: BTreeMap<u64, (usize, u32)>,
    /// Messages that are with a worker.
    held: BTreeMap<u64, (usize, u32)>,
    /// Those of them that have not started, in order of arrival.
    unstarted: VecDeque<(Duration, u64)>,
    started: BTreeSet<u64>,
    /// What runs, by which lease.
    runs: BTreeMap<u64, u64>,
    /// Messages whose calls have run.
    ran: BTreeSet<u64>,
}

impl Pulls {
    pub(crate) fn new(plan: &Arc<Plan>) -> Self {
        let (pulls, held, unstarted) = (BTreeMap::new(), BTreeMap::new(), VecDeque::new());
        let troubles = Troubles::default();
        Self {
            permits: plan.permits,
            troubles,
            pulls,
            held,
            unstarted,
            started: BTreeSet::new(),
            runs: BTreeMap::new(),
            ran: BTreeSet::new(),
        }
    }

    fn within_permits(&self, worker: usize, at: Duration) -> Result<(), String> {
        let asked: u32 = self.pulls.values().filter(|(it, _)| *it == worker).map(|(_, more)| more).sum();
        let held = || self.held.iter().filter(|(_, (it, _))| *it == worker);
        let (all, run) = (held().count(), held().filter(|(lease, _)| !self.ran.contains(lease)).count());
        let (asked, permits) = (asked as usize, self.permits as usize);
        // Where requests are lost, a lease may be asked to go on that its worker has given up.
        let excused = self.troubles.touched(worker, at);
        ensure(excused || run + asked <= permits && all + asked <= 2 * permits, || {
            format!("w{worker} has {run} messages to run, {all} in all, and asks for {asked}, with {permits} permits")
        })
    }

    fn is_gone(&mut self, lease: u64) {
        self.held.remove(&lease);
        self.started.remove(&lease);
        self.ran.remove(&lease);
    }

    fn on_time(&mut self, at: Duration) -> Result<(), String> {
        while let Some(&(since, lease)) = self.unstarted.front() {
            let waits = self.held.get(&lease).filter(|_| !self.started.contains(&lease));
            if let Some((worker, call)) = waits {
                if at - since <= WITHIN {
                    break;
                }
                let excused = self.troubles.touched(*worker, since);
                ensure(excused, || format!("c{call} was handed to w{worker} at {since:?} and has not started"))?;
            }
            self.unstarted.pop_front();
        }
        Ok(())
    }
}

impl Checker for Pulls {
    fn name(&self) -> &'static str {
        "nothing is pulled that cannot start"
    }

    fn saw(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        self.troubles.saw(at, event);
        self.on_time(at)?;
        match event {
            Event::Pulling { worker, pull, line, max } if *line != Line::Due => {
                self.pulls.insert(*pull, (*worker, *max));
                return self.within_permits(*worker, at);
            }
            Event::Pulled { pull, .. } => drop(self.pulls.remove(pull)),
            Event::Delivered { worker, pull, line, lease, call, .. } if *line != Line::Due => {
                let Some((_, more)) = self.pulls.get_mut(pull) else {
                    return Err(format!("c{call} came to w{worker}, which had not asked"));
                };
                ensure(*more > 0, || format!("w{worker} was handed more than it asked for"))?;
                *more -= 1;
                self.held.insert(*lease, (*worker, *call));
                self.unstarted.push_back((at, *lease));
                return self.within_permits(*worker, at);
            }
            Event::Began { worker, call, run, .. } => {
                let waits =
                    |(lease, it): &(&u64, &(usize, u32))| **it == (*worker, *call) && !self.started.contains(lease);
                let starts = self.held.iter().find(waits).map(|(lease, _)| *lease);
                // Where the first endpoint had no room, it runs at another one.
                let goes_on = || self.held.iter().find(|(_, it)| **it == (*worker, *call)).map(|(lease, _)| *lease);
                let lease = starts.or_else(goes_on);
                self.started.extend(lease);
                self.runs.extend(lease.map(|lease| (*run, lease)));
                self.ran.retain(|it| Some(*it) != lease);
            }
            Event::Finished { run, outcome } => match self.runs.remove(run) {
                // Its permit is free, although a request to extend its lease may still be under way.
                Some(lease) if *outcome == Outcome::Cut => self.is_gone(lease),
                Some(lease) if self.held.contains_key(&lease) => drop(self.ran.insert(lease)),
                Some(_) | None => {}
            },
            Event::LetGo { lease, .. }
            | Event::Acked { lease, .. }
            | Event::AckedLate { lease, .. }
            | Event::GivenBack { lease, .. } => self.is_gone(*lease),
            Event::Killed { worker } => {
                let held = self.held.iter().filter(|(_, (it, _))| it == worker).map(|(lease, _)| *lease);
                held.collect::<Vec<_>>().into_iter().for_each(|lease| self.is_gone(lease));
                self.pulls.retain(|_, (it, _)| it != worker);
            }
            _ => {}
        }
        Ok(())
    }
}
