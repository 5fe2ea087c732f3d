//! The server as a [`Broker`] port.

use std::sync::Arc;

use actors::call::plan;
use actors::port::broker::{Backlog, Error, Message, Stored, Terms};
use actors::port::{BoxFuture, BoxStream, Broker, Lane};
use async_nats::connection::State;
use async_nats::header::{HeaderName, NATS_EXPECTED_STREAM, NATS_MESSAGE_ID, NATS_SCHEDULE, NATS_SCHEDULE_TARGET};
use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use proto::{CallId, Function, LaneKey, Queue, Record, Timestamp};

use super::lane::{Consumer, Handle, MESSAGE_ID, headers};
use super::publish::{away, listen, store};
use super::read::{At, Found};
use super::{JetStream, error, hints};

/// What headers, the protocol and a schedule add to a payload, at the most.
const HEADERS: usize = 8 * 1024;
/// The consumer of what is due.
const DUE_CONSUMER: &str = "due";

impl JetStream {
    /// Puts a message into its lane; its id goes into the header `id_as`.
    async fn put_ready(&self, message: Message, id_as: HeaderName) -> Result<Stored, Error> {
        let Message { lane, id, payload } = message;
        let place = self.layout.ready_place(&lane).await.map_err(unavailable)?;
        let headers = headers([(id_as, id), (NATS_EXPECTED_STREAM, place.stream.clone())]);
        let stored = self.keep(place.subject.clone(), headers, payload, &lane).await;
        match &stored {
            Ok(_) => self.hints.hint(&lane).await,
            // Perhaps somebody removed the stream: the next publish looks, and makes it again.
            Err(Error::Away(_)) => self.layout.forget(&place.stream),
            Err(_) => {}
        }
        stored
    }

    async fn put_later(&self, message: Message, call: &CallId, due: Timestamp) -> Result<Stored, Error> {
        let Message { lane, id, payload } = message;
        let subjects = &self.layout.settings.subjects;
        let target = subjects.due(&lane, self.layout.shard(&lane).await.map_err(unavailable)?);
        let headers = headers([
            (NATS_SCHEDULE, format!("@at {due}")),
            (NATS_SCHEDULE_TARGET, target),
            (NATS_MESSAGE_ID, id.clone()),
            (MESSAGE_ID, id),
        ]);
        self.keep(subjects.later(&lane, call).into(), headers, payload, &lane).await
    }

    async fn take_from_later(&self, lane: &LaneKey, call: &CallId) -> Result<bool, Error> {
        let subjects = &self.layout.settings.subjects;
        let (stream, subject) = (subjects.later_stream(), subjects.later(lane, call));
        let Some(found) = self.layout.reader.message(&stream, At::Last(subject.clone())).await? else {
            return Ok(false);
        };
        let stream = self.layout.context.get_stream_no_info(stream).await.map_err(away)?;
        let purged = stream.purge().filter(subject).await.map_err(away)?.purged > 0;
        self.forget_claim(purged, &found).await;
        Ok(purged)
    }

    /// The stream and the message, if it lies there.
    async fn ready_at(&self, lane: &LaneKey, place: u64, id: &str) -> Result<(String, Option<Found>), Error> {
        let shard = self.layout.shard(lane).await.map_err(unavailable)?;
        let stream = self.layout.ready_stream(&lane.queue, shard).await.map_err(unavailable)?;
        let found = self.layout.reader.message(&stream, At::Number(place)).await?;
        let same = |found: &Found| {
            let header = |name: HeaderName| found.headers.get(name).map(|value| value.as_str() == id);
            found.subject == self.layout.settings.subjects.ready(lane, shard)
                && header(MESSAGE_ID).or_else(|| header(NATS_MESSAGE_ID)) == Some(true)
        };
        Ok((stream, found.filter(same)))
    }

