//! Answers of the admin API as people read them (pure).

use proto::annotation;
use serde_json::{Map, Value};

use crate::table;

/// What is registered.
#[must_use]
pub fn functions(items: &[Value]) -> String {
    let row = |it: &Value| {
        let set = |name: &str| text(at(it, &["annotations", name]));
        let state = match (it["deleting"].as_str(), set(annotation::PAUSED).as_str()) {
            (Some(how), _) => format!("deleting ({how})"),
            (None, "true") => "paused".into(),
            _ => String::new(),
        };
        let queue = Some(set(annotation::QUEUE)).filter(|it| !it.is_empty()).unwrap_or_else(|| "default".into());
        vec![
            text(&it["name"]),
            queue,
            set(annotation::CONCURRENCY),
            set(annotation::RATE),
            state,
            set(annotation::UPSTREAM),
        ]
    };
    let rows: Vec<_> = items.iter().map(row).collect();
    table::table(&["NAME", "QUEUE", "CONCURRENCY", "RATE", "STATE", "UPSTREAM"], &rows)
}

/// Queues, with the calls that wait in them or run.
#[must_use]
pub fn queues(items: &[Value]) -> String {
    let row = |it: &Value| {
        let paused = at(it, &["annotations", annotation::PAUSED]) == "true";
        let set = it["annotations"].as_object().into_iter().flatten().filter(|(name, _)| *name != annotation::PAUSED);
        let set = set.map(|(name, value)| format!("{name}={}", text(value))).collect::<Vec<_>>();
        let state = if paused { "paused" } else { "" };
        vec![text(&it["name"]), text(&it["calls"]), state.to_owned(), set.join(" ")]
    };
    table::table(&["NAME", "CALLS", "STATE", "SET"], &items.iter().map(row).collect::<Vec<_>>())
}

/// Calls.
#[must_use]
pub fn calls(items: &[Value]) -> String {
    let row = |it: &Value| {
        let due = moment(&it["due"]);
        vec![text(&it["id"]), text(&it["state"]), moment(&it["since"]), text(&it["attempts"]), due, text(&it["detail"])]
    };
    let rows: Vec<_> = items.iter().map(row).collect();
    table::table(&["ID", "STATE", "SINCE", "ATTEMPTS", "DUE", "DETAIL"], &rows)
}

/// Dead letters.
#[must_use]
pub fn letters(items: &[Value]) -> String {
    let row = |it: &Value| {
        ["number", "function", "call", "reason", "at", "detail"]
            .map(|field| if field == "at" { moment(&it[field]) } else { text(&it[field]) })
            .to_vec()
    };
    let rows: Vec<_> = items.iter().map(row).collect();
    table::table(&["NUMBER", "FUNCTION", "CALL", "REASON", "AT", "DETAIL"], &rows)
}

/// API keys.
#[must_use]
pub fn keys(items: &[Value]) -> String {
    let row = |it: &Value| {
        let state = match (&it["revoked_at"], &it["expires_at"]) {
            (Value::Null, Value::Null) => String::new(),
            (Value::Null, at) => format!("until {}", moment(at)),
            (at, _) => format!("revoked {}", moment(at)),
        };
        vec![text(&it["id"]), text(&it["name"]), list(&it["scopes"]), list(&it["namespaces"]), state]
    };
    table::table(&["ID", "NAME", "SCOPES", "NAMESPACES", "STATE"], &items.iter().map(row).collect::<Vec<_>>())
}

/// The processes that are alive.
#[must_use]
pub fn workers(items: &[Value]) -> String {
    let row = |it: &Value| {
        let queues = |which: &Value| match which {
            Value::Object(some) => list(&some["queues"]),
            all => text(all),
        };
        let serves = match &it["finishes"] {
            Value::Null => queues(&it["serves"]),
            finishes => format!("draining: {}", queues(finishes)),
        };
        let gateway = if it["gateway"] == true { "yes" } else { "" };
        vec![text(&it["id"]), gateway.to_owned(), serves]
    };
    table::table(&["ID", "GATEWAY", "SERVES"], &items.iter().map(row).collect::<Vec<_>>())
}

/// One thing, field by field; what is empty is left out.
#[must_use]
pub fn one(it: &Value) -> String {
    // JSON has an order of its own: what something is called comes first.
    let (names, rest): (Vec<_>, Vec<_>) =
        it.as_object().into_iter().flatten().partition(|(name, _)| matches!(name.as_str(), "name" | "id" | "number"));
    let fields = names.into_iter().chain(rest);
    let said = fields.map(|(name, value)| (name.clone(), whole(name, value))).filter(|(_, text)| !text.is_empty());
    table::lines(&said.collect::<Vec<_>>())
}

