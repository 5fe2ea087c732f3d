//! A lane is a durable pull consumer; a pull is one request, with an inbox that no other pull uses meanwhile.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actors::port::broker::{Error, Terms};
use actors::port::{BoxFuture, BoxStream, Delivery, Lane, Lease, Payload};
use async_nats::header::{HeaderName, NATS_MESSAGE_ID};
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::{Client, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use proto::LaneKey;
use serde::Serialize;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::ack;
use super::aside::Claim;
use super::layout::Layout;
use super::publish::{ask, away};

/// The header that carries a message's id where the server's own would make it remember the id: through a schedule,
/// where it would take the message for a duplicate, and of what is sent once.
pub(super) const MESSAGE_ID: HeaderName = HeaderName::from_static("Fabric-Message-Id");
/// How long the server may take to confirm that a message is settled or extended.
const CONFIRM_WITHIN: Duration = Duration::from_secs(2);
/// The word that settles a message.
const ACK: Bytes = Bytes::from_static(b"+ACK");
/// How long after a pull's end the server's word on it is waited for.
const GRACE: Duration = Duration::from_secs(1);
/// How many pulls may wait at one consumer, from all workers.
const MAX_WAITING: i64 = 4096;

/// What a consumer takes.
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
pub(super) struct Handle(Arc<Open>);

struct Open {
    client: Arc<Client>,
    layout: Arc<Layout>,
    consumer: Consumer,
    /// Where pulls are asked for.
    requests: Subject,
    /// The inbox of a pull that is over, for the next one: to make another is work for the server as well.
    inbox: Mutex<Option<Inbox>>,
}

/// Where messages come for one pull at a time.
struct Inbox {
    name: Subject,
    messages: Subscriber,
}

impl Handle {
    /// Makes the consumer, or brings the one that is there to these terms.
    pub(super) async fn open(client: Arc<Client>, layout: Arc<Layout>, consumer: Consumer) -> Result<Self, Error> {
        let handle = Self::of(client, layout, consumer);
        handle.apply(handle.0.consumer.terms.limit).await?;
        Ok(handle)
    }

    /// A consumer that is there, as it is.
    pub(super) fn of(client: Arc<Client>, layout: Arc<Layout>, consumer: Consumer) -> Self {
        let requests = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", consumer.stream, consumer.name).into();
        Self(Arc::new(Open { client, layout, consumer, requests, inbox: Mutex::default() }))
    }

    async fn apply(&self, limit: Option<NonZeroU32>) -> Result<(), Error> {
        let Consumer { stream, name, filter, terms, .. } = &self.0.consumer;
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
        let made = self.0.layout.context.create_consumer_on_stream(config, stream).await;
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
        let until = Instant::now() + wait + GRACE;
        let pull = Pull { open: self.0.clone(), inbox: None, left: max.get(), until };
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
            let Consumer { stream, name, .. } = &self.0.consumer;
            let away = |error: &dyn std::error::Error| Error::Away(error.to_string().into());
            let stream = self.0.layout.context.get_stream_no_info(stream).await.map_err(|error| away(&error))?;
            Ok(stream.consumer_info(name).await.map_err(|error| away(&error))?.num_pending)
        })
    }

    fn set_limit(&self, limit: Option<NonZeroU32>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.apply(limit))
    }
}

impl Open {
    /// An inbox for which nothing is under way.
    async fn inbox(&self) -> Result<Inbox, Error> {
        let unused = self.unused().take();
        if let Some(inbox) = unused {
            return Ok(inbox);
        }
        let name = Subject::from(self.client.new_inbox());
        let messages = self.client.subscribe(name.clone()).await.map_err(away)?;
        Ok(Inbox { name, messages })
    }

