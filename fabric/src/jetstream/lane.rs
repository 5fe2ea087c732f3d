//! A lane is a durable pull consumer; a pull is one request with an inbox of its own.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actors::port::broker::{Error, Terms};
use actors::port::{BoxFuture, BoxStream, Delivery, Lane, Lease, Payload};
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::message::Message;
use async_nats::{Client, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use proto::{LaneKey, Timestamp};
use serde::Serialize;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::aside::Claim;
use super::layout::Layout;
use super::publish::{ask, away};

/// The header that carries a message's id where the server's own would make it remember the id: through a schedule,
/// where it would take the message for a duplicate, and of what is sent once.
pub(super) const MESSAGE_ID: &str = "Fabric-Message-Id";
/// How long the server may take to confirm that a message is settled or extended.
const CONFIRM_WITHIN: Duration = Duration::from_secs(2);
/// The word that settles a message.
const ACK: Bytes = Bytes::from_static(b"+ACK");
/// How long after a pull's end the server's word on it is waited for.
const GRACE: Duration = Duration::from_secs(1);
/// How many pulls may wait at one consumer, from all workers.
const MAX_WAITING: i64 = 4096;

/// What a consumer takes.
#[derive(Clone)]
pub(super) struct Consumer {
    pub(super) stream: String,
    pub(super) name: String,
    pub(super) filter: String,
    pub(super) terms: Terms,
    /// Reads the lane out of a message's subject.
    pub(super) lane: LaneOf,
    /// Whether others fill the stream.
    pub(super) is_foreign: bool,
}

/// Reads a lane out of a subject.
pub(super) type LaneOf = Arc<dyn Fn(&str) -> Option<LaneKey> + Send + Sync>;

/// An open consumer.
pub(super) struct Handle {
    client: Arc<Client>,
    layout: Arc<Layout>,
    consumer: Consumer,
}

impl Handle {
    /// Makes the consumer, or brings the one that is there to these terms.
    pub(super) async fn open(client: Arc<Client>, layout: Arc<Layout>, consumer: Consumer) -> Result<Self, Error> {
        let handle = Self { client, layout, consumer };
        handle.apply(handle.consumer.terms.limit).await?;
        Ok(handle)
    }

    /// A consumer that is there, as it is.
    pub(super) fn of(client: Arc<Client>, layout: Arc<Layout>, consumer: Consumer) -> Self {
        Self { client, layout, consumer }
    }

    async fn apply(&self, limit: Option<NonZeroU32>) -> Result<(), Error> {
        let Consumer { stream, name, filter, terms, .. } = &self.consumer;
        let config = pull::Config {
            durable_name: Some(name.clone()),
            filter_subject: filter.clone(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: terms.lease,
            max_deliver: -1,
            max_ack_pending: limit.map_or(-1, |limit| i64::from(limit.get())),
            max_waiting: MAX_WAITING,
            inactive_threshold: terms.idle,
            ..pull::Config::default()
        };
        let made = self.layout.context.create_consumer_on_stream(config, stream).await;
        made.map(drop).map_err(|error| Error::Away(error.into()))
    }
}

/// The body of a pull request: `no_wait` with `expires` means "what there is, else the first within that time".
#[derive(Serialize)]
struct PullRequest {
    batch: u32,
    expires: u64,
    no_wait: bool,
}

impl Lane for Handle {
    fn pull(
        &self,
        max: NonZeroU32,
        wait: Duration,
        // A request cannot be taken back: the server might have sent a message for it that nobody would hear.
        _: CancellationToken,
    ) -> BoxStream<'static, Result<Delivery, Error>> {
        let pull = Pull {
            client: self.client.clone(),
            layout: self.layout.clone(),
            consumer: self.consumer.clone(),
            inbox: None,
            left: max.get(),
            until: Instant::now() + wait + GRACE,
        };
        let pull = async move {
            let asked = timeout_at(pull.until, pull.ask(wait)).await;
            match asked.unwrap_or_else(|late| Err(Error::Away(late.into()))) {
                Ok(pull) => futures_util::stream::unfold(pull, |mut pull| async move {
                    let item = pull.next().await?;
                    Some((item, pull))
                })
                .boxed(),
                Err(error) => futures_util::stream::once(std::future::ready(Err(error))).boxed(),
            }
        };
        futures_util::stream::once(pull).flatten().boxed()
    }

    fn waiting(&self) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(async {
            let Consumer { stream, name, .. } = &self.consumer;
            let away = |error: &dyn std::error::Error| Error::Away(error.to_string().into());
            let stream = self.layout.context.get_stream_no_info(stream).await.map_err(|error| away(&error))?;
            Ok(stream.consumer_info(name).await.map_err(|error| away(&error))?.num_pending)
        })
    }

    fn set_limit(&self, limit: Option<NonZeroU32>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.apply(limit))
    }
}

