//! What there is to do and who does it, at one moment, as far as whoever asks may know of it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use actors::demand::{Demand, Facts};
use actors::directory::Directory;
use actors::meter::lines;
use actors::port::holdings::Whose;
use futures_util::{StreamExt, TryStreamExt, stream};
use proto::call::Guest;
use proto::limit::Rate;
use proto::{Function, LaneKey, Namespace, Queue, Refusal};
use tokio::sync::OnceCell;

use super::AT_ONCE;
use super::workforce::{Staff, Workforce};
use crate::activity::{self, Activity};
use crate::admin::lookout::{Depot, Lookout, Roll};
use crate::gateway::Ports;
use crate::gateway::refusal::refusal;
use crate::identity::Identity;

/// How many lanes are looked at for the oldest call: those in which most is runnable.
const AGED_MAX: usize = 200;

/// A lane as it is now.
pub(super) struct Lane {
    pub(super) key: LaneKey,
    /// How many of its calls may run at once, by the narrowest limit.
    pub(super) limit: Option<NonZeroU32>,
    /// How many calls a replica takes at once, if that is said.
    pub(super) slots: Option<NonZeroU32>,
    /// Of what lies in it.
    pub(super) demand: Demand,
    facts: Facts,
    /// Calls that were turned away and are put off, as far as workers know: some may have been cancelled since.
    turned_away: u64,
    /// How old its first call is that waits, once somebody has asked: its queue does, and so does whoever lists it.
    age: OnceCell<f64>,
}

impl Lane {
    fn of(key: LaneKey, directory: &Directory, seen: &Activity) -> Self {
        let spec = directory.guest(&key.function, &Guest::new()).filter(|_| !key.queue.is_callbacks());
        let namespace = directory.namespace(key.function.namespace()).filter(|_| spec.is_some());
        let own = spec.as_ref();
        let limits = [own.and_then(|it| it.concurrency), namespace.and_then(|it| it.concurrency)];
        let rates = [own.and_then(|it| it.rate), namespace.and_then(|it| it.rate)];
        let limit = limits.into_iter().flatten().min();
        let rates = rates.into_iter().flatten().map(|it| it.rate);
        let facts = Facts {
            waiting: seen.backlog,
            in_flight: seen.in_flight as u64,
            paused: directory.is_paused(&key.queue) || own.is_some_and(|it| it.paused),
            limit,
            rate: rates.min_by(|a, b| a.per_second().total_cmp(&b.per_second())),
            typical_seconds: seen.typical_seconds,
        };
        let (slots, demand) = (own.and_then(|it| it.slots), Demand::of(&facts));
        Self { limit, slots, demand, facts, turned_away: seen.turned_away, key, age: OnceCell::new() }
    }

    /// What its function has to do of which so many calls are put off: those that were turned away could run if there were
    /// room for them. No worker is wanted for these until they are due.
    pub(super) fn with_turned_away(&self, later: u64) -> Demand {
        let waiting = self.facts.waiting.saturating_add(self.turned_away.min(later));
        Demand::of(&Facts { waiting, ..self.facts })
    }

    /// One that has nothing to do.
    pub(super) fn idle(key: LaneKey, directory: &Directory) -> Self {
        Self::of(key, directory, &Activity::default())
    }
}

/// All of it.
pub(super) struct Scene<'a> {
    ports: &'a Ports,
    pub(super) directory: Arc<Directory>,
    /// Those that have something to do, the most demanding first.
    pub(super) lanes: Vec<Lane>,
    workforce: Workforce,
    /// The queues that there are for whoever asks, if he may not know of everybody's.
    theirs: Option<BTreeSet<Queue>>,
}

impl<'a> Scene<'a> {
    /// All of it, or one lane.
    pub(super) async fn see(
        lookout: &Lookout,
        ports: &'a Ports,
        only: Option<&LaneKey>,
        by: &Identity,
    ) -> Result<Self, Refusal> {
        let directory = ports.directory.borrow().clone();
        let (roll, depot) = lookout.look(ports, only).await?;
        let mut lanes: Vec<Lane> =
            seen(&roll, &depot, only, by).into_iter().map(|(key, seen)| Lane::of(key, &directory, &seen)).collect();
        lanes.sort_by_cached_key(|lane| {
            std::cmp::Reverse((lane.demand.at_once().saturating_add(lane.turned_away), lane.key.to_string()))
        });
        let workforce = Workforce::of(&ports.membership.borrow(), roll.known());
        let sees_all = by.namespaces().namespaces().is_none();
        let theirs = || {
            let mut theirs = directory.queues_of(by.namespaces());
            theirs.extend([Queue::default(), Queue::callbacks()]);
            theirs
        };
        let theirs = (!sees_all).then(theirs);
        Ok(Self { ports, directory, lanes, workforce, theirs })
    }

    /// Whether there is such a queue: a function or a worker names it, something is set for it, or it is always there.
    pub(super) fn names(&self, queue: &Queue) -> bool {
        match &self.theirs {
            Some(theirs) => theirs.contains(queue),
            None => {
                [Queue::default(), Queue::callbacks()].contains(queue)
                    || self.directory.names(queue)
                    || self.directory.queue(queue).is_some()
                    || self.workforce.names(queue)
                    || self.lanes.iter().any(|lane| lane.key.queue == *queue)
            }
        }
    }

