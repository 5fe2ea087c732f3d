//! `/admin/v1/dead-letters…`: the calls that nobody will try again by himself.
//!
//! | request | what happens |
//! |---|---|
//! | `GET /admin/v1/dead-letters` | the letters that match, a page at a time |
//! | `GET /admin/v1/dead-letters/{number}` | one of them, whole |
//! | `POST /admin/v1/dead-letters/redrive` | those that match go back to their lanes |
//! | `POST /admin/v1/dead-letters/{number}/redrive` | that one goes back |
//! | `DELETE /admin/v1/dead-letters` | those that match are removed for good |
//! | `DELETE /admin/v1/dead-letters/{number}` | that one is removed |
//!
//! Which match is said in the query: `queue`, `namespace`, `function`, `call`, `reason`; `dry_run=true` only counts,
//! `rate` is how many a second, `max` how many at the most, `max_redriven` how often a call may have been redriven.

use actors::port::dead::Letter;
use actors::redrive::{Order, Redriver};
use http::{HeaderMap, Method, StatusCode};
use proto::dead::Reason;
use proto::record::Kept;
use proto::{Call, CallId, Function, Namespace, Queue, Refusal, codec};
use serde::Serialize;
use url::form_urlencoded;

use crate::gateway::answer::{self, Answer};
use crate::gateway::calls::{Body, Turn, turns};
use crate::gateway::enqueue::refusal;

/// Letters of a page, unless the query says how many.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1000;
/// The slowest and the fastest that letters are redriven, in a second.
const RATE_MIN: f64 = 0.001;
const RATE_MAX: f64 = 100_000.0;

#[derive(Serialize)]
struct Page {
    letters: Vec<Summary>,
    /// How many there are, matching or not.
    count: u64,
    /// What to ask for next, as `after`; absent if this was the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<u64>,
}

#[derive(Serialize)]
struct Summary {
    number: u64,
    queue: String,
    function: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<String>,
    reason: Reason,
    detail: String,
    at: String,
    bytes: usize,
}

#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    summary: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Request>,
    /// The message byte for byte, if it is not a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Body>,
}

#[derive(Serialize)]
struct Request {
    accepted_at: String,
    attempts: u32,
    throttles: u32,
    crashes: u32,
    deliveries: u32,
    redriven: u32,
    method: String,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    headers: Vec<(String, String)>,
    body: Body,
    history: Vec<Turn>,
}

/// A question, read.
#[derive(Debug, Default)]
struct Ask {
    order: Order,
    after: u64,
    page: Option<usize>,
}

/// The dead letters of the fabric, for those who mend it.
#[derive(Clone)]
pub(super) struct DeadLetters {
    redriver: Redriver,
}

impl DeadLetters {
    pub(super) fn new(redriver: Redriver) -> Self {
        Self { redriver }
    }

    /// A request for what comes after `/admin/v1/dead-letters`.
    pub(super) async fn handle(&self, method: &Method, path: &str, query: &str) -> Result<Answer, Refusal> {
        let ask = ask(query)?;
        let path: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        match (method, &path[..]) {
            (&Method::GET, []) => self.list(ask).await,
            (&Method::DELETE, []) => self.purge(ask.order).await,
            (&Method::POST, ["redrive"]) => self.redrive(ask.order).await,
            (&Method::GET, [number]) => self.show(self::number(number)?).await,
            (&Method::DELETE, [number]) => self.purge(Order { only: Some(self::number(number)?), ..ask.order }).await,
            (&Method::POST, [number, "redrive"]) => {
                self.redrive(Order { only: Some(self::number(number)?), ..ask.order }).await
            }
            (_, [] | [_]) => Err(Refusal::Method { allow: "GET, DELETE" }),
            (_, [_, "redrive"]) => Err(Refusal::Method { allow: "POST" }),
            _ => Err(Refusal::NoRoute),
        }
    }

    async fn list(&self, ask: Ask) -> Result<Answer, Refusal> {
        let (broker, max) = (&self.redriver.broker, ask.page.unwrap_or(PAGE).clamp(1, PAGE_MAX));
        let letters = broker.letters(&ask.order.filter, ask.after, max).await.map_err(|error| refusal(error, 0))?;
        let count = broker.dead_count().await.map_err(|error| refusal(error, 0))?;
        let after = letters.last().map(|letter| letter.number);
        let letters = letters.iter().map(|letter| summary(letter, codec::decode(&letter.dead.payload).ok().as_ref()));
        Ok(answer::json(StatusCode::OK, &Page { letters: letters.collect(), count, after }))
    }