/// A request for messages under way.
struct Pull {
    client: Arc<Client>,
    layout: Arc<Layout>,
    consumer: Consumer,
    /// Absent once the server has nothing more to send for it.
    inbox: Option<Subscriber>,
    left: u32,
    until: Instant,
}

impl Pull {
    async fn ask(mut self, wait: Duration) -> Result<Self, Error> {
        let reply = self.client.new_inbox();
        let inbox = self.client.subscribe(reply.clone()).await.map_err(|error| Error::Away(error.into()))?;
        self.inbox = Some(inbox);
        let expires = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX).max(1_000_000);
        let request = PullRequest { batch: self.left, expires, no_wait: true };
        let request = serde_json::to_vec(&request).map_err(|error| Error::Refused(error.into()))?;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.consumer.stream, self.consumer.name);
        let sent = self.client.publish_with_reply(subject, reply, request.into()).await;
        sent.map_err(|error| Error::Away(error.into()))?;
        Ok(self)
    }

    async fn next(&mut self) -> Option<Result<Delivery, Error>> {
        loop {
            if self.left == 0 {
                self.inbox = None;
            }
            let inbox = self.inbox.as_mut()?;
            let Ok(Some(message)) = timeout_at(self.until, inbox.next()).await else {
                // The server's last word was lost with the connection, or there is no connection.
                tracing::debug!(lane = self.consumer.name, left = self.left, "a pull ended without a last word");
                self.inbox = None;
                return None;
            };
            match message.status {
                None => {
                    self.left -= 1;
                    return Some(self.delivery(message));
                }
                Some(StatusCode::IDLE_HEARTBEAT) => {}
                Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => self.inbox = None,
                Some(status) => {
                    self.inbox = None;
                    let why = message.description.unwrap_or_default();
                    // A batch that ends early is an end like any other.
                    if status.as_u16() == 409 && (why.contains("Completed") || why.contains("Exceeded")) {
                        return None;
                    }
                    let name = &self.consumer.name;
                    return Some(Err(Error::Away(format!("lane {name}: the server answered {status} {why}").into())));
                }
            }
        }
    }

    fn delivery(&self, message: async_nats::Message) -> Result<Delivery, Error> {
        let lane = (self.consumer.lane)(&message.subject);
        let lane = lane.ok_or_else(|| Error::Refused(format!("subject {} names no lane", message.subject).into()))?;
        let reply = message.reply.clone().ok_or_else(|| Error::Refused("a message without an ack subject".into()))?;
        let message = Message { message, context: self.layout.context.clone() };
        let info = message.info().map_err(Error::Refused)?;
        let (deliveries, behind) = (u32::try_from(info.delivered).unwrap_or(u32::MAX), info.pending);
        let stored_at = i64::try_from(info.published.unix_timestamp_nanos()).ok().map(Timestamp::from_unix_nanos);
        // Nothing that a stranger writes beside his message is believed: no id, and no claim on a payload of ours. Where
        // it lies and since when is an id, also where the stream was made anew and counts from the start.
        let place = || {
            let since = stored_at.map(Timestamp::unix_nanos).unwrap_or_default();
            format!("{}/{}/{since}", self.consumer.stream, info.stream_sequence)
        };
        let headers = message.headers.as_ref().filter(|_| !self.consumer.is_foreign);
        let header = |name: &str| headers?.get(name).map(ToString::to_string);
        let id = header(MESSAGE_ID).or_else(|| header(NATS_MESSAGE_ID.as_ref())).unwrap_or_else(place);
        let claim = self.layout.shelf.claim(headers);
        let payload = match claim.clone() {
            Some(claim) => Payload::Aside(claim.into()),
            None => Payload::Here(message.message.payload.clone()),
        };
        let lease = JetStreamLease { client: self.client.clone(), reply, claim };
        Ok(Delivery { lane, id: id.into(), payload, stored_at, deliveries, behind, lease: Arc::new(lease) })
    }
}