    fn lanes_of(&self, queues: Option<&BTreeSet<Queue>>) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().filter(move |lane| queues.is_none_or(|queues| queues.contains(&lane.key.queue)))
    }

    /// What some queues have to do, or all. What a namespace may run at once, or start in a time, is for its functions
    /// together.
    pub(super) fn demand(&self, queues: Option<&BTreeSet<Queue>>) -> Demand {
        let mut shared = BTreeMap::<(bool, &Namespace), (Demand, Option<f64>)>::new();
        for lane in self.lanes_of(queues) {
            let of = (lane.key.queue.is_callbacks(), lane.key.function.namespace());
            let (sum, typical) = shared.entry(of).or_default();
            *sum = sum.and(lane.demand);
            *typical = lane.facts.typical_seconds.into_iter().chain(*typical).reduce(f64::max);
        }
        let kept = shared.into_iter().map(|((is_callbacks, of), (sum, typical))| {
            let (limit, rate) = if is_callbacks { (None, None) } else { self.bounds(of) };
            let sum = limit.map_or(sum, |limit| sum.within(limit));
            rate.map_or(sum, |rate| sum.paced(rate, typical))
        });
        kept.fold(Demand::default(), Demand::and)
    }

    /// What is set for a namespace.
    fn bounds(&self, of: &Namespace) -> (Option<NonZeroU32>, Option<Rate>) {
        let spec = self.directory.namespace(of);
        (spec.and_then(|it| it.concurrency), spec.and_then(|it| it.rate).map(|it| it.rate))
    }

    /// Who works for some queues, or for any.
    ///
    /// # Errors
    /// When somebody does, and nobody of them has said yet how much he takes: one worker would be too few.
    pub(super) fn staff(&self, queues: Option<&BTreeSet<Queue>>) -> Result<Staff, Refusal> {
        let known = |queues: &BTreeSet<Queue>| match &self.theirs {
            Some(theirs) => queues.intersection(theirs).cloned().collect(),
            None => queues.clone(),
        };
        let visible = queues.map(known).or_else(|| self.theirs.clone());
        let staff = self.workforce.staff(visible.as_ref());
        if staff.serving > 0 && staff.each.is_none() {
            return Err(Refusal::WorkersSilent { workers: staff.serving });
        }
        Ok(staff)
    }

    /// How old the first call is that waits in some queues, or in any; 0 if none is runnable.
    pub(super) async fn oldest(&self, queues: Option<&BTreeSet<Queue>>) -> Result<f64, Refusal> {
        let asked: Vec<_> = self.lanes_of(queues).take(AGED_MAX).map(|lane| self.age(lane)).collect();
        let ages: Vec<f64> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(ages.into_iter().fold(0.0, f64::max))
    }

    /// How many calls of some queues, or of all, wait for their time; nothing if that is not for whoever asks.
    pub(super) async fn later(&self, queues: Option<&BTreeSet<Queue>>) -> Result<Option<u64>, Refusal> {
        if self.theirs.is_some() {
            return Ok(None);
        }
        let Some(queues) = queues else {
            return self.ports.broker.later().await.map(Some).map_err(|error| refusal(error, 0));
        };
        let asked: Vec<_> = queues.iter().map(|queue| self.count(Whose::Queue(queue.clone()))).collect();
        let counts: Vec<u64> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(Some(counts.into_iter().sum()))
    }

    /// How many calls of a lane wait for their time.
    pub(super) async fn later_of(&self, lane: &LaneKey) -> Result<u64, Refusal> {
        self.count(Whose::Lane(lane.clone())).await
    }

    async fn count(&self, whose: Whose) -> Result<u64, Refusal> {
        self.ports.broker.scheduled_count(&whose).await.map_err(|error| refusal(error, 0))
    }

    /// How old the first call is that waits in a lane, if any of it is runnable.
    pub(super) async fn age(&self, lane: &Lane) -> Result<f64, Refusal> {
        if lane.demand.runnable == 0 {
            return Ok(0.0);
        }
        lane.age.get_or_try_init(|| self.ask_age(lane)).await.copied()
    }

    async fn ask_age(&self, lane: &Lane) -> Result<f64, Refusal> {
        let line = self.ports.broker.line(&lane.key).await.map_err(|error| refusal(error, 0))?;
        let since = match &line.first {
            Some(first) => lines::since(&self.ports.recorder, first).await,
            None => None,
        };
        Ok(since.map_or(0.0, |since| self.ports.clock.now().since(since).as_secs_f64()))
    }
}

/// What runs and what waits in each lane that whoever asks may know of; what is stored counts, whatever workers know.
fn seen(roll: &Roll, depot: &Depot, only: Option<&LaneKey>, by: &Identity) -> Vec<(LaneKey, Activity)> {
    let stored = depot.stored.iter().map(|it| (it.queue.to_string(), it.function.to_string(), it.messages));
    let all = activity::with_stored(activity::of(roll.known()), stored).into_iter();
    let named = all.filter_map(|it| {
        let key = LaneKey::new(Queue::parse(&it.queue).ok()?, Function::parse(&it.function).ok()?);
        let is_wanted = only.is_none_or(|only| *only == key) && by.sees(key.function.namespace());
        let is_idle = it.in_flight == 0 && it.backlog == 0 && it.turned_away == 0;
        (is_wanted && !is_idle).then_some((key, it))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_calls_were_turned_away_than_are_put_off() {
        let key = LaneKey::new(Queue::default(), Function::parse("f").unwrap());
        let seen = Activity { backlog: 1, turned_away: 5, ..Activity::default() };
        let lane = Lane::of(key, &Directory::default(), &seen);
        assert_eq!(lane.demand.runnable, 1, "for workers");
        assert_eq!([0, 2, 9].map(|later| lane.with_turned_away(later).runnable), [1, 3, 6]);
    }
}