    async fn before(&self, lane: &LaneKey, place: u64) -> Result<Option<u64>, Error> {
        let shard = self.layout.shard(lane).await.map_err(unavailable)?;
        let stream = self.layout.ready_stream(&lane.queue, shard).await.map_err(unavailable)?;
        let subject = self.layout.settings.subjects.ready(lane, shard);
        let reader = &self.layout.reader;
        let Some((number, behind)) = reader.after(&stream, &subject, place).await? else { return Ok(None) };
        let Some((_, all_but_first)) = reader.after(&stream, &subject, 1).await? else { return Ok(None) };
        // One may have gone between the two questions.
        Ok((number == place).then(|| all_but_first.saturating_sub(behind)))
    }

    /// Whether the message of a record lies at this place.
    pub(super) async fn lies_at(&self, record: &Record, place: u64) -> Result<bool, Error> {
        let id = plan::known(record).message_id();
        Ok(self.ready_at(&record.lane(), place, &id).await?.1.is_some())
    }

    async fn take_from_ready(&self, lane: &LaneKey, place: u64, id: &str) -> Result<bool, Error> {
        let (stream, found) = self.ready_at(lane, place, id).await?;
        let Some(found) = found else { return Ok(false) };
        let deleted = self.delete(&stream, place).await?;
        self.forget_claim(deleted, &found).await;
        Ok(deleted)
    }

    /// What was kept aside for a message goes with it.
    async fn forget_claim(&self, gone: bool, found: &Found) {
        if gone && let Some(claim) = self.layout.shelf.claim(Some(&found.headers)) {
            claim.remove().await;
        }
    }

    /// Stores a message, its payload aside if the server would not take it.
    pub(super) async fn keep(
        &self,
        subject: Subject,
        mut headers: HeaderMap,
        payload: Bytes,
        lane: &LaneKey,
    ) -> Result<Stored, Error> {
        if payload.len() > self.payload_len_max() {
            return Err(Error::TooLarge { limit: self.payload_len_max() });
        }
        let one_piece = self.client.max_payload().saturating_sub(HEADERS).max(1);
        if payload.len() <= one_piece {
            return store(&self.client, subject, headers, payload, lane).await;
        }
        let aside = async {
            let claim = self.layout.shelf.put(payload, one_piece, lane).await?;
            claim.write(&mut headers);
            let stored = store(&self.client, subject, headers, Bytes::new(), lane).await;
            claim.settle(&stored).await;
            stored
        };
        Box::pin(aside).await
    }

    async fn open(&self, consumer: Consumer) -> Result<Arc<dyn Lane>, Error> {
        Ok(Arc::new(Handle::open(Arc::new(self.client.clone()), self.layout.clone(), consumer).await?))
    }

    async fn ready_consumer(&self, lane: &LaneKey, terms: Terms) -> Result<Consumer, Error> {
        let subjects = self.layout.settings.subjects.clone();
        let shard = self.layout.shard(lane).await.map_err(unavailable)?;
        Ok(Consumer {
            stream: self.layout.ready_stream(&lane.queue, shard).await.map_err(unavailable)?,
            name: subjects.lane_consumer(lane),
            filter: subjects.ready(lane, shard),
            terms,
            lane: {
                // The filter lets through nothing else.
                let lane = lane.clone();
                Arc::new(move |_| Some(lane.clone()))
            },
            is_foreign: false,
        })
    }

    fn due_consumer(&self, terms: Terms) -> Consumer {
        let subjects = self.layout.settings.subjects.clone();
        Consumer {
            stream: subjects.later_stream(),
            name: DUE_CONSUMER.into(),
            filter: subjects.due_filter(),
            terms,
            lane: Arc::new(move |subject| subjects.parse_due(subject).map(|(lane, _)| lane)),
            is_foreign: false,
        }
    }

