//! `/admin/v1/activity`: what goes on in the whole fabric, put together for those who watch it.

use std::collections::BTreeMap;

use actors::limit::throughput::PerSecond;
use actors::view::Rest;
use http::StatusCode;
use proto::{Function, LaneKey, Queue, Refusal};
use serde::Serialize;

use super::lookout::{Lookout, Roll};
use super::query::Query;
use crate::activity::{self, Activity};
use crate::gateway::Ports;
use crate::gateway::answer::{self, Answer};
use crate::identity::Identity;

#[derive(Serialize)]
struct Whole {
    /// How many processes are alive, as far as is known here.
    alive: usize,
    /// How many of them answered.
    answered: usize,
    /// Calls that run at once at the most, in those that answered, and how many do.
    permits: u32,
    in_flight: usize,
    /// Calls that wait; retries and delayed calls aside.
    backlog: u64,
    /// Calls that gateways accepted in a second, lately. Absent as the dead letters are.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_per_second: Option<f64>,
    per_second: PerSecond,
    /// Absent for whoever is limited to namespaces: it is everybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letters: Option<u64>,
    queues: Vec<Sum>,
    /// Those that have something to do, the busiest first.
    functions: Vec<Activity>,
    /// How many more there are.
    more: usize,
}

/// What the functions of a queue do together.
#[derive(Default, Serialize)]
struct Sum {
    name: String,
    in_flight: usize,
    backlog: u64,
    per_second: PerSecond,
    /// Functions that have something to do.
    functions: usize,
}

/// All of it that whoever asks may know of, or what concerns one function.
pub(super) async fn show(lookout: &Lookout, ports: &Ports, query: &str, by: &Identity) -> Result<Answer, Refusal> {
    let query = Query::read(query, &["function", "limit"])?;
    let (limit, function) = (query.page()?.limit, query.get("function").map(Function::parse).transpose()?);
    let directory = ports.directory.borrow().clone();
    let lane = function.map(|function| {
        let own = directory.get(&function).filter(|_| by.sees(function.namespace()));
        let queue = own.map(|spec| spec.queue.clone()).unwrap_or_default();
        LaneKey::new(queue, function)
    });
    let (roll, depot) = lookout.look(ports, lane.as_ref()).await?;
    let Roll { alive, processes, .. } = &*roll;
    let is_wanted = |queue: &Queue, function: &Function| {
        by.sees(function.namespace())
            && lane.as_ref().is_none_or(|lane| lane.queue == *queue && lane.function == *function)
    };
    let stored = depot.stored.iter().filter(|it| is_wanted(&it.queue, &it.function));
    let stored = stored.map(|it| (it.queue.to_string(), it.function.to_string(), it.messages));
    let mut seen = activity::of(processes);
    seen.retain(|it| Function::parse(&it.function).is_ok_and(|it| by.sees(it.namespace())));
    let mut functions = activity::with_stored(seen, stored);
    // What is everybody's is not told to whoever is limited to namespaces.
    let sees_all = by.namespaces().namespaces().is_none();
    let rest = if sees_all { activity::rest(processes) } else { BTreeMap::new() };
    let theirs = directory.queues_of(by.namespaces());
    let is_theirs =
        |queue: &Queue| sees_all || theirs.contains(queue) || [Queue::default(), Queue::callbacks()].contains(queue);
    let queues = depot.queues.iter().filter(|queue| is_theirs(queue));
    let queues = queues.filter(|queue| lane.as_ref().is_none_or(|lane| lane.queue == **queue));
    let queues = sums(&functions, &rest, queues.map(ToString::to_string));
    let (in_flight, backlog) = (queues.iter().map(|it| it.in_flight).sum(), queues.iter().map(|it| it.backlog).sum());
    let per_second = queues.iter().fold(PerSecond::default(), |sum, it| sum.and(it.per_second));
    let more = functions.len().saturating_sub(limit);
    functions.truncate(limit);
    let (answered, permits) = (processes.len(), processes.iter().map(|it| it.fabric.permits).sum());
    let whole = Whole {
        alive: *alive,
        answered,
        permits,
        in_flight,
        backlog,
        accepted_per_second: sees_all.then(|| processes.iter().map(|it| it.accepted_per_second).sum()),
        per_second,
        dead_letters: sees_all.then_some(depot.dead_letters),
        queues,
        functions,
        more,
    };
    Ok(answer::json(StatusCode::OK, &whole))
}

fn sums(all: &[Activity], rest: &BTreeMap<&str, Rest>, queues: impl Iterator<Item = String>) -> Vec<Sum> {
    let mut sums: BTreeMap<String, Sum> = queues.map(|name| (name, Sum::default())).collect();
    for it in all {
        let sum = sums.entry(it.queue.clone()).or_default();
        sum.in_flight += it.in_flight;
        sum.backlog += it.backlog;
        sum.per_second = sum.per_second.and(it.per_second);
        sum.functions += 1;
    }
    // Of these only how much they do together is told; what of them is stored is counted above.
    for (queue, rest) in rest {
        let sum = sums.entry((*queue).to_owned()).or_default();
        sum.in_flight += rest.in_flight;
        sum.per_second = sum.per_second.and(rest.per_second);
    }
    sums.into_iter().map(|(name, sum)| Sum { name, ..sum }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity(function: &str, in_flight: usize, backlog: u64) -> Activity {
        Activity { queue: "default".into(), function: function.into(), in_flight, backlog, ..Activity::default() }
    }

    #[test]
    fn what_is_stored_counts_whatever_workers_know() {
        let seen = vec![activity("busy", 3, 100), activity("idle", 0, 9)];
        let stored = [("busy", 10), ("unserved", 20)];
        let stored = stored.into_iter().map(|(name, messages)| ("default".to_owned(), name.to_owned(), messages));
        let all = activity::with_stored(seen, stored);
        let told: Vec<_> = all.iter().map(|it| (&*it.function, it.in_flight, it.backlog)).collect();
        assert_eq!(told, [("busy", 3, 7), ("unserved", 0, 20), ("idle", 0, 0)]);
        let rest =
            Rest { subscribers: 9, in_flight: 2, per_second: PerSecond { answered: 50.0, ..PerSecond::default() } };
        let sums = sums(&all, &[("slow", rest)].into(), ["default".to_owned(), "slow".to_owned()].into_iter());
        let told: Vec<_> = sums.iter().map(|it| (&*it.name, it.in_flight, it.backlog, it.functions)).collect();
        assert_eq!(told, [("default", 3, 27, 3), ("slow", 2, 0, 0)]);
        assert_eq!(sums[1].per_second.answered, 50.0, "what is not told one by one counts");
    }
}
