//! What functions do, as people read it (pure).

use actors::view::Process;

use crate::activity::Activity;
use crate::table;

/// A line for each.
#[must_use]
pub fn table(all: &[Activity]) -> String {
    let row = |it: &Activity| {
        let ended = it.per_second.answered + it.per_second.failed;
        vec![
            it.function.clone(),
            it.queue.clone(),
            it.in_flight.to_string(),
            it.backlog.to_string(),
            format!("{ended:.1}"),
            it.typical_seconds.map(|seconds| format!("{:.1}", seconds * 1000.0)).unwrap_or_default(),
            it.waiting.clone().unwrap_or_default(),
        ]
    };
    let head = ["FUNCTION", "QUEUE", "IN FLIGHT", "WAITING", "END/S", "TYPICAL MS", "WAITS FOR"];
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
    use super::*;
    use crate::activity::{of, tests::process};

    #[test]
    fn each_function_has_a_line_and_all_together_have_one() {
        let processes = [process("a", 2, Some(0.5)), process("b", 4, Some(2.0)), process("c", 1, None)];
        let told = table(&of(&processes));
        let line = told.lines().nth(1).unwrap();
        let words: Vec<&str> = line.split_whitespace().take(6).collect();
        assert_eq!(words, ["f.acme", "default", "7", "7", "8.5", "2000.0"]);
        assert!(line.ends_with("calls of the function, or of its namespace, may start no faster"), "{told}");
        assert_eq!(summary(&processes, Some(3)), "3 processes, 9 of 12 permits are used, 3 dead letters");
    }
}