    async fn show(&self, number: u64) -> Result<Answer, Refusal> {
        let letter = self.redriver.broker.letter(number).await.map_err(|error| refusal(error, 0))?;
        let letter = letter.ok_or(Refusal::UnknownLetter(number))?;
        let call = codec::decode(&letter.dead.payload).ok();
        let summary = summary(&letter, call.as_ref());
        let message = call.is_none().then(|| body(letter.dead.payload, None));
        Ok(answer::json(StatusCode::OK, &Whole { summary, request: call.map(Request::from), message }))
    }

    async fn redrive(&self, order: Order) -> Result<Answer, Refusal> {
        let tally = self.redriver.redrive(&order).await.map_err(|error| refusal(error, 0))?;
        if !order.dry_run {
            tracing::info!(?order, done = tally.done, left = tally.left, "dead letters were redriven");
        }
        Ok(answer::json(StatusCode::OK, &tally))
    }

    async fn purge(&self, order: Order) -> Result<Answer, Refusal> {
        let tally = self.redriver.purge(&order).await.map_err(|error| refusal(error, 0))?;
        if !order.dry_run {
            tracing::info!(?order, done = tally.done, "dead letters were removed");
        }
        Ok(answer::json(StatusCode::OK, &tally))
    }
}

fn summary(letter: &Letter, call: Option<&Call>) -> Summary {
    let Letter { number, dead } = letter;
    Summary {
        number: *number,
        queue: dead.lane.queue.to_string(),
        function: dead.lane.function.to_string(),
        call: call.map(|call| call.id.to_string()),
        reason: dead.reason,
        detail: dead.detail.clone(),
        at: dead.at.to_string(),
        bytes: dead.payload.len(),
    }
}

impl From<Call> for Request {
    fn from(call: Call) -> Self {
        let content_type = call.request.headers.get(http::header::CONTENT_TYPE).cloned();
        Self {
            accepted_at: call.accepted_at.to_string(),
            attempts: call.counts.attempts,
            throttles: call.counts.throttles,
            crashes: call.counts.crashes,
            deliveries: call.counts.deliveries,
            redriven: call.redriven,
            method: call.request.method.to_string(),
            path: call.request.path,
            query: call.request.query,
            headers: text(&call.request.headers),
            body: body(call.request.body, content_type.and_then(|it| it.to_str().ok().map(Into::into))),
            history: turns(&call.history),
        }
    }
}

fn body(body: bytes::Bytes, content_type: Option<String>) -> Body {
    Kept { content_type, body, omitted: None }.into()
}

fn text(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

fn number(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| Refusal::Malformed(format!("{text:?} is not the number of a dead letter")))
}

fn ask(query: &str) -> Result<Ask, Refusal> {
    let mut ask = Ask::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let malformed = |why: &str| Refusal::Malformed(format!("{name} is {value:?}, must be {why}"));
        let filter = &mut ask.order.filter;
        match &*name {
            "queue" => filter.queue = Some(Queue::parse(&value)?),
            "namespace" => filter.namespace = Some(Namespace::parse(&value)?),
            "function" => filter.function = Some(Function::parse(&value)?),
            "call" => filter.call = Some(CallId::parse(&value)?),
            "reason" => {
                let known = "exhausted, too_old, undecodable, lost or poison";
                filter.reason = Some(Reason::parse(&value).ok_or_else(|| malformed(known))?);
            }
            "after" => ask.after = number(&value)?,
            "max" => {
                let max = value.parse().map_err(|_| malformed("a whole number"))?;
                (ask.page, ask.order.count_max) = (Some(max), max as u64);
            }
            "max_redriven" => ask.order.redriven_max = value.parse().map_err(|_| malformed("a whole number"))?,
            "dry_run" => ask.order.dry_run = value.parse().map_err(|_| malformed("true or false"))?,
            "rate" => {
                let rate = value.parse().ok().filter(|rate: &f64| (RATE_MIN..=RATE_MAX).contains(rate));
                ask.order.rate = Some(rate.ok_or_else(|| malformed("how many a second, from 0.001 to 100000"))?);
            }
            _ => return Err(Refusal::Malformed(format!("{name} means nothing here"))),
        }
    }
    Ok(ask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_whole_or_refused() {
        let ask = super::ask("function=f.acme&reason=poison&dry_run=true&rate=2.5&max=7&after=9").unwrap();
        assert_eq!(ask.order.filter.function, Some(Function::parse("f.acme").unwrap()));
        assert_eq!((ask.order.filter.reason, ask.order.dry_run), (Some(Reason::Poison), true));
        assert_eq!((ask.order.rate, ask.order.count_max, ask.page, ask.after), (Some(2.5), 7, Some(7), 9));
        for bad in [
            "reason=tired",
            "rate=0",
            "rate=NaN",
            "rate=1e-19",
            "rate=inf",
            "max=-1",
            "dry_run=maybe",
            "funktion=f",
            "call=a.b",
        ] {
            assert!(super::ask(bad).is_err(), "{bad}");
        }
    }
}
