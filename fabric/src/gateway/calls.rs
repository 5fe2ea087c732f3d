//! `/calls/{id}`: how a call is, at any point of its life; and its cancellation.

use std::time::Duration;

use actors::cancel;
use actors::port::records::Recorded;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use proto::history::What;
use proto::record::Kept;
use proto::{CallId, Record, Refusal, Timestamp, page};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use url::form_urlencoded;

use super::Gateway;
use super::answer::{self, Answer};
use super::refusal::refusal;
use crate::identity::Identity;

/// The longest that an answer is waited for.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How often to look although no hint came.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a record may take to be readable after it was hinted at.
const MOMENT: Duration = Duration::from_millis(10);
/// How long a cancellation may take.
const CANCEL_WITHIN: Duration = Duration::from_secs(15);
/// When the record of a call that was just accepted, elsewhere perhaps, is looked for again: after so long each time.
const LOOK_AGAIN: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(100), Duration::from_millis(350)];
/// How old a call may be of which that is to be expected.
const JUST_ACCEPTED: Duration = Duration::from_secs(2);

/// A record as people and scripts read it.
#[derive(Serialize)]
pub(crate) struct View {
    id: String,
    queue: String,
    function: String,
    state: &'static str,
    since: String,
    accepted_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    attempts: u32,
    throttles: u32,
    crashes: u32,
    deliveries: u32,
    redriven: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Body>,
    history: Vec<Turn>,
}

/// A body: as text if it is text, else as base64.
#[derive(Serialize)]
pub(crate) struct Body {
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    /// How long it was, if it was too long to be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    omitted_bytes: Option<u64>,
}

/// One turn of a call.
#[derive(Serialize)]
pub(crate) struct Turn {
    at: String,
    seconds: f64,
    what: What,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

impl View {
    pub(crate) fn state(&self) -> &'static str {
        self.state
    }

    /// As it is `now`. The callback's URL is left out: it may hold a secret.
    pub(crate) fn of(record: Record, now: Timestamp) -> Self {
        let state = record.state_at(now);
        Self {
            state: state.as_str(),
            since: record.at.to_string(),
            accepted_at: record.accepted_at.to_string(),
            due: record.due.filter(|due| *due > now).map(|due| due.to_string()),
            expires_at: record.expires_at.map(|at| at.to_string()),
            attempts: record.counts.attempts,
            throttles: record.counts.throttles,
            crashes: record.counts.crashes,
            deliveries: record.counts.deliveries,
            redriven: record.redriven,
            status: record.status,
            seconds: record.millis.map(seconds),
            detail: record.detail,
            result: record.result.map(Body::from),
            history: turns(&record.history),
            id: record.id.to_string(),
            queue: record.queue.to_string(),
            function: record.function.to_string(),
        }
    }
}

/// What a call has been through, for people.
pub(crate) fn turns(history: &proto::History) -> Vec<Turn> {
    let turns = history.turns().iter();
    turns
        .map(|turn| Turn {
            at: turn.at.to_string(),
            seconds: seconds(turn.millis),
            what: turn.what,
            status: turn.status,
            detail: turn.detail.clone(),
        })
        .collect()
}

fn seconds(millis: u64) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}

impl From<Kept> for Body {
    fn from(Kept { content_type, body, omitted }: Kept) -> Self {
        let read = |body: Option<&[u8]>| match body.map(std::str::from_utf8) {
            None => (None, None),
            Some(Ok(text)) => (Some(text.to_owned()), None),
            Some(Err(_)) => (None, body.map(|body| STANDARD.encode(body))),
        };
        let (text, base64) = read(omitted.is_none().then_some(&*body));
        Self { content_type, text, base64, omitted_bytes: omitted }
    }
}

impl Gateway {
    /// A request for `/calls/{id}`.
    pub(super) async fn call(&self, id: &str, request: &Request<Incoming>, by: &Identity) -> Result<Answer, Refusal> {
        let id = CallId::parse(id)?;
        match *request.method() {
            Method::GET | Method::HEAD => {
                let wait = wait(request.uri().query().unwrap_or_default())?;
                let record = self.await_end(&id, wait, by).await?;
                Ok(answer::json(StatusCode::OK, &View::of(record, self.ports.clock.now())))
            }
            Method::DELETE => self.cancel(&id, by).await,
            _ => Err(Refusal::Method { allow: "GET, DELETE" }),
        }
    }