/// How long work went: what was done, what was left and why.
#[must_use]
pub fn tally(done: &str, it: &Value) -> String {
    let left = it["left"].as_u64().unwrap_or_default();
    let mut lines = vec![format!("{} {done}", text(&it["done"]))];
    if left > 0 {
        lines.push(format!("{left} left"));
    }
    let why = it["why_left"].as_array().into_iter().flatten();
    lines.extend(why.map(|it| {
        let which = ["number", "call"].iter().map(|name| text(&it[*name])).find(|it| !it.is_empty());
        format!("  {}: {}", which.unwrap_or_default(), text(&it["why"]))
    }));
    if it["more"] == true {
        lines.push("there may be more".into());
    }
    lines.join("\n")
}

/// What lies under these names, one in the other; null if nothing does.
#[must_use]
pub fn at<'a>(it: &'a Value, names: &[&str]) -> &'a Value {
    names.iter().try_fold(it, |it, name| it.get(*name)).unwrap_or(&Value::Null)
}

/// A value as it is read, without quotes.
#[must_use]
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A moment to the millisecond.
fn moment(value: &Value) -> String {
    let text = text(value);
    match text.split_once('.') {
        Some((seconds, fraction)) => {
            let digits: String = fraction.chars().take_while(char::is_ascii_digit).take(3).collect();
            format!("{seconds}.{digits}Z")
        }
        None => text,
    }
}

fn list(value: &Value) -> String {
    value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(" ")
}

/// Maps and lists have a line for each of what they hold.
fn whole(name: &str, value: &Value) -> String {
    let is_moment = matches!(name, "at" | "since" | "due" | "accepted_at" | "expires_at");
    match value {
        Value::Object(fields) => {
            table::lines(&fields.iter().map(|(name, value)| (name.clone(), inline(value))).collect::<Vec<_>>())
        }
        Value::Array(items) => items.iter().map(inline).collect::<Vec<_>>().join("\n"),
        Value::Bool(false) => String::new(),
        value if is_moment => moment(value),
        value => text(value),
    }
}

fn inline(value: &Value) -> String {
    let said = |fields: &Map<String, Value>| {
        let one = |(name, value): (&String, &Value)| match name.as_str() {
            "at" => moment(value),
            "seconds" => format!("{} s", text(value)),
            _ => inline(value),
        };
        // Moments first: JSON has its own order.
        let (at, rest): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| *name == "at");
        at.into_iter().chain(rest).map(one).collect::<Vec<_>>().join("  ")
    };
    match value {
        Value::Object(fields) => said(fields),
        Value::Array(items) => items.iter().map(inline).collect::<Vec<_>>().join(" "),
        value => text(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_worker_that_drains_is_told_from_those_that_serve() {
        let items = [
            json!({"id": "a", "gateway": true, "serves": {"queues": ["x", "y"]}}),
            json!({"id": "b", "gateway": false, "serves": "nothing", "finishes": "everything"}),
            json!({"id": "c", "gateway": false, "serves": "nothing", "finishes": {"queues": ["x"]}}),
        ];
        let shown = workers(&items);
        let rows: Vec<String> =
            shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(rows[1..], ["a yes x y", "b draining: everything", "c draining: x"], "{shown}");
    }

    #[test]
    fn functions_say_what_is_set_for_them() {
        let items = [
            json!({"name": "f.acme", "annotations": {"fabric.upstream": "http://a", "fabric.rate": "5/s"}}),
            json!({"name": "g.acme", "deleting": "drain", "annotations": {"fabric.upstream": "http://b"}}),
        ];
        let lines: Vec<String> = functions(&items).lines().map(ToOwned::to_owned).collect();
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["f.acme", "default", "5/s", "http://a"]);
        assert!(lines[2].contains("deleting (drain)"), "{}", lines[2]);
    }

    #[test]
    fn a_thing_is_told_without_what_is_empty() {
        let call = json!({"id": "c", "since": "2026-11-21T10:23:49.408528923Z", "due": null, "labels": {},
            "history": [{"seconds": 0.5, "at": "2026-11-21T10:23:49Z", "what": "succeeded"}]});
        let told = one(&call);
        assert!(told.contains("since    2026-11-21T10:23:49.408Z"), "{told}");
        assert!(told.contains("history  2026-11-21T10:23:49Z  0.5 s  succeeded"), "{told}");
        assert!(!told.contains("due") && !told.contains("labels"), "{told}");
    }

    #[test]
    fn what_was_left_is_told_with_its_reason() {
        let tally = tally("redriven", &json!({"done": 3, "left": 1, "why_left": [{"number": 9, "why": "no call"}]}));
        assert_eq!(tally, "3 redriven\n1 left\n  9: no call");
    }
}
