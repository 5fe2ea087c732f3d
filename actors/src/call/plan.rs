//! What follows from an attempt (pure).

use std::time::Duration;

use super::attempt::Attempt;
use crate::port::broker::Message;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use proto::history::What;
use proto::record::{Keep, Kept, State};
use proto::{Call, Dead, LaneKey, Outcome, Record, Request, Timestamp, callback, codec, dead, retry};

/// What must be stored before the message that was tried may be forgotten.
#[derive(Debug)]
pub enum Next {
    /// Another attempt.
    Again {
        /// The call, its numbers brought up to date.
        call: Box<Call>,
        /// When.
        due: Timestamp,
    },
    /// The end of the call.
    Ended(Box<End>),
    /// Bytes that are no call.
    Buried(Box<Dead>),
}

/// How a call ended.
#[derive(Debug)]
pub struct End {
    /// The call, its numbers brought up to date.
    pub call: Call,
    /// What is told about it.
    pub record: Record,
    /// The letter, if it is dead.
    pub letter: Option<Dead>,
    /// The callback, if one was asked for.
    pub callback: Option<Call>,
    /// Whether anything may have been told of the call since it was accepted, here or elsewhere.
    pub is_told_of: bool,
}

impl From<End> for Next {
    fn from(end: End) -> Self {
        Self::Ended(Box::new(end))
    }
}

/// What the consequences of an attempt depend on.
#[derive(Debug)]
pub struct Rules<'a> {
    /// How the call is retried.
    pub policy: &'a retry::Policy,
    /// What its record keeps.
    pub keep: Keep,
    /// Now.
    pub now: Timestamp,
    /// The jitter's draw, in `0.0..1.0`.
    pub luck: f64,
}

/// Draws the consequence. `crowded` is asked, if it comes to another attempt, how much longer the call has to wait
/// because so many others are tried again.
#[must_use]
pub fn plan(
    lane: &LaneKey,
    mut call: Call,
    attempt: Attempt,
    rules: &Rules<'_>,
    crowded: impl FnOnce() -> Duration,
) -> Next {
    let Attempt { outcome, retry_after, result, detail, .. } = attempt;
    match outcome {
        Outcome::Busy => call.counts.throttles = call.counts.throttles.saturating_add(1),
        Outcome::Succeeded | Outcome::Retry | Outcome::Failed => call.counts.attempts = call.next_attempt(),
    }
    call.history.push(rules.now, result.duration, What::from(outcome), Some(result.status.as_u16()), &detail);
    match outcome {
        Outcome::Succeeded => return ended(lane, call, State::Succeeded, (result, detail), rules).into(),
        Outcome::Failed => return ended(lane, call, State::Failed, (result, detail), rules).into(),
        Outcome::Retry | Outcome::Busy => {}
    }
    let mut tried = retry::Tried {
        attempts: call.counts.attempts,
        throttles: call.counts.throttles,
        age_from: call.age_from,
        now: rules.now,
        retry_after,
        crowded: Duration::ZERO,
    };
    let mut verdict = rules.policy.verdict(tried, rules.luck);
    // A busy function is held back by its limits.
    if matches!(verdict, retry::Verdict::Again(_)) && outcome == Outcome::Retry {
        tried.crowded = crowded();
        verdict = rules.policy.verdict(tried, rules.luck);
    }
    let reason = match verdict {
        retry::Verdict::Again(due) => {
            call.due = Some(due);
            return Next::Again { call: Box::new(call), due };
        }
        retry::Verdict::Exhausted => dead::Reason::Exhausted,
        retry::Verdict::TooOld => dead::Reason::TooOld,
    };
    died(lane, call, reason, (result, detail), rules).into()
}

/// The end of a call that is to be left alone because it may be what ends its workers.
#[must_use]
pub fn poisoned(lane: &LaneKey, mut call: Call, rules: &Rules<'_>) -> Next {
    let detail = format!("{} workers were gone before they could say how it ended", call.counts.crashes);
    call.history.push(rules.now, Duration::ZERO, What::Crashed, None, &detail);
    let result = nothing(StatusCode::SERVICE_UNAVAILABLE);
    without_result(died(lane, call, dead::Reason::Poison, (result, detail), rules))
}

/// The end of a call whose function is deleted without waiting for it.
#[must_use]
pub fn deleted(lane: &LaneKey, call: Call, rules: &Rules<'_>) -> Next {
    let result = (nothing(StatusCode::GONE), "its function was deleted before it ran".into());
    without_result(died(lane, call, dead::Reason::Deleted, result, rules))
}

