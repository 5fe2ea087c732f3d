//! `/admin/v1/activity`: what goes on in the whole fabric, put together for those who watch it.

use std::collections::BTreeMap;
use std::time::Duration;

use actors::limit::throughput::PerSecond;
use actors::port::survey::Question;
use futures_util::future::try_join_all;
use http::StatusCode;
use proto::{Function, LaneKey, Queue, Refusal};
use serde::Serialize;

use super::query::Query;
use crate::activity::{self, Activity};
use crate::gateway::Ports;
use crate::gateway::answer::{self, Answer};
use crate::gateway::enqueue::refusal;
use crate::identity::Identity;

/// How long the processes have to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

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
pub(super) async fn show(ports: &Ports, query: &str, by: &Identity) -> Result<Answer, Refusal> {
    let query = Query::read(query, &["function", "limit"])?;
    let (limit, function) = (query.page()?.limit, query.get("function").map(Function::parse).transpose()?);
    let refused = |error| refusal(error, 0);
    let directory = ports.directory.borrow().clone();
    let lane = function.map(|function| {
        let queue = directory.get(&function).map(|spec| spec.queue.clone()).unwrap_or_default();
        LaneKey::new(queue, function)
    });
    let mut queues = directory.queues_of(by.namespaces());
    queues.extend([Queue::default(), Queue::callbacks()]);
    queues.retain(|queue| lane.as_ref().is_none_or(|lane| lane.queue == *queue));
    let alive = ports.membership.borrow().iter().count();
    let question = Question { lane: lane.clone() };
    let (processes, backlogs, dead_letters) = tokio::try_join!(
        ports.survey.ask(&question, alive, ANSWER_WITHIN),
        try_join_all(queues.iter().map(|queue| ports.broker.backlog(queue))),
        ports.broker.dead_count(),
    )
    .map_err(refused)?;
    let stored = queues.iter().zip(backlogs).flat_map(|(queue, backlog)| {
        let wanted = |of: &Function| by.sees(of.namespace()) && lane.as_ref().is_none_or(|it| it.function == *of);
        let backlog = backlog.into_iter().filter(move |it| wanted(&it.function));
        backlog.map(|it| (queue.to_string(), it.function.to_string(), it.messages))
    });
    let mut seen = activity::of(&processes);
    seen.retain(|it| Function::parse(&it.function).is_ok_and(|it| by.sees(it.namespace())));
    let mut functions = with_stored(seen, stored);
    let (in_flight, backlog) =
        (functions.iter().map(|it| it.in_flight).sum(), functions.iter().map(|it| it.backlog).sum());
    let per_second = functions.iter().fold(PerSecond::default(), |sum, it| sum.and(it.per_second));
    let queues = sums(&functions, queues.iter().map(ToString::to_string));
    let more = functions.len().saturating_sub(limit);
    functions.truncate(limit);
    let (answered, permits) = (processes.len(), processes.iter().map(|it| it.fabric.permits).sum());
    let dead_letters = Some(dead_letters).filter(|_| by.namespaces().namespaces().is_none());
    let whole =
        Whole { alive, answered, permits, in_flight, backlog, per_second, dead_letters, queues, functions, more };
    Ok(answer::json(StatusCode::OK, &whole))
}

/// What is stored counts, whatever workers know of it; what runs is stored as well.
fn with_stored(all: Vec<Activity>, stored: impl Iterator<Item = (String, String, u64)>) -> Vec<Activity> {
    let stored = stored.map(|(queue, function, messages)| ((queue, function), messages));
    let mut stored: BTreeMap<(String, String), u64> = stored.collect();
    let mut all: Vec<Activity> = all
        .into_iter()
        .map(|it| {
            let messages = stored.remove(&(it.queue.clone(), it.function.clone())).unwrap_or_default();
            Activity { backlog: messages.saturating_sub(it.in_flight as u64), ..it }
        })
        .collect();
    let alone = |((queue, function), backlog)| Activity { queue, function, backlog, ..Activity::default() };
    all.extend(stored.into_iter().map(alone));
    all.sort_by_key(|it| std::cmp::Reverse((it.in_flight, it.backlog)));
    all
}

fn sums(all: &[Activity], queues: impl Iterator<Item = String>) -> Vec<Sum> {
    let mut sums: BTreeMap<String, Sum> = queues.map(|name| (name, Sum::default())).collect();
    for it in all {
        let sum = sums.entry(it.queue.clone()).or_default();
        sum.in_flight += it.in_flight;
        sum.backlog += it.backlog;
        sum.per_second = sum.per_second.and(it.per_second);
        sum.functions += 1;
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
        let all = with_stored(seen, stored);
        let told: Vec<_> = all.iter().map(|it| (&*it.function, it.in_flight, it.backlog)).collect();
        assert_eq!(told, [("busy", 3, 7), ("unserved", 0, 20), ("idle", 0, 0)]);
        let sums = sums(&all, ["default".to_owned(), "slow".to_owned()].into_iter());
        let told: Vec<_> = sums.iter().map(|it| (&*it.name, it.in_flight, it.backlog, it.functions)).collect();
        assert_eq!(told, [("default", 3, 27, 3), ("slow", 0, 0, 0)]);
    }
}
