//! Promise 4: limits hold across the cluster. At no instant do more calls of a function run than its limit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Checker, ensure};
use crate::functions::RECEIVER;
use crate::ledger::{Event, Line};
use crate::plan::Plan;

pub(crate) struct Limits {
    plan: Arc<Plan>,
    /// What runs: where, of which function, and by which lease.
    running: BTreeMap<u64, (usize, usize, Option<u64>)>,
    /// Which lease each call is held by, by worker.
    held: BTreeMap<(usize, u32), u64>,
    /// Leases that the broker has forgotten: it cannot count them any more.
    forgotten: Vec<u64>,
}

impl Limits {
    pub(crate) fn new(plan: &Arc<Plan>) -> Self {
        Self { plan: plan.clone(), running: BTreeMap::new(), held: BTreeMap::new(), forgotten: Vec::new() }
    }
}

impl Checker for Limits {
    fn name(&self) -> &'static str {
        "limits hold across the cluster"
    }

    fn saw(&mut self, _: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::Delivered { worker, lease, call, line: Line::Function(_), .. } => {
                self.held.insert((*worker, *call), *lease);
            }
            Event::Forgotten { lease, .. } => self.forgotten.push(*lease),
            Event::Killed { worker } => self.running.retain(|_, (other, ..)| other != worker),
            Event::Finished { run, .. } => drop(self.running.remove(run)),
            Event::Began { worker, run, call, function, .. } if *function != RECEIVER => {
                let lease = self.held.get(&(*worker, *call)).copied();
                self.running.insert(*run, (*worker, *function, lease));
                let limit = self.plan.functions.get(*function).and_then(|it| it.limit);
                let is_held = |lease: &Option<u64>| lease.is_none_or(|lease| !self.forgotten.contains(&lease));
                let counted = self.running.values().filter(|(_, of, lease)| of == function && is_held(lease));
                let (count, limit) = (counted.count(), limit.map_or(usize::MAX, |limit| limit as usize));
                return ensure(count <= limit, || format!("{count} calls of f{function} run at once, limit {limit}"));
            }
            _ => {}
        }
        Ok(())
    }
}
