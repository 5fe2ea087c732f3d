//! What something waits for, as people read it: the sentence first (pure).

use serde_json::Value;

use super::shown::{at, text};
use crate::table;

/// The explanation of `what`.
#[must_use]
pub fn why(what: &str, it: &Value) -> String {
    let cause = match &it["cause"] {
        Value::Object(held) => held.values().map(text).collect::<Vec<_>>().join(" "),
        cause => text(cause),
    };
    let mut lines = vec![("cause".to_owned(), cause)];
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            lines.push((name.to_owned(), value));
        }
    };
    line("since", text(&it["since"]));
    line("before it", text(&it["ahead"]));
    let starts = it["starts_in_seconds"].as_f64().map(|seconds| format!("in about {seconds:.1} s"));
    line("may start", starts.unwrap_or_default());
    line("in flight", text(&it["in_flight"]));
    line("waiting", text(&it["backlog"]));
    line("workers", text(&it["serving"]));
    let mut told = format!("{what}: {}\n\n{}", text(&it["summary"]), table::lines(&lines));
    let rows: Vec<_> = it["workers"].as_array().into_iter().flatten().map(worker).collect();
    if !rows.is_empty() {
        told += &format!("\n\n{}", table::table(&["WORKER", "IN FLIGHT", "WAITS FOR", "SECONDS"], &rows));
    }
    told
}

fn worker(it: &Value) -> Vec<String> {
    let seconds = at(it, &["waiting", "seconds"]).as_f64().map(|seconds| format!("{seconds:.1}"));
    vec![text(&it["id"]), text(&it["in_flight"]), text(at(it, &["waiting", "reason"])), seconds.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_sentence_comes_first() {
        let told = why(
            "f.acme",
            &json!({"summary": "it is slow", "cause": {"held": "rate"}, "ahead": 3, "starts_in_seconds": 1.25,
                "in_flight": 1, "backlog": 4, "serving": 1,
                "workers": [{"id": "w", "in_flight": 1, "waiting": {"reason": "rate", "seconds": 1.0}}]}),
        );
        assert!(told.starts_with("f.acme: it is slow\n\ncause      rate\n"), "{told}");
        assert!(told.contains("may start  in about 1.2 s") && told.contains("WORKER"), "{told}");
        assert!(!told.contains("since"), "{told}");
    }
}
