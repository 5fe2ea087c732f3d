//! What functions do, in all processes together (pure).

use std::collections::BTreeMap;

use actors::limit::throughput::PerSecond;
use actors::view::{Process, Rest, Subscriber};
use serde::Serialize;

/// What a function does.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Activity {
    /// Its queue.
    pub queue: String,
    /// The function.
    pub function: String,
    /// Calls that run.
    pub in_flight: usize,
    /// Calls that wait, as far as a worker knows.
    pub backlog: u64,
    /// Calls that were turned away and wait to be tried again, as far as workers know.
    pub turned_away: u64,
    /// How long a call usually takes, in seconds.
    pub typical_seconds: Option<f64>,
    /// What became of attempts lately, in a second.
    pub per_second: PerSecond,
    /// How often its subscribers failed lately.
    pub failures: u32,
    /// What the next call waits for.
    pub waiting: Option<String>,
}

/// Every function that somebody has to do with, the busiest first.
#[must_use]
pub fn of<'a>(processes: impl IntoIterator<Item = &'a Process>) -> Vec<Activity> {
    let mut all = BTreeMap::<(&str, &str), Activity>::new();
    for queue in processes.into_iter().flat_map(|process| &process.fabric.queues) {
        let failures = queue.children.iter().filter(|child| child.failures > 0);
        let failures: BTreeMap<_, _> = failures.map(|child| (child.name.as_str(), child.failures)).collect();
        for it in &queue.subscribers {
            let one = all.entry((&queue.name, &it.function)).or_default();
            one.failures += failures.get(it.function.as_str()).copied().unwrap_or_default();
            one.add(it);
        }
    }
    let named = |((queue, function), one): ((&str, &str), Activity)| Activity {
        queue: queue.to_owned(),
        function: function.to_owned(),
        ..one
    };
    let mut all: Vec<Activity> = all.into_iter().map(named).collect();
    all.sort_by_key(|it| std::cmp::Reverse((it.in_flight, it.backlog)));
    all
}

/// What is stored counts, whatever workers know of it; what runs is stored as well.
#[must_use]
pub fn with_stored(all: Vec<Activity>, stored: impl Iterator<Item = (String, String, u64)>) -> Vec<Activity> {
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

/// What the functions do of which processes do not tell one by one, by queue.
#[must_use]
pub fn rest(processes: &[Process]) -> BTreeMap<&str, Rest> {
    let mut all = BTreeMap::<&str, Rest>::new();
    for queue in processes.iter().flat_map(|process| &process.fabric.queues).filter(|it| it.rest.subscribers > 0) {
        let rest = all.entry(&queue.name).or_default();
        *rest = rest.and(queue.rest);
    }
    all
}

impl Activity {
    fn add(&mut self, it: &Subscriber) {
        self.in_flight += it.in_flight;
        self.backlog = self.backlog.max(it.inflow.backlog);
        self.turned_away += it.inflow.turned_away;
        self.per_second = self.per_second.and(it.inflow.per_second);
        if let Some(typical) = it.inflow.typical_seconds.filter(|typical| *typical > 0.0) {
            self.typical_seconds = Some(self.typical_seconds.map_or(typical, |known| known.max(typical)));
        }
        if let Some(waiting) = it.inflow.waiting {
            self.waiting = Some(waiting.reason.to_string());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn process(id: &str, in_flight: usize, typical: Option<f64>) -> Process {
        let busy = json!({"function": "f.acme", "phase": "running", "in_flight": in_flight, "permits": 0, "backlog": 7,
            "concurrency": null, "adaptive": null, "typical_seconds": typical, "waiting": {"reason": "rate"},
            "per_second": {"answered": in_flight, "failed": 0.5, "turned_away": 0.0}});
        let child = json!({"name": "f.acme", "state": "up", "failures": 1});
        serde_json::from_value(json!({"id": id, "phase": "running", "children": [], "members": {}, "permits": 4,
            "permits_free": 1, "queues": [{"name": "default", "permits": 2, "permits_waiting": 0,
            "children": [child], "subscribers": [busy]}]}))
        .unwrap()
    }

    #[test]
    fn processes_are_put_together() {
        let processes = [process("a", 2, Some(0.5)), process("b", 4, Some(2.0)), process("c", 1, None)];
        let all = of(&processes);
        assert_eq!((all.len(), all[0].in_flight, all[0].backlog, all[0].failures), (1, 7, 7, 3));
        assert_eq!(all[0].per_second, PerSecond { answered: 7.0, failed: 1.5, turned_away: 0.0 });
        assert_eq!(all[0].typical_seconds, Some(2.0));
    }
}
