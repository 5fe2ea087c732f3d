//! Promise 2: every accepted call ends exactly once, in one state, and what follows from that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proto::record::State;

use super::{Checker, ensure};
use crate::functions::RECEIVER;
use crate::ledger::{Event, Outcome};
use crate::plan::Plan;

pub(crate) struct Ends {
    plan: Arc<Plan>,
    accepted: BTreeSet<u32>,
    /// The end of each call, as it was first on record.
    ended: BTreeMap<u32, State>,
    /// Callbacks under way: whose, and what they say.
    telling: BTreeMap<u64, (u32, String)>,
    /// What callers were told.
    told: BTreeMap<u32, String>,
    buried: BTreeMap<u32, u32>,
}

impl Ends {
    pub(crate) fn new(plan: &Arc<Plan>) -> Self {
        let (accepted, ended, telling) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        Self { plan: plan.clone(), accepted, ended, telling, told: BTreeMap::new(), buried: BTreeMap::new() }
    }

    fn stands(&mut self, call: u32, state: State) -> Result<(), String> {
        let ended = if state.is_final() { *self.ended.entry(call).or_insert(state) } else { state };
        let before = self.ended.get(&call).copied();
        ensure(ended == state && before.is_none_or(|before| before == state), || {
            format!("call c{call} was {before:?} and is {state:?}")
        })
    }

    fn hear(&mut self, call: u32, state: &str) -> Result<(), String> {
        let before = self.told.entry(call).or_insert_with(|| state.to_owned());
        ensure(*before == state, || format!("the caller of c{call} was told {before} and then {state}"))
    }
}

impl Checker for Ends {
    fn name(&self) -> &'static str {
        "every call ends once"
    }

    fn saw(&mut self, _: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::Accepted { call, .. } => drop(self.accepted.insert(*call)),
            Event::Ended { call, state, .. } | Event::Noted { call, state, .. } | Event::OnRecord { call, state } => {
                return self.stands(*call, *state);
            }
            Event::Cancelled { call, state: Some(state) } => return self.stands(*call, *state),
            Event::Began { run, call, function: RECEIVER, state: Some(state), .. } => {
                self.telling.insert(*run, (*call, state.clone()));
                return self.hear(*call, state);
            }
            Event::Finished { run, outcome } => {
                if let Some((call, state)) = self.telling.remove(run)
                    && *outcome == Outcome::Answered(200)
                {
                    return self.hear(call, &state);
                }
            }
            Event::Buried { call } => *self.buried.entry(*call).or_default() += 1,
            _ => {}
        }
        Ok(())
    }

    fn closed(&mut self) -> Result<(), String> {
        for call in &self.accepted {
            let Some(state) = self.ended.get(call) else { return Err(format!("call c{call} never ended")) };
            let letters = self.buried.get(call).copied().unwrap_or_default();
            ensure(letters == u32::from(*state == State::Dead), || {
                format!("call c{call} is {state:?} and has {letters} dead letters")
            })?;
            let wants = self.plan.calls.get(*call as usize).is_some_and(|(_, call)| call.callback);
            let told = self.told.get(call).map(String::as_str);
            ensure(told == wants.then_some(state.as_str()), || {
                format!("call c{call} is {state:?}; its caller wanted to know: {wants}, and was told {told:?}")
            })?;
        }
        Ok(())
    }
}
