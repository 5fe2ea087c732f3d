//! What functions do, in all processes together (pure).

use std::collections::BTreeMap;

use actors::view::{Process, Subscriber};
use serde::Serialize;

use crate::table;

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
    /// How long a call usually takes, in seconds.
    pub typical_seconds: Option<f64>,
    /// About how many calls end in a second: those that run, by how long they usually take.
    pub rate: Option<f64>,
    /// How often its subscribers failed lately.
    pub failures: u32,
    /// What the next call waits for.
    pub waiting: Option<String>,
}

/// Every function that somebody has to do with, the busiest first.
#[must_use]
pub fn of(processes: &[Process]) -> Vec<Activity> {
    let mut all = BTreeMap::<(&str, &str), Activity>::new();
    for queue in processes.iter().flat_map(|process| &process.fabric.queues) {
        for it in &queue.subscribers {
            let one = all.entry((&queue.name, &it.function)).or_default();
            let failures = queue.children.iter().filter(|child| child.name.ends_with(&it.function));
            one.failures += failures.map(|child| child.failures).sum::<u32>();
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

impl Activity {
    fn add(&mut self, it: &Subscriber) {
        self.in_flight += it.in_flight;
        self.backlog = self.backlog.max(it.inflow.backlog);
        if let Some(typical) = it.inflow.typical_seconds.filter(|typical| *typical > 0.0) {
            self.typical_seconds = Some(self.typical_seconds.map_or(typical, |known| known.max(typical)));
            self.rate = Some(self.rate.unwrap_or_default() + it.in_flight as f64 / typical);
        }
        if let Some(waiting) = it.inflow.waiting {
            self.waiting = Some(waiting.reason.to_string());
        }
    }
}

/// A line for each.
#[must_use]
pub fn table(all: &[Activity]) -> String {
    let number = |value: Option<f64>, unit: f64| value.map(|value| format!("{:.1}", value * unit)).unwrap_or_default();
    let row = |it: &Activity| {
        vec![
            it.function.clone(),
            it.queue.clone(),
            it.in_flight.to_string(),
            it.backlog.to_string(),
            number(it.rate, 1.0),
            number(it.typical_seconds, 1000.0),
            it.waiting.clone().unwrap_or_default(),
        ]
    };
    let head = ["FUNCTION", "QUEUE", "IN FLIGHT", "WAITING", "ABOUT/S", "TYPICAL MS", "WAITS FOR"];
    table::table(&head, &all.iter().map(row).collect::<Vec<_>>())
}

/// What all processes have together, in a line.
#[must_use]
pub fn summary(processes: &[Process], dead: Option<u64>) -> String {
    let permits: u32 = processes.iter().map(|it| it.fabric.permits).sum();
    let free: u32 = processes.iter().map(|it| it.fabric.permits_free).sum();
    let dead = dead.map(|dead| format!(", {dead} dead letters")).unwrap_or_default();
    let count = processes.len();
    let noun = if count == 1 { "process" } else { "processes" };
    format!("{count} {noun}, {} of {permits} permits are used{dead}", permits.saturating_sub(free))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn process(id: &str, in_flight: usize, typical: Option<f64>) -> Process {
        let busy = json!({"function": "f.acme", "phase": "running", "in_flight": in_flight, "permits": 0, "backlog": 7,
            "concurrency": null, "adaptive": null, "typical_seconds": typical, "waiting": {"reason": "rate"}});
        serde_json::from_value(json!({"id": id, "phase": "running", "children": [], "members": {}, "permits": 4,
            "permits_free": 1, "queues": [{"name": "default", "permits": 2, "permits_waiting": 0, "children": [],
            "subscribers": [busy]}]}))
        .unwrap()
    }

    #[test]
    fn processes_are_put_together() {
        let processes = [process("a", 2, Some(0.5)), process("b", 4, Some(2.0)), process("c", 1, None)];
        let all = of(&processes);
        assert_eq!((all.len(), all[0].in_flight, all[0].backlog), (1, 7, 7));
        assert_eq!((all[0].rate, all[0].typical_seconds), (Some(6.0), Some(2.0)));
        assert!(table(&all).contains("calls of the function, or of its namespace, may start no faster"));
        assert_eq!(summary(&processes, Some(3)), "3 processes, 9 of 12 permits are used, 3 dead letters");
    }
}