/// The end of a call that nobody started in time.
#[must_use]
pub fn expired(lane: &LaneKey, call: Call, rules: &Rules<'_>) -> Next {
    let result = (nothing(StatusCode::REQUEST_TIMEOUT), "nobody started it in time".into());
    without_result(ended(lane, call, State::Expired, result, rules))
}

/// The end of a call that its caller does not want any more.
#[must_use]
pub fn cancelled(lane: &LaneKey, call: Call, rules: &Rules<'_>) -> Next {
    let result = (nothing(cancelled_status()), "its caller cancelled it".into());
    without_result(ended(lane, call, State::Cancelled, result, rules))
}

/// The end of a call of which only its record is left.
#[must_use]
pub fn lost(seen: Record, letter: Dead, now: Timestamp) -> Next {
    let mut call = known(&seen);
    call.callback.clone_from(&seen.callback);
    let detail = letter.detail.clone();
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let (status_told, detail_told) = (Some(status.as_u16()), Some(shorten(detail)));
    let record = Record {
        state: State::Dead,
        at: now,
        due: None,
        place: None,
        status: status_told,
        detail: detail_told,
        ..seen
    };
    let callback = callback(&call, nothing(status), now);
    End { call, record, letter: Some(letter), callback, is_told_of: true }.into()
}

/// As much of a call as its record knows: enough to name its message and to say how it ended.
#[must_use]
pub fn known(record: &Record) -> Call {
    let mut call = Call::new(record.id.clone(), record.function.clone(), record.accepted_at, Request::default());
    (call.counts, call.redriven) = (record.counts, record.redriven);
    call
}

/// Of a call that did not run to its end there is nothing to keep.
fn without_result(mut end: End) -> Next {
    (end.record.result, end.record.millis) = (None, None);
    end.into()
}

/// What follows where the end that is on record may be another one than `end`, because somebody was quicker, or died
/// after he had told: what is on record holds.
#[must_use]
pub fn as_told(lane: &LaneKey, end: End, told: &Record, now: Timestamp) -> End {
    if told.state == end.record.state { end } else { retold(lane, end.call, end.letter, told, now) }
}

/// What follows from running a call again that had ended as `told`: if that came to no end, what is on record. A retry
/// would be of a turn that is past, and nobody would be called back.
#[must_use]
pub fn repeated(lane: &LaneKey, next: Next, told: Option<&Record>, now: Timestamp) -> Next {
    match (next, told) {
        (Next::Again { call, .. }, Some(told)) => retold(lane, *call, None, told, now).into(),
        (next, _) => next,
    }
}

/// The end of a call as its record tells it; `letter`, if it died here as well.
#[must_use]
pub fn retold(lane: &LaneKey, call: Call, letter: Option<Dead>, told: &Record, now: Timestamp) -> End {
    let kept = told.result.clone();
    let status = told.status.and_then(|status| StatusCode::from_u16(status).ok());
    let mut result = callback::Result {
        state: told.state,
        duration: Duration::from_millis(told.millis.unwrap_or_default()),
        ..nothing(status.unwrap_or_else(cancelled_status))
    };
    if let Some(Kept { content_type, body, omitted }) = kept {
        let content_type = content_type.and_then(|text| text.parse().ok());
        result.headers.extend(content_type.map(|value| (http::header::CONTENT_TYPE, value)));
        (result.body, result.omitted) = (body, omitted);
    }
    let detail = told.detail.clone().unwrap_or_default();
    let letter = (told.state == State::Dead).then(|| {
        letter.unwrap_or_else(|| self::letter(lane, dead::Reason::Exhausted, detail, now, codec::encode(&call)))
    });
    let callback = callback(&call, result, now);
    End { call, record: told.clone(), letter, callback, is_told_of: true }
}

fn died(
    lane: &LaneKey,
    call: Call,
    reason: dead::Reason,
    (result, detail): (callback::Result, String),
    rules: &Rules<'_>,
) -> End {
    let letter = letter(lane, reason, detail.clone(), rules.now, codec::encode(&call));
    End { letter: Some(letter), ..ended(lane, call, State::Dead, (result, detail), rules) }
}

