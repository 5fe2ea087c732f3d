//! The stages of a call, from what is on record of it (pure).

use std::collections::VecDeque;

use proto::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::shown::text;

/// A call that has ended, with how long each stage took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stages {
    /// Its id.
    pub id: String,
    /// Its function.
    pub function: String,
    /// How it ended.
    pub state: String,
    /// How often its function ran.
    pub attempts: u64,
    /// Until it first ran.
    pub waited_ms: f64,
    /// While it ran, all attempts together.
    pub ran_ms: f64,
    /// Between its attempts.
    pub between_ms: f64,
    /// From its acceptance to its end.
    pub all_ms: f64,
}

/// How many ends are remembered: an end that is told twice is told twice at once.
const REMEMBERED: usize = 4096;

/// The ends that were told lately.
#[derive(Debug, Default)]
pub struct Told(VecDeque<(String, u64)>);

impl Told {
    /// Whether this end of a call has not been told before.
    pub fn is_new(&mut self, it: &Value) -> bool {
        let end = (text(&it["id"]), it["redriven"].as_u64().unwrap_or_default());
        if self.0.contains(&end) {
            return false;
        }
        self.0.push_back(end);
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
        true
    }
}

/// Reads a record as the admin API tells it. Nothing if the call has not ended.
#[must_use]
pub fn stages(it: &Value) -> Option<Stages> {
    if matches!(it["state"].as_str()?, "ready" | "running" | "waiting") {
        return None;
    }
    let at = |value: &Value| value.as_str().and_then(Timestamp::parse_rfc3339);
    let (accepted, ended) = (at(&it["accepted_at"])?, at(&it["since"])?);
    let turns = || it["history"].as_array().into_iter().flatten();
    let all_ms = millis(ended, accepted);
    // A turn says when it ended, and how long it ran.
    let first = turns().find_map(|turn| Some((at(&turn["at"])?, turn["seconds"].as_f64()?)));
    let waited_ms = first.map_or(all_ms, |(at, seconds)| (millis(at, accepted) - seconds * 1000.0).max(0.0));
    let ran_ms = turns().filter_map(|turn| turn["seconds"].as_f64()).sum::<f64>() * 1000.0;
    Some(Stages {
        id: text(&it["id"]),
        function: text(&it["function"]),
        state: text(&it["state"]),
        attempts: it["attempts"].as_u64().unwrap_or_default(),
        waited_ms,
        ran_ms,
        between_ms: (all_ms - waited_ms - ran_ms).max(0.0),
        all_ms,
    })
}

fn millis(later: Timestamp, earlier: Timestamp) -> f64 {
    later.since(earlier).as_secs_f64() * 1000.0
}

impl std::fmt::Display for Stages {
    /// A line for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, function, state, attempts, waited_ms, ran_ms, between_ms, all_ms } = self;
        write!(
            f,
            "{id}  {function}  {state}  attempts {attempts}  waited {waited_ms:.0} ms  ran {ran_ms:.0} ms  \
             between {between_ms:.0} ms  in all {all_ms:.0} ms"
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_end_is_told_once_and_again_after_a_redrive() {
        let mut told = Told::default();
        let end = |id: &str, redriven: u64| json!({"id": id, "redriven": redriven});
        assert!(told.is_new(&end("a", 0)) && told.is_new(&end("b", 0)));
        assert!(!told.is_new(&end("a", 0)));
        assert!(told.is_new(&end("a", 1)));
    }

    #[test]
    fn a_call_waits_runs_and_waits_again() {
        let mut call = json!({"id": "c", "function": "f", "state": "succeeded", "attempts": 2,
            "accepted_at": "2026-11-21T10:00:00Z", "since": "2026-11-21T10:00:03Z",
            "history": [{"at": "2026-11-21T10:00:01Z", "seconds": 0.25, "what": "retried"},
                {"at": "2026-11-21T10:00:03Z", "seconds": 0.5, "what": "succeeded"}]});
        let it = stages(&call).unwrap();
        assert_eq!((it.waited_ms, it.ran_ms, it.between_ms, it.all_ms), (750.0, 750.0, 1500.0, 3000.0));
        call["history"] = json!([]);
        assert_eq!(stages(&call).unwrap().waited_ms, 3000.0, "cancelled before it ran");
        call["state"] = json!("running");
        assert_eq!(stages(&call), None);
    }
}
