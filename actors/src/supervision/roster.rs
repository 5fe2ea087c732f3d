//! A supervisor's children: who is up, who is down and until when.
//!
//! References to children live here and nowhere else, because a restarted child has a new one.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use ractor::ActorId;

use super::policy::History;
use super::{Exit, Policy, Verdict};
use crate::view;

/// The children of one supervisor, by name. `H` is the handle by which the supervisor talks to a child.
#[derive(Debug)]
pub struct Roster<K, H> {
    policy: Policy,
    /// In order, so that what is done to all is done in the same order every time.
    seats: BTreeMap<K, Seat<H>>,
    names: HashMap<ActorId, K>,
}

#[derive(Debug)]
struct Seat<H> {
    state: State<H>,
    history: History,
}

#[derive(Debug)]
enum State<H> {
    Up { handle: H, id: ActorId },
    Down { parked: bool, cause: String },
}

/// How a child is, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Running.
    Up,
    /// Ended, and about to be started again.
    Restarting {
        /// Why it ended.
        cause: String,
    },
    /// Failed too often, and left alone for a while.
    Parked {
        /// Why it ended.
        cause: String,
    },
}

impl<K: Clone + Ord, H> Roster<K, H> {
    /// Nobody yet.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, seats: BTreeMap::new(), names: HashMap::new() }
    }

    /// A child was started, for the first time or again.
    pub fn started(&mut self, name: K, id: ActorId, handle: H) {
        self.names.insert(id, name.clone());
        let history = self.seats.remove(&name).map(|seat| seat.history).unwrap_or_default();
        self.seats.insert(name, Seat { state: State::Up { handle, id }, history });
    }

    /// An actor ended. Answers the child's name and what to do, or nothing if it is not (or no longer) ours.
    pub fn ended(&mut self, id: ActorId, exit: &Exit, now: Instant, luck: f64) -> Option<(K, Verdict)> {
        let name = self.names.remove(&id)?;
        let verdict = self.judge(&name, exit, now, luck);
        Some((name, verdict))
    }

    /// A child could not even be started: the same policy holds.
    pub fn unstarted(&mut self, name: &K, cause: String, now: Instant, luck: f64) -> Verdict {
        let down = State::Down { parked: false, cause: cause.clone() };
        self.seats.entry(name.clone()).or_insert(Seat { state: down, history: History::default() });
        self.judge(name, &Exit::Failed(cause), now, luck)
    }

    fn judge(&mut self, name: &K, exit: &Exit, now: Instant, luck: f64) -> Verdict {
        let Some(seat) = self.seats.get_mut(name) else { return Verdict::Forget };
        let verdict = seat.history.verdict(&self.policy, exit, now, luck);
        match verdict {
            Verdict::Forget => drop(self.seats.remove(name)),
            Verdict::Park { .. } => seat.state = State::Down { parked: true, cause: exit.to_string() },
            Verdict::Restart { .. } | Verdict::Escalate { .. } => {
                seat.state = State::Down { parked: false, cause: exit.to_string() };
            }
        }
        verdict
    }

    /// No longer wanted: a child that is down is not started again, one that is up is not when it ends.
    pub fn dismiss(&mut self, name: &K) -> Option<H> {
        match self.seats.remove(name)?.state {
            State::Up { handle, id } => {
                self.names.remove(&id);
                Some(handle)
            }
            State::Down { .. } => None,
        }
    }

    /// The handle of a child that is up.
    #[must_use]
    pub fn get(&self, name: &K) -> Option<&H> {
        match &self.seats.get(name)?.state {
            State::Up { handle, .. } => Some(handle),
            State::Down { .. } => None,
        }
    }

    /// Whether there is such a child, up or down.
    #[must_use]
    pub fn contains(&self, name: &K) -> bool {
        self.seats.contains_key(name)
    }

    /// Every child that is up.
    pub fn up(&self) -> impl Iterator<Item = (&K, &H)> {
        self.seats.iter().filter_map(|(name, seat)| match &seat.state {
            State::Up { handle, .. } => Some((name, handle)),
            State::Down { .. } => None,
        })
    }

    /// Forgets every child that is down: a supervisor that drains starts nobody again.
    pub fn forget_down(&mut self) {
        self.seats.retain(|_, seat| matches!(seat.state, State::Up { .. }));
    }

    /// What made the children that are down fail has passed: their failures count no more. Who they are.
    pub fn pardon(&mut self) -> Vec<K> {
        let down = self.seats.iter_mut().filter(|(_, seat)| matches!(seat.state, State::Down { .. }));
        down.map(|(name, seat)| {
            seat.history = History::default();
            name.clone()
        })
        .collect()
    }

    /// How each child is, for the view.
    #[must_use]
    pub fn children(&self) -> Vec<view::Child>
    where
        K: ToString,
    {
        let mut children: Vec<_> = self
            .conditions()
            .map(|(name, condition, failures)| {
                let (state, cause) = match condition {
                    Condition::Up => ("up", None),
                    Condition::Restarting { cause } => ("restarting", Some(cause)),
                    Condition::Parked { cause } => ("parked", Some(cause)),
                };
                view::Child { name: name.to_string(), state: state.into(), cause, failures }
            })
            .collect();
        children.sort_by(|a, b| a.name.cmp(&b.name));
        children
    }

    /// How each child is, and how many failures count against it.
    pub fn conditions(&self) -> impl Iterator<Item = (&K, Condition, u32)> {
        self.seats.iter().map(|(name, seat)| {
            let condition = match &seat.state {
                State::Up { .. } => Condition::Up,
                State::Down { parked: true, cause } => Condition::Parked { cause: cause.clone() },
                State::Down { parked: false, cause } => Condition::Restarting { cause: cause.clone() },
            };
            (name, condition, seat.history.count())
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Some instant: the rules only ever compare.
    pub(crate) fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn failed() -> Exit {
        Exit::Failed("boom".into())
    }

    #[test]
    fn a_child_goes_down_and_comes_up_under_a_new_id() {
        let mut roster = Roster::new(Policy::LOCAL);
        roster.started("a", ActorId::Local(1), ());
        assert!(matches!(roster.ended(ActorId::Local(1), &failed(), now(), 0.5), Some(("a", Verdict::Restart { .. }))));
        assert!(roster.contains(&"a") && roster.get(&"a").is_none());
        roster.started("a", ActorId::Local(2), ());
        assert_eq!(roster.ended(ActorId::Local(1), &failed(), now(), 0.5), None, "the old incarnation is nobody");
        assert_eq!(roster.conditions().collect::<Vec<_>>(), [(&"a", Condition::Up, 1)]);
    }

    #[test]
    fn failing_to_start_is_judged_like_failing() {
        let mut roster: Roster<&str, ()> = Roster::new(Policy::LOCAL);
        let verdicts: Vec<_> =
            (0..=Policy::LOCAL.restarts_max).map(|_| roster.unstarted(&"a", "no port".into(), now(), 0.5)).collect();
        assert!(matches!(verdicts.last(), Some(Verdict::Park { .. })));
        let parked = Condition::Parked { cause: "failed: no port".into() };
        assert_eq!(roster.conditions().collect::<Vec<_>>(), [(&"a", parked, 0)]);
    }

    #[test]
    fn what_is_pardoned_is_forgotten() {
        let mut roster: Roster<&str, ()> = Roster::new(Policy::LOCAL);
        roster.started("up", ActorId::Local(1), ());
        (0..Policy::LOCAL.restarts_max).for_each(|_| drop(roster.unstarted(&"down", "away".into(), now(), 0.5)));
        assert_eq!(roster.pardon(), ["down"]);
        assert!(matches!(roster.unstarted(&"down", "away".into(), now(), 0.5), Verdict::Restart { .. }));
    }

    #[test]
    fn a_dismissed_child_is_not_restarted() {
        let mut roster = Roster::new(Policy::LOCAL);
        roster.started("a", ActorId::Local(1), "handle");
        assert_eq!(roster.dismiss(&"a"), Some("handle"));
        assert_eq!(roster.ended(ActorId::Local(1), &failed(), now(), 0.5), None);
    }
}