fn ended(
    lane: &LaneKey,
    call: Call,
    state: State,
    (mut result, detail): (callback::Result, String),
    rules: &Rules<'_>,
) -> End {
    result.state = state;
    let mut record = Record::of(&call, lane, state, rules.now);
    record.status = Some(result.status.as_u16());
    record.millis = Some(u64::try_from(result.duration.as_millis()).unwrap_or(u64::MAX));
    record.detail = Some(shorten(detail));
    record.result = kept(&result, rules.keep);
    let callback = callback(&call, result, rules.now);
    End { call, record, letter: None, callback, is_told_of: true }
}

/// What of a result is kept on record.
fn kept(result: &callback::Result, keep: Keep) -> Option<Kept> {
    let Keep::Result(max) = keep else { return None };
    let len = result.omitted.unwrap_or(result.body.len() as u64);
    let body = if len > max { Bytes::new() } else { result.body.clone() };
    let content_type = result.headers.get(http::header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).map(|text| text.chars().take(256).collect());
    Some(Kept { content_type, body, omitted: (len > max).then_some(len) })
}

/// What came of a call that was not run. The state is set where it ends.
fn nothing(status: StatusCode) -> callback::Result {
    let (headers, body) = (HeaderMap::new(), Bytes::new());
    callback::Result { state: State::Dead, status, headers, body, omitted: None, duration: Duration::ZERO }
}

/// What nginx logs when the client has gone: no status of HTTP says so.
pub(crate) fn cancelled_status() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

/// A dead letter; a long detail is shortened, because the letter must fit where the message did.
#[must_use]
pub fn letter(lane: &LaneKey, reason: dead::Reason, detail: String, at: Timestamp, payload: Bytes) -> Dead {
    Dead { lane: lane.clone(), reason, detail: shorten(detail), at, payload }
}

fn shorten(detail: String) -> String {
    if detail.len() > 1024 { detail.chars().take(256).collect() } else { detail }
}

fn callback(call: &Call, result: callback::Result, now: Timestamp) -> Option<Call> {
    // The gateway took the URL only because it parses; one that does not any more has nobody to go to.
    let url = callback::parse_url(call.callback.as_deref()?).ok()?;
    Some(callback::call(call, &url, result, now))
}

/// A call as a message of its lane.
#[must_use]
pub fn message(lane: LaneKey, call: &Call) -> Message {
    Message { lane, id: call.message_id(), payload: codec::encode(call) }
}

#[cfg(test)]
mod tests {
    use proto::{CallId, Counts, Function, Queue};

    use super::*;

    fn call() -> Call {
        let (id, function) = (CallId::parse("c1").unwrap(), Function::parse("f").unwrap());
        let mut call = Call::new(id, function, Timestamp::default(), Request::default());
        call.callback = Some("http://caller.example/done".into());
        call
    }

    fn lane() -> LaneKey {
        LaneKey::new(Queue::default(), call().function)
    }

    fn attempt(outcome: Outcome, status: u16) -> Attempt {
        let status = StatusCode::from_u16(status).unwrap();
        let result = callback::Result { body: "out".into(), duration: Duration::from_secs(1), ..nothing(status) };
        Attempt { outcome, retry_after: None, feedback: None, result, detail: format!("status {status}") }
    }

    fn by_rules<T>(decide: impl FnOnce(&Rules<'_>) -> T) -> T {
        let (policy, now) = (retry::Policy::default(), Timestamp::default());
        decide(&Rules { policy: &policy, keep: Keep::Result(3), now, luck: 0.5 })
    }

    fn planned(call: Call, attempt: Attempt, crowded: u64) -> Next {
        by_rules(|rules| plan(&lane(), call, attempt, rules, || Duration::from_secs(crowded)))
    }

    fn end(next: Next) -> End {
        let Next::Ended(end) = next else { panic!("{next:?}") };
        *end
    }

    fn header(end: &End, name: &str) -> String {
        end.callback.as_ref().unwrap().request.headers[name].to_str().unwrap().into()
    }

    #[test]
    fn success_and_refusal_both_end_and_tell_the_caller() {
        for (outcome, status, state) in
            [(Outcome::Succeeded, 200, State::Succeeded), (Outcome::Failed, 404, State::Failed)]
        {
            let end = end(planned(call(), attempt(outcome, status), 0));
            assert_eq!((end.record.state, end.record.status, end.letter.is_some()), (state, Some(status), false));
            assert_eq!(end.record.history.turns().len(), 1);
            assert_eq!(header(&end, "x-function-status"), status.to_string());
            assert_eq!((header(&end, "x-attempt"), header(&end, "x-call-state")), ("1".into(), state.as_str().into()));
        }
        let quiet = Call { callback: None, ..call() };
        assert!(end(planned(quiet, attempt(Outcome::Succeeded, 200), 0)).callback.is_none());
    }

    #[test]
    fn a_record_keeps_as_much_as_it_may() {
        let kept = |body: &'static str| {
            let mut attempt = attempt(Outcome::Succeeded, 200);
            attempt.result.body = body.into();
            end(planned(call(), attempt, 0)).record.result.unwrap()
        };
        assert_eq!((kept("out").body.as_ref(), kept("out").omitted), (&b"out"[..], None));
        assert_eq!((kept("more").body.as_ref(), kept("more").omitted), (&b""[..], Some(4)));
    }

