//! Looking at what a stream holds, without taking it.
//!
//! Any replica may answer, which spares the leader; that something is *not* there only the leader can know.

use actors::port::broker::Error;
use async_nats::header::{NATS_SEQUENCE, NATS_SUBJECT};
use async_nats::jetstream::Context;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::RawMessageErrorKind;
use async_nats::{Client, HeaderMap, Message, Request, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;
use tokio::time::{Duration, timeout};

use super::publish::away;

/// How long the server may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How many messages are asked for at once.
const PAGE_MAX: usize = 256;

/// Where a message lies.
#[derive(Clone, Debug)]
pub(super) enum At {
    /// The last one of a subject.
    Last(String),
    /// In the stream's order.
    Number(u64),
    /// The first of a subject, from there on.
    Next(String, u64),
}

/// A message, where it lies.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) number: u64,
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

/// Reads messages of streams; clones share the connection.
#[derive(Clone)]
pub(super) struct Reader {
    client: Client,
    context: Context,
    /// Whether others than the leader may answer.
    is_replicated: bool,
}

impl Reader {
    pub(super) fn new(client: Client, context: Context, replicas: usize) -> Self {
        let is_replicated = replicas > 1 || client.server_info().cluster.is_some();
        Self { client, context, is_replicated }
    }

    /// The message at a place of `stream`, if there is one.
    pub(super) async fn message(&self, stream: &str, at: At) -> Result<Option<Found>, Error> {
        let ask = match &at {
            At::Last(subject) => json!({ "last_by_subj": subject }),
            At::Number(number) => json!({ "seq": number }),
            At::Next(subject, number) => json!({ "seq": number, "next_by_subj": subject }),
        };
        let request = Request::new().payload(ask.to_string().into()).timeout(Some(ANSWER_WITHIN));
        let asked = self.client.send_request(format!("$JS.API.DIRECT.GET.{stream}"), request);
        let answer = timeout(ANSWER_WITHIN, asked).await.map_err(away)?.map_err(away)?;
        match (found(&answer), answer.status) {
            (Some(found), None) => Ok(Some(found)),
            (_, Some(StatusCode::NOT_FOUND)) => self.leaders(stream, at).await,
            (_, status) => Err(Error::Away(format!("stream {stream}, {at:?}: the server answered {status:?}").into())),
        }
    }

    async fn leaders(&self, stream: &str, at: At) -> Result<Option<Found>, Error> {
        let stream = self.context.get_stream_no_info(stream).await.map_err(away)?;
        let answer = match at {
            At::Last(subject) => stream.get_last_raw_message_by_subject(&subject).await,
            At::Number(number) => stream.get_raw_message(number).await,
            At::Next(subject, number) => stream.get_first_raw_message_by_subject(&subject, number).await,
        };
        match answer {
            Ok(message) => Ok(Some(message.into())),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(away(error)),
        }
    }

    /// All messages of `subject`, in order.
    pub(super) async fn all(&self, stream: &str, subject: &str) -> Result<Vec<Found>, Error> {
        let mut all = Vec::new();
        let mut number = 1;
        loop {
            let found = self.batch(stream, subject, number, PAGE_MAX).await?;
            let Some(last) = found.last() else { break };
            number = last.number + 1;
            all.extend(found);
        }
        // What a replica does not have yet is with the leader.
        let (place, last) = (At::Last(subject.to_owned()), number - 1);
        if self.is_replicated && self.leaders(stream, place).await?.is_some_and(|latest| latest.number > last) {
            while let Some(found) = self.leaders(stream, At::Next(subject.to_owned(), number)).await? {
                number = found.number + 1;
                all.push(found);
            }
        }
        Ok(all)
    }

    /// The number of the first message of `subject` from `number` on, and how many come after it.
    pub(super) async fn after(&self, stream: &str, subject: &str, number: u64) -> Result<Option<(u64, u64)>, Error> {
        let found = self.page(stream, subject, number, 1).await?;
        let Some(found) = found.first() else { return Ok(None) };
        let pending = pending(&found.headers)
            .ok_or_else(|| Error::Refused("an answer that does not say how many follow".into()))?;
        Ok(Some((found.number, pending)))
    }

    /// Up to `max` messages whose subjects match `filter`, from `number` on, in order; fewer only if there are no more.
    pub(super) async fn page(&self, stream: &str, filter: &str, number: u64, max: usize) -> Result<Vec<Found>, Error> {
        let (mut all, mut from) = (Vec::new(), number);
        while all.len() < max {
            let found = self.batch(stream, filter, from, max - all.len()).await?;
            let Some(last) = found.last() else { break };
            from = last.number + 1;
            let is_last = pending(&last.headers) == Some(0);
            all.extend(found);
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    /// The same, as many as the server sends at once: it may end a batch before its end.
    async fn batch(&self, stream: &str, filter: &str, number: u64, max: usize) -> Result<Vec<Found>, Error> {
        let reply = self.client.new_inbox();
        let subscribed = timeout(ANSWER_WITHIN, self.client.subscribe(reply.clone())).await.map_err(away)?;
        let mut inbox = subscribed.map_err(away)?;
        let ask = json!({ "seq": number, "next_by_subj": filter, "batch": max }).to_string();
        let subject = format!("$JS.API.DIRECT.GET.{stream}");
        let asked = self.client.publish_with_reply(subject, reply, ask.into());
        timeout(ANSWER_WITHIN, asked).await.map_err(away)?.map_err(away)?;
        let mut all = Vec::new();
        loop {
            let answer = timeout(ANSWER_WITHIN, inbox.next()).await.map_err(away)?;
            let Some(answer) = answer else { return Err(Error::Away("the connection is closed".into())) };
            match (found(&answer), answer.status) {
                (Some(found), None) => all.push(found),
                // 204 ends a batch, 404 says that there is none.
                (_, Some(status)) if matches!(status.as_u16(), 204 | 404) => return Ok(all),
                (_, status) => {
                    return Err(Error::Away(format!("stream {stream}: the server answered {status:?}").into()));
                }
            }
        }
    }
}

/// How many messages of a batch's filter come after this one.
pub(super) fn pending(headers: &HeaderMap) -> Option<u64> {
    headers.get("Nats-Num-Pending")?.as_str().parse().ok()
}

/// The message in an answer to a direct get.
fn found(answer: &Message) -> Option<Found> {
    let headers = answer.headers.clone()?;
    let header = |name: async_nats::HeaderName| Some(headers.get(name)?.as_str().to_owned());
    let (number, subject) = (header(NATS_SEQUENCE)?.parse().ok()?, header(NATS_SUBJECT)?);
    Some(Found { number, subject, headers, payload: answer.payload.clone() })
}

impl From<StreamMessage> for Found {
    fn from(message: StreamMessage) -> Self {
        let StreamMessage { subject, sequence, headers, payload, .. } = message;
        Self { number: sequence, subject: subject.to_string(), headers, payload }
    }
}