impl Drop for Pull {
    /// What is on the way here is given back: the server learns that nobody listens, and what it sent before that is
    /// returned.
    fn drop(&mut self) {
        let (Some(mut inbox), Ok(runtime)) = (self.inbox.take(), tokio::runtime::Handle::try_current()) else { return };
        let (client, until) = (self.client.clone(), self.until);
        // Drop cannot await; the task ends with the flush, or at `until`, and the connection is not closed before.
        self.layout.returning.spawn_on(
            async move {
                if inbox.drain().await.is_err() {
                    return;
                }
                while let Ok(Some(message)) = timeout_at(until, inbox.next()).await {
                    let Some(reply) = message.reply.filter(|_| message.status.is_none()) else { continue };
                    let lease = JetStreamLease { client: client.clone(), reply, claim: None };
                    if let Err(error) = lease.give_back(None).await {
                        tracing::debug!(%error, "a message is free again when its lease ends");
                    }
                }
            },
            &runtime,
        );
    }
}

/// The ack subject of one delivery.
struct JetStreamLease {
    client: Arc<Client>,
    reply: Subject,
    /// On a payload that goes with the message.
    claim: Option<Claim>,
}

impl JetStreamLease {
    /// Sends a word to the ack subject and waits for the server's nod. Settling twice settles once, so a lost nod is
    /// asked for again.
    async fn confirm(&self, word: Bytes) -> Result<(), Error> {
        ask(&self.client, self.reply.clone(), None, word, CONFIRM_WITHIN).await.map(drop)
    }
}

#[derive(Serialize)]
struct Delay {
    delay: u64,
}

impl Lease for JetStreamLease {
    fn ack(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async {
            self.confirm(ACK).await?;
            if let Some(claim) = self.claim.clone() {
                claim.remove().await;
            }
            Ok(())
        })
    }

    fn ack_unconfirmed(&self) -> BoxFuture<'_, Result<(), Error>> {
        if self.claim.is_some() {
            // What lies aside goes only when the message has.
            return self.ack();
        }
        Box::pin(async {
            let sent = timeout(CONFIRM_WITHIN, self.client.publish(self.reply.clone(), ACK)).await.map_err(away)?;
            sent.map_err(away)
        })
    }

    fn extend(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.confirm(Bytes::from_static(b"+WPI")))
    }

    fn give_back(&self, delay: Option<Duration>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let word = match delay {
                None => Bytes::from_static(b"-NAK"),
                Some(delay) => {
                    let delay = Delay { delay: u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX) };
                    let delay = serde_json::to_string(&delay).map_err(|error| Error::Refused(error.into()))?;
                    format!("-NAK {delay}").into()
                }
            };
            self.confirm(word).await
        })
    }
}

/// The headers of a stored message.
pub(super) fn headers<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> async_nats::HeaderMap {
    let mut headers = async_nats::HeaderMap::new();
    for (name, value) in pairs {
        headers.insert(name, value);
    }
    headers
}
