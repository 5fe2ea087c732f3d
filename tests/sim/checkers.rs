//! The invariants: each has a name and one definition, and hears of everything that happens.

mod drains;
mod duplicates;
mod ends;
mod isolation;
mod leases;
mod limits;
mod pulls;
mod retries;
mod troubles;

use std::sync::Arc;
use std::time::Duration;

use crate::ledger::Event;
use crate::plan::Plan;

/// One invariant.
pub(crate) trait Checker: Send {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Something happened at that time; an error says how that breaks the invariant.
    fn saw(&mut self, at: Duration, event: &Event) -> Result<(), String>;

    /// All is over.
    fn closed(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// Every invariant that is checked as things happen.
pub(crate) fn all(plan: &Arc<Plan>) -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(ends::Ends::new(plan)),
        Box::new(isolation::Isolation::new(plan)),
        Box::new(limits::Limits::new(plan)),
        Box::new(pulls::Pulls::new(plan)),
        Box::new(retries::Retries::default()),
        Box::new(drains::Drains::default()),
        Box::new(duplicates::Duplicates::default()),
        Box::new(leases::Leases::default()),
    ]
}

/// An invariant holds, or is broken by `what`.
fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}
