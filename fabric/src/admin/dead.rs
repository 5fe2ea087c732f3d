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
//! Which match is said in the query: `queue`, `namespace`, `function`, `call`, `reason`; `limit` and `cursor` are for the
//! list; `dry_run=true` only counts, `rate` is how many a second, `max` how many at the most, `max_redriven` how often a
//! call may have been redriven.

use actors::port::dead::Letter;
use actors::redrive::{Order, Redriver, Tally};
use http::{HeaderMap, StatusCode};
use proto::dead::{Filter, Reason};
use proto::record::Kept;
use proto::{Call, CallId, Function, Namespace, Queue, Refusal, codec};
use serde::Serialize;
use serde_json::json;

use super::query::{List, Query};
use crate::audit::Audit;
use crate::gateway::answer::{self, Answer};
use crate::gateway::calls::{Body, Turn, turns};
use crate::gateway::refusal::refusal;
use crate::identity::Identity;

/// The slowest and the fastest that letters are redriven, in a second.
const RATE_MIN: f64 = 0.001;
const RATE_MAX: f64 = 100_000.0;

#[derive(Serialize)]
struct Letters {
    #[serde(flatten)]
    list: List<Summary>,
    /// How many there are, matching or not; absent for whoever is limited to namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
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

/// The dead letters of the fabric, for those who mend it.
#[derive(Clone)]
pub(super) struct DeadLetters {
    redriver: Redriver,
    audit: Audit,
}

impl DeadLetters {
    pub(super) fn new(redriver: Redriver, audit: Audit) -> Self {
        Self { redriver, audit }
    }

    pub(super) async fn list(&self, query: &str, by: &Identity) -> Result<Answer, Refusal> {
        let query = Query::read(query, &["queue", "namespace", "function", "call", "reason", "limit", "cursor"])?;
        let (broker, filter, page) = (&self.redriver.broker, filter(&query, by)?, query.page()?);
        let after = page.cursor.as_deref().map(number).transpose()?.unwrap_or_default();
        let letters = broker.letters(&filter, after, page.limit).await.map_err(|error| refusal(error, 0))?;
        let count = match by.namespaces().namespaces() {
            None => Some(broker.dead_count().await.map_err(|error| refusal(error, 0))?),
            // How many there are of everybody is not his business.
            Some(_) => None,
        };
        let next = letters.last().map(|letter| letter.number.to_string());
        let items = letters.iter().map(|letter| summary(letter, codec::decode(&letter.dead.payload).ok().as_ref()));
        Ok(answer::json(StatusCode::OK, &Letters { list: List { items: items.collect(), next }, count }))
    }

    pub(super) async fn show(&self, number: &str, by: &Identity) -> Result<Answer, Refusal> {
        let number = self::number(number)?;
        let letter = self.redriver.broker.letter(number).await.map_err(|error| refusal(error, 0))?;
        let own = letter.filter(|letter| by.sees(letter.dead.lane.function.namespace()));
        let letter = own.ok_or(Refusal::UnknownLetter(number))?;
        let call = codec::decode(&letter.dead.payload).ok();
        let summary = summary(&letter, call.as_ref());
        let message = call.is_none().then(|| body(letter.dead.payload, None));
        Ok(answer::json(StatusCode::OK, &Whole { summary, request: call.map(Request::from), message }))
    }

    pub(super) async fn redrive(&self, only: Option<&str>, query: &str, by: &Identity) -> Result<Answer, Refusal> {
        let order = order(only, query, by)?;
        let tally = self.redriver.redrive(&order).await.map_err(|error| refusal(error, 0))?;
        if !order.dry_run {
            tracing::info!(?order, done = tally.done, left = tally.left, "dead letters were redriven");
            self.tell(by, "redrive dead letters", &order, &tally).await;
        }
        Ok(answer::json(StatusCode::OK, &tally))
    }

    pub(super) async fn purge(&self, only: Option<&str>, query: &str, by: &Identity) -> Result<Answer, Refusal> {
        let order = order(only, query, by)?;
        let tally = self.redriver.purge(&order).await.map_err(|error| refusal(error, 0))?;
        if !order.dry_run {
            tracing::info!(?order, done = tally.done, "dead letters were removed");
            self.tell(by, "remove dead letters", &order, &tally).await;
        }
        Ok(answer::json(StatusCode::OK, &tally))
    }
}

impl DeadLetters {
    async fn tell(&self, by: &Identity, what: &str, order: &Order, tally: &Tally) {
        let Filter { queue, namespace, function, call, reason, within: _ } = &order.filter;
        let which = json!({
            "number": order.only,
            "queue": queue,
            "namespace": namespace,
            "function": function,
            "call": call,
            "reason": reason,
        });
        self.audit.tell(by, what, &which, &json!({"done": tally.done, "left": tally.left})).await;
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

/// What a query asks for, and whoever asks may know of.
fn filter(query: &Query, by: &Identity) -> Result<Filter, Refusal> {
    let known = "exhausted, too_old, undecodable, lost, poison or deleted";
    Ok(Filter {
        queue: query.get("queue").map(Queue::parse).transpose()?,
        namespace: query.get("namespace").map(Namespace::parse).transpose()?,
        function: query.get("function").map(Function::parse).transpose()?,
        call: query.get("call").map(CallId::parse).transpose()?,
        reason: query.parse("reason", known, Reason::parse)?,
        within: by.namespaces().namespaces().cloned(),
    })
}

fn order(only: Option<&str>, query: &str, by: &Identity) -> Result<Order, Refusal> {
    let known = ["queue", "namespace", "function", "call", "reason", "dry_run", "rate", "max", "max_redriven"];
    let query = Query::read(query, &known)?;
    let default = Order::default();
    let read_rate = |text: &str| text.parse().ok().filter(|rate: &f64| (RATE_MIN..=RATE_MAX).contains(rate));
    let redriven_max = query.parse("max_redriven", "a whole number", |it| it.parse().ok())?;
    let count_max = query.parse("max", "a whole number", |it| it.parse().ok())?;
    Ok(Order {
        filter: filter(&query, by)?,
        only: only.map(number).transpose()?,
        dry_run: query.flag("dry_run")?,
        rate: query.parse("rate", "how many a second, from 0.001 to 100000", read_rate)?,
        redriven_max: redriven_max.unwrap_or(default.redriven_max),
        count_max: count_max.unwrap_or(default.count_max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Authenticator;
    use crate::identity::need::Need;

    #[tokio::test]
    async fn a_question_is_read_whole_or_refused() {
        let by = Authenticator::off().admit(&mut http::Request::new(()), Need::Nothing).await.unwrap();
        let order = |only, query| super::order(only, query, &by);
        let read = order(Some("9"), "function=f.acme&reason=poison&dry_run=true&rate=2.5&max=7").unwrap();
        assert_eq!(read.filter.function, Some(Function::parse("f.acme").unwrap()));
        assert_eq!((read.filter.reason, read.dry_run), (Some(Reason::Poison), true));
        assert_eq!((read.rate, read.count_max, read.only), (Some(2.5), 7, Some(9)));
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
            assert!(order(None, bad).is_err(), "{bad}");
        }
        assert!(order(Some("first"), "").is_err());
    }
}