    fn unused(&self) -> MutexGuard<'_, Option<Inbox>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn delivery(&self, message: async_nats::Message) -> Result<Delivery, Error> {
        let async_nats::Message { subject, reply, payload, headers, .. } = message;
        let consumer = &self.consumer;
        let lane = (consumer.lane)(&subject);
        let lane = lane.ok_or_else(|| Error::Refused(format!("subject {subject} names no lane").into()))?;
        let reply = reply.ok_or_else(|| Error::Refused("a message without an ack subject".into()))?;
        let told = ack::read(&reply);
        let told = told.ok_or_else(|| Error::Refused(format!("{reply} is no ack subject").into()))?;
        // Nothing that a stranger writes beside his message is believed: no id, and no claim on a payload of ours. Where
        // it lies and since when is an id, also where the stream was made anew and counts from the start.
        let place = || format!("{}/{}/{}", consumer.stream, told.place, told.stored_at.unix_nanos()).into();
        let headers = headers.as_ref().filter(|_| !consumer.is_foreign);
        let header = |name| Some(headers?.get(name)?.as_str().into());
        let id = header(MESSAGE_ID).or_else(|| header(NATS_MESSAGE_ID)).unwrap_or_else(place);
        let claim = self.layout.shelf.claim(headers);
        let payload = claim.clone().map_or(Payload::Here(payload), |claim| Payload::Aside(claim.into()));
        let lease = Arc::new(JetStreamLease { client: self.client.clone(), reply, claim });
        let (stored_at, deliveries, behind) = (Some(told.stored_at), told.deliveries, told.behind);
        Ok(Delivery { lane, id, payload, stored_at, deliveries, behind, lease })
    }
}

/// A request for messages under way.
struct Pull {
    open: Arc<Open>,
    /// Absent once the server has nothing more to send for it.
    inbox: Option<Inbox>,
    left: u32,
    until: Instant,
}

impl Pull {
    async fn ask(mut self, wait: Duration) -> Result<Self, Error> {
        let inbox = self.inbox.insert(self.open.inbox().await?);
        let expires = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX).max(1_000_000);
        let request = PullRequest { batch: self.left, expires, no_wait: true };
        let request = serde_json::to_vec(&request).map_err(|error| Error::Refused(error.into()))?;
        let (to, reply) = (self.open.requests.clone(), inbox.name.clone());
        self.open.client.publish_with_reply(to, reply, request.into()).await.map_err(away)?;
        Ok(self)
    }

    async fn next(&mut self) -> Option<Result<Delivery, Error>> {
        loop {
            if self.left == 0 {
                self.end();
            }
            let inbox = self.inbox.as_mut()?;
            let Ok(Some(message)) = timeout_at(self.until, inbox.messages.next()).await else {
                // The server's last word was lost with the connection, or there is no connection.
                tracing::debug!(lane = self.open.consumer.name, left = self.left, "a pull ended without a last word");
                self.inbox = None;
                return None;
            };
            match message.status {
                None => {
                    self.left -= 1;
                    return Some(self.open.delivery(message));
                }
                Some(StatusCode::IDLE_HEARTBEAT) => {}
                Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => self.end(),
                Some(status) => {
                    self.inbox = None;
                    let why = message.description.unwrap_or_default();
                    // A batch that ends early is an end like any other.
                    if status.as_u16() == 409 && (why.contains("Completed") || why.contains("Exceeded")) {
                        return None;
                    }
                    let name = &self.open.consumer.name;
                    return Some(Err(Error::Away(format!("lane {name}: the server answered {status} {why}").into())));
                }
            }
        }
    }

    /// The server has said its last word on this pull: nothing comes any more to its inbox until that is used again.
    fn end(&mut self) {
        if let Some(inbox) = self.inbox.take() {
            *self.open.unused() = Some(inbox);
        }
    }
}

impl Drop for Pull {
    /// What is on the way here is given back: the server learns that nobody listens, and what it sent before that is
    /// returned.
    fn drop(&mut self) {
        let (Some(inbox), Ok(runtime)) = (self.inbox.take(), tokio::runtime::Handle::try_current()) else { return };
        let (client, mut messages, until) = (self.open.client.clone(), inbox.messages, self.until);
        // Drop cannot await; the task ends with the flush, or at `until`, and the connection is not closed before.
        self.open.layout.returning.spawn_on(
            async move {
                if messages.drain().await.is_err() {
                    return;
                }
                while let Ok(Some(message)) = timeout_at(until, messages.next()).await {
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
pub(super) fn headers(pairs: impl IntoIterator<Item = (HeaderName, String)>) -> async_nats::HeaderMap {
    let mut headers = async_nats::HeaderMap::new();
    for (name, value) in pairs {
        headers.insert(name, value);
    }
    headers
}