    /// Cancels a call: its record, once that says so.
    pub(crate) async fn cancel(&self, id: &CallId, by: &Identity) -> Result<Answer, Refusal> {
        // That it is there, also if it was accepted a moment ago.
        self.record(id, by).await?;
        let Ok(answer) = timeout(CANCEL_WITHIN, self.canceller.cancel(id)).await else {
            return Err(Refusal::BrokerAway);
        };
        match answer {
            Ok(record) => Ok(answer::json(StatusCode::OK, &View::of(record, self.ports.clock.now()))),
            Err(cancel::Error::Unknown(id)) => Err(Refusal::UnknownCall(id)),
            Err(cancel::Error::Ended(state)) => Err(Refusal::Ended(id.clone(), state.as_str())),
            Err(cancel::Error::Broker(error)) => Err(refusal(error, 0)),
        }
    }

    /// The record of a call as soon as it is at its end, or as it is when the time is up.
    async fn await_end(&self, id: &CallId, wait: Duration, by: &Identity) -> Result<Record, Refusal> {
        let until = Instant::now() + wait;
        if wait.is_zero() {
            return self.record(id, by).await;
        }
        let changes = self.ports.broker.changes(id).await;
        let mut changes = changes.unwrap_or_else(|_| futures_util::stream::empty().boxed()).fuse();
        let mut ready = self.ports.ready.clone();
        loop {
            let record = self.record(id, by).await?;
            if record.state.is_final() || Instant::now() >= until {
                return Ok(record);
            }
            tokio::select! {
                // A hint may be quicker than what it is about.
                Some(()) = changes.next() => sleep(MOMENT).await,
                () = sleep_until(until.min(Instant::now() + LOOK_EVERY)) => {}
                // A process that goes lets nobody wait; another one may be asked.
                () = unready(&mut ready) => return self.record(id, by).await,
            }
        }
    }

    fn is_just_made(&self, id: &CallId) -> bool {
        let made_at = page::made_at(id).and_then(|millis| i64::try_from(millis.checked_mul(1_000_000)?).ok());
        made_at.is_some_and(|at| self.ports.clock.now().since(Timestamp::from_unix_nanos(at)) < JUST_ACCEPTED)
    }

    /// A call's record. For whoever may not know of it there is none, and it takes as long to say so.
    pub(crate) async fn record(&self, id: &CallId, by: &Identity) -> Result<Record, Refusal> {
        if !self.ports.recorder.is_on() {
            return Err(Refusal::UnknownCall(id.clone()));
        }
        let read = || async {
            let found = self.ports.broker.record(id).await.map_err(|error| refusal(error, 0))?;
            Ok::<_, Refusal>(found.filter(|it| by.sees(it.record.function.namespace())))
        };
        let mut recorded = read().await?;
        let looks = if self.is_just_made(id) { LOOK_AGAIN.len() } else { 1 };
        for pause in LOOK_AGAIN.iter().take(looks) {
            if recorded.is_some() {
                break;
            }
            sleep(*pause).await;
            recorded = read().await?;
        }
        recorded.map(|Recorded { record, .. }| record).ok_or_else(|| Refusal::UnknownCall(id.clone()))
    }
}

async fn unready(ready: &mut watch::Receiver<bool>) {
    // If nobody can say that it is over, nobody ends it.
    if ready.wait_for(|ready| !ready).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// How long to wait, as `?wait=30s` says it.
fn wait(query: &str) -> Result<Duration, Refusal> {
    let mut wait = Duration::ZERO;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "wait" => {
                let malformed = |error| Refusal::Malformed(format!("wait is {value:?}: {error}; write 30s"));
                wait = humantime::parse_duration(&value).map_err(malformed)?;
            }
            other => return Err(Refusal::Malformed(format!("{other} means nothing here; known is wait"))),
        }
    }
    Ok(wait.min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_read_and_bounded() {
        assert_eq!(wait("").unwrap(), Duration::ZERO);
        assert_eq!(wait("wait=1500ms").unwrap(), Duration::from_millis(1500));
        assert_eq!(wait("wait=2h").unwrap(), WAIT_MAX);
        for bad in ["wait=30", "wait=", "wait=soon", "weight=1s"] {
            assert!(wait(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bodies_are_text_if_they_can_be() {
        let body = |body: &'static [u8], omitted| {
            let body = Body::from(Kept { content_type: None, body: body.into(), omitted });
            (body.text, body.base64, body.omitted_bytes)
        };
        assert_eq!(body("grün".as_bytes(), None), (Some("grün".into()), None, None));
        assert_eq!(body(b"\xff\x00", None), (None, Some("/wA=".into()), None));
        assert_eq!(body(b"", Some(7)), (None, None, Some(7)));
    }
}
