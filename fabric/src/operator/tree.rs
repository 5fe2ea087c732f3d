//! The supervision tree as people read trees (pure).

use actors::view::{Child, Fabric, Inflow, Process, Queue, Subscriber};

/// A line, and those below it.
struct Node {
    text: String,
    below: Vec<Node>,
}

/// The trees of several processes, one after the other.
#[must_use]
pub fn forest(processes: &[Process]) -> String {
    processes.iter().map(|it| tree(&it.id, &it.fabric)).collect::<Vec<_>>().join("\n\n")
}

/// The tree of one.
#[must_use]
pub fn tree(name: &str, fabric: &Fabric) -> String {
    let used = fabric.permits.saturating_sub(fabric.permits_free);
    let named = |name: &str| fabric.children.iter().find(|child| child.name == format!("queue {name}"));
    let queues = || fabric.queues.iter().map(|it| (it, named(&it.name)));
    // A queue that answers is drawn once, with what its supervisor says.
    let others =
        fabric.children.iter().filter(|it| !queues().any(|(_, child)| child.is_some_and(|one| one.name == it.name)));
    let mut below: Vec<Node> = others.map(|it| Node { text: child(it), below: Vec::new() }).collect();
    below.extend(queues().map(|(it, seen)| queue(it, seen)));
    let head = format!("{name}  {}, {used} of {} permits are used", fabric.phase, fabric.permits);
    let mut lines = vec![head];
    draw(&below, "", &mut lines);
    lines.join("\n")
}

fn draw(nodes: &[Node], indent: &str, lines: &mut Vec<String>) {
    for (n, node) in nodes.iter().enumerate() {
        let is_last = n + 1 == nodes.len();
        let (branch, deeper) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        lines.push(format!("{indent}{branch}{}", node.text));
        draw(&node.below, &format!("{indent}{deeper}"), lines);
    }
}

fn child(it: &Child) -> String {
    let cause = it.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
    let failures = if it.failures > 0 { format!(", {} failures lately", it.failures) } else { String::new() };
    format!("{}  {}{failures}{cause}", it.name, it.state)
}

fn queue(it: &Queue, seen: Option<&Child>) -> Node {
    let waiting = if it.permits_waiting > 0 {
        format!(", {} functions wait for some", it.permits_waiting)
    } else {
        String::new()
    };
    let name = seen.map_or_else(|| format!("queue {}", it.name), child);
    let text = format!("{name}, {} in flight, {} permits{waiting}", it.in_flight(), it.permits);
    let mut below: Vec<Node> =
        it.subscribers.iter().map(|one| Node { text: subscriber(one, it), below: Vec::new() }).collect();
    // Those that do not answer are seen by their supervisor only.
    let silent = it.children.iter().filter(|child| !it.subscribers.iter().any(|one| is_of(child, one)));
    below.extend(silent.map(|it| Node { text: child(it), below: Vec::new() }));
    Node { text, below }
}

fn is_of(child: &Child, subscriber: &Subscriber) -> bool {
    child.name == subscriber.function
}

fn subscriber(it: &Subscriber, queue: &Queue) -> String {
    let seen = queue.children.iter().find(|child| is_of(child, it));
    let failures = seen.filter(|child| child.failures > 0);
    let failures = failures.map(|child| format!(", {} failures lately", child.failures)).unwrap_or_default();
    let state = seen.map_or("up", |child| &child.state);
    format!("{}  {state}, {} in flight{}{failures}", it.function, it.in_flight, waits(&it.inflow))
}

/// What waits, and why.
fn waits(it: &Inflow) -> String {
    let limit = it.concurrency.map(|limit| format!(" of {limit} in all workers")).unwrap_or_default();
    let backlog = if it.backlog > 0 { format!(", {} wait", it.backlog) } else { String::new() };
    let why = it.waiting.map(|waiting| {
        let seconds = waiting.seconds.map(|seconds| format!(" ({seconds:.1} s more)")).unwrap_or_default();
        format!(": {}{seconds}", waiting.reason)
    });
    format!("{limit}{backlog}{}", why.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tree_is_drawn_with_what_waits_and_why() {
        let up = |name: &str| json!({"name": name, "state": "up", "failures": 0});
        let busy = json!({"function": "f.acme", "phase": "running", "in_flight": 2, "permits": 0, "backlog": 7,
            "concurrency": 2, "adaptive": null, "waiting": {"reason": "cluster_limit", "seconds": 1.5}});
        let parked = json!({"name": "g.acme", "state": "parked", "failures": 5, "cause": "it panicked"});
        let fabric: Fabric =
            serde_json::from_value(json!({"phase": "running", "children": [up("admin"), up("queue default")],
            "members": {}, "permits": 4, "permits_free": 2, "queues": [{"name": "default", "permits": 2,
            "permits_waiting": 0, "children": [up("f.acme"), parked], "subscribers": [busy]}]}))
            .unwrap();
        let expected = "w1  running, 2 of 4 permits are used\n\
            ├─ admin  up\n\
            └─ queue default  up, 2 in flight, 2 permits\n   \
               ├─ f.acme  up, 2 in flight of 2 in all workers, 7 wait: \
            as many of its calls run as the function's concurrency allows (1.5 s more)\n   \
               └─ g.acme  parked, 5 failures lately: it panicked";
        assert_eq!(tree("w1", &fabric), expected);
    }
}