    #[test]
    fn a_failed_attempt_counts_and_a_busy_one_does_not() {
        let Next::Again { call: retried, due } = planned(call(), attempt(Outcome::Retry, 503), 7) else { panic!() };
        assert_eq!((retried.counts.attempts, retried.counts.throttles), (1, 0));
        assert_eq!(due, Timestamp::default().after(Duration::from_millis(7500)), "and waits for the others");
        let Next::Again { call: busy, .. } = planned(call(), attempt(Outcome::Busy, 429), 0) else { panic!() };
        assert_eq!((busy.counts.attempts, busy.counts.throttles), (0, 1));
        assert_ne!(retried.message_id(), busy.message_id());
    }

    #[test]
    fn the_last_attempt_is_a_dead_letter_and_the_caller_hears_of_it() {
        let mut worn = call();
        worn.counts.attempts = 9;
        let end = end(planned(worn, attempt(Outcome::Retry, 500), 0));
        let letter = end.letter.as_ref().unwrap();
        assert_eq!(
            (letter.reason, letter.detail.as_str()),
            (dead::Reason::Exhausted, "status 500 Internal Server Error")
        );
        let kept = codec::decode(&letter.payload).unwrap();
        assert_eq!((kept.counts.attempts, kept.history.turns().len()), (10, 1));
        assert_eq!((header(&end, "x-function-status"), end.record.state), ("500".into(), State::Dead));
    }

    #[test]
    fn what_is_not_run_ends_with_a_word() {
        let poisoned = Call { counts: Counts { crashes: 5, ..Counts::default() }, ..call() };
        let end_of = |next: Next| {
            let end = end(next);
            (end.record.state, end.letter.as_ref().map(|it| it.reason), header(&end, "x-function-status"))
        };
        by_rules(|rules| {
            let poison = (State::Dead, Some(dead::Reason::Poison), "503".to_owned());
            assert_eq!(end_of(super::poisoned(&lane(), poisoned, rules)), poison);
            let deleted = (State::Dead, Some(dead::Reason::Deleted), "410".to_owned());
            assert_eq!(end_of(super::deleted(&lane(), call(), rules)), deleted);
            assert_eq!(end_of(expired(&lane(), call(), rules)), (State::Expired, None, "408".into()));
            assert_eq!(end_of(cancelled(&lane(), call(), rules)), (State::Cancelled, None, "499".into()));
        });
    }

    #[test]
    fn what_is_on_record_holds() {
        let ours = || end(planned(call(), attempt(Outcome::Failed, 404), 0));
        let cancelled = by_rules(|rules| end(cancelled(&lane(), call(), rules)));
        let told = as_told(&lane(), ours(), &cancelled.record, Timestamp::default());
        assert_eq!((header(&told, "x-call-state"), told.letter), ("cancelled".into(), None));

        let again = planned(call(), attempt(Outcome::Busy, 429), 0);
        let repeated = end(repeated(&lane(), again, Some(&ours().record), Timestamp::default()));
        assert_eq!((repeated.record.state, header(&repeated, "x-function-status")), (State::Failed, "404".into()));

        let mut worn = call();
        worn.counts.attempts = 9;
        let died = end(planned(worn, attempt(Outcome::Retry, 500), 0));
        let told = as_told(&lane(), ours(), &died.record, Timestamp::default());
        assert_eq!((header(&told, "x-function-status"), told.letter.is_some()), ("500".into(), true));
        let told = as_told(&lane(), died, &ours().record, Timestamp::default());
        assert_eq!((header(&told, "x-function-status"), told.letter.is_some()), ("404".into(), false));
        assert_eq!(told.callback.unwrap().request.body, "out");
    }
}