    async fn waiting(&self, queue: &Queue) -> Result<Vec<Backlog>, Error> {
        let mut backlog = Vec::new();
        let subjects = &self.layout.settings.subjects;
        for shard in 0..self.layout.known_shards(queue).await.map_err(unavailable)?.unwrap_or_default() {
            let stream = self.layout.ready_stream(queue, shard).await.map_err(unavailable)?;
            let stream = self.layout.context.get_stream_no_info(stream).await.map_err(away)?;
            let mut counts = stream.info_with_subjects(subjects.ready_filter(queue, shard)).await.map_err(away)?;
            while let Some((subject, messages)) = counts.try_next().await.map_err(away)? {
                match subjects.parse_ready(&subject) {
                    Some((lane, _)) => backlog.push(Backlog { function: lane.function, messages: messages as u64 }),
                    None => tracing::warn!(subject, "a message lies where no function's messages do"),
                }
            }
        }
        Ok(backlog)
    }
}

impl Broker for JetStream {
    fn outage(&self) -> Option<Error> {
        // What the client tells comes late or, where there is very much of it, never.
        self.outage.error().filter(|_| self.client.connection_state() != State::Connected)
    }

    fn publish(&self, message: Message) -> BoxFuture<'_, Result<Stored, Error>> {
        Box::pin(self.put_ready(message, NATS_MESSAGE_ID))
    }

    fn publish_once(&self, message: Message) -> BoxFuture<'_, Result<Stored, Error>> {
        Box::pin(self.put_ready(message, MESSAGE_ID))
    }

    fn schedule(&self, message: Message, call: &CallId, due: Timestamp) -> BoxFuture<'_, Result<Stored, Error>> {
        let call = call.clone();
        Box::pin(async move { self.put_later(message, &call, due).await })
    }

    fn unschedule(&self, lane: &LaneKey, call: &CallId) -> BoxFuture<'_, Result<bool, Error>> {
        let (lane, call) = (lane.clone(), call.clone());
        Box::pin(async move { self.take_from_later(&lane, &call).await })
    }

    fn withdraw(&self, lane: &LaneKey, place: u64, id: &str) -> BoxFuture<'_, Result<bool, Error>> {
        let (lane, id) = (lane.clone(), id.to_owned());
        Box::pin(async move { self.take_from_ready(&lane, place, &id).await })
    }

    fn ahead(&self, lane: &LaneKey, place: u64) -> BoxFuture<'_, Result<Option<u64>, Error>> {
        let lane = lane.clone();
        Box::pin(async move { self.before(&lane, place).await })
    }

    fn lane(&self, lane: &LaneKey, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, Error>> {
        let lane = lane.clone();
        Box::pin(async move { self.open(self.ready_consumer(&lane, terms).await?).await })
    }

    fn due(&self, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, Error>> {
        Box::pin(self.open(self.due_consumer(terms)))
    }

    fn hint<'a>(&'a self, lane: &'a LaneKey) -> BoxFuture<'a, ()> {
        Box::pin(self.hints.hint(lane))
    }

    fn backlog(&self, queue: &Queue) -> BoxFuture<'_, Result<Vec<Backlog>, Error>> {
        let queue = queue.clone();
        Box::pin(async move { self.waiting(&queue).await })
    }

    fn wakes(&self, queue: &Queue) -> BoxFuture<'_, Result<BoxStream<'static, Function>, Error>> {
        let subject = self.layout.settings.subjects.wake(queue);
        Box::pin(async move {
            let wakes = listen(&self.client, subject).await?;
            Ok(wakes.filter_map(|hint| std::future::ready(hints::read(&hint.payload))).boxed())
        })
    }

    fn payload_len_max(&self) -> usize {
        self.layout.settings.payload_len_max
    }
}

/// A stream that cannot be made now may be later; one that would lose messages is an operator's to mend.
pub(super) fn unavailable(error: error::Error) -> Error {
    match error {
        error::Error::Unsafe { .. }
        | error::Error::Shards { .. }
        | error::Error::Denied { .. }
        | error::Error::NotMade { .. } => Error::Refused(error.into()),
        other => Error::Away(other.into()),
    }
}
