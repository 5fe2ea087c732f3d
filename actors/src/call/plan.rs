//! What follows from an attempt (pure).

use proto::{Call, Dead, LaneKey, Outcome, Timestamp, callback, codec, dead, retry};

use super::attempt::Attempt;
use crate::port::broker::Message;

/// What must be stored before the message that was tried may be forgotten.
#[derive(Debug)]
pub enum Next {
    /// Nothing more, or the result's way to the caller.
    Finished {
        /// The callback, if one was asked for.
        callback: Option<Box<Call>>,
    },
    /// Another attempt.
    Again {
        /// The call, its numbers brought up to date.
        call: Box<Call>,
        /// When.
        due: Timestamp,
    },
    /// The end of a call that never succeeded.
    Dead {
        /// The letter.
        letter: Box<Dead>,
        /// The callback, if one was asked for: the caller learns how it ended.
        callback: Option<Box<Call>>,
    },
}

/// Draws the consequence. `luck` in `0.0..1.0` is the jitter's draw.
#[must_use]
pub fn plan(
    lane: &LaneKey,
    mut call: Call,
    attempt: Attempt,
    policy: &retry::Policy,
    now: Timestamp,
    luck: f64,
) -> Next {
    match attempt.outcome {
        Outcome::Busy => call.throttles = call.throttles.saturating_add(1),
        Outcome::Succeeded | Outcome::Retry | Outcome::Failed => call.attempts = call.next_attempt(),
    }
    if matches!(attempt.outcome, Outcome::Succeeded | Outcome::Failed) {
        return Next::Finished { callback: callback(&call, attempt.result, now) };
    }
    let tried = retry::Tried {
        attempts: call.attempts,
        throttles: call.throttles,
        accepted_at: call.accepted_at,
        now,
        retry_after: attempt.retry_after,
    };
    let reason = match policy.verdict(tried, luck) {
        retry::Verdict::Again(due) => return Next::Again { call: Box::new(call), due },
        retry::Verdict::Exhausted => dead::Reason::Exhausted,
        retry::Verdict::TooOld => dead::Reason::TooOld,
    };
    let letter = letter(lane, reason, attempt.detail, now, codec::encode(&call));
    Next::Dead { letter, callback: callback(&call, attempt.result, now) }
}

/// A dead letter; a long detail is shortened, because the letter must fit where the message did.
#[must_use]
pub fn letter(lane: &LaneKey, reason: dead::Reason, detail: String, at: Timestamp, payload: bytes::Bytes) -> Box<Dead> {
    let detail = if detail.len() > 1024 { detail.chars().take(256).collect() } else { detail };
    Box::new(Dead { lane: lane.clone(), reason, detail, at, payload })
}

fn callback(call: &Call, result: callback::Result, now: Timestamp) -> Option<Box<Call>> {
    // The gateway took the URL only because it parses; one that does not any more has nobody to go to.
    let url = callback::parse_url(call.callback.as_deref()?).ok()?;
    Some(Box::new(callback::call(call, &url, result, now)))
}

/// A call as a message of its lane.
#[must_use]
pub fn message(lane: LaneKey, call: &Call) -> Message {
    Message { lane, id: call.message_id(), payload: codec::encode(call) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, StatusCode};
    use proto::{CallId, Function, Queue, Request};

    use super::*;

    fn call(callback: bool) -> Call {
        let mut call = Call::new(
            CallId::parse("c1").unwrap(),
            Function::parse("f").unwrap(),
            Timestamp::default(),
            Request::default(),
        );
        call.callback = callback.then(|| "http://caller.example/done".into());
        call
    }

    fn attempt(outcome: Outcome, status: u16) -> Attempt {
        let status = StatusCode::from_u16(status).unwrap();
        let result = callback::Result {
            status,
            headers: HeaderMap::new(),
            body: "out".into(),
            omitted: None,
            duration: Duration::from_secs(1),
        };
        Attempt { outcome, retry_after: None, feedback: None, result, detail: format!("status {status}") }
    }

    fn planned(call: Call, attempt: Attempt) -> Next {
        let lane = LaneKey::new(Queue::default(), call.function.clone());
        plan(&lane, call, attempt, &retry::Policy::default(), Timestamp::default(), 0.5)
    }

    #[test]
    fn success_and_refusal_both_finish_and_tell_the_caller() {
        for (outcome, status) in [(Outcome::Succeeded, 200), (Outcome::Failed, 404)] {
            let Next::Finished { callback: Some(callback) } = planned(call(true), attempt(outcome, status)) else {
                panic!("{outcome:?}");
            };
            assert_eq!(callback.request.headers["x-function-status"], status.to_string());
            assert_eq!(callback.request.headers["x-attempt"], "1");
            assert!(matches!(planned(call(false), attempt(outcome, status)), Next::Finished { callback: None }));
        }
    }

    #[test]
    fn a_failed_attempt_counts_and_a_busy_one_does_not() {
        let Next::Again { call: retried, due } = planned(call(true), attempt(Outcome::Retry, 503)) else { panic!() };
        assert_eq!((retried.attempts, retried.throttles), (1, 0));
        assert_eq!(due, Timestamp::default().after(Duration::from_millis(500)));
        let Next::Again { call: busy, .. } = planned(call(true), attempt(Outcome::Busy, 429)) else { panic!() };
        assert_eq!((busy.attempts, busy.throttles), (0, 1));
        assert_ne!(retried.message_id(), busy.message_id());
    }

    #[test]
    fn the_last_attempt_is_a_dead_letter_and_the_caller_hears_of_it() {
        let mut worn = call(true);
        worn.attempts = 9;
        let Next::Dead { letter, callback: Some(callback) } = planned(worn, attempt(Outcome::Retry, 500)) else {
            panic!();
        };
        assert_eq!(
            (letter.reason, letter.detail.as_str()),
            (dead::Reason::Exhausted, "status 500 Internal Server Error")
        );
        assert_eq!(codec::decode(&letter.payload).unwrap().attempts, 10);
        assert_eq!(callback.request.headers["x-function-status"], "500");
    }
}
