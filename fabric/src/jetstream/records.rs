//! The server as a [`Records`] port: the last message of a call's subject is its record, or it is one of many in a
//! [page](super::pages); whoever wants to know listens to both subjects.

use std::time::Duration;

use actors::port::broker::{Error, Stored};
use actors::port::records::Recorded;
use actors::port::{BoxFuture, BoxStream, Records};
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID, NATS_MESSAGE_TTL};
use futures_util::{FutureExt, StreamExt, stream};
use proto::page::Window;
use proto::{CallId, Record, page};
use tokio::time::timeout;

use super::JetStream;
use super::lane::headers;
use super::pages::{Entry, mentions};
use super::publish::{listen, store, ttl};
use super::read::At;

/// How long it is known at least that a call was accepted, if nothing else happens to it: a little longer than it may be
/// tried for.
const ACCEPTED_FOR: Duration = Duration::from_secs(25 * 3600);
/// How long a client without a connection may take to take a note: then it is lost.
const NOTED_WITHIN: Duration = Duration::from_millis(100);

impl JetStream {
    async fn read_record(&self, call: &CallId) -> Result<Option<Recorded>, Error> {
        let Some(told) = self.read_once(call).await? else { return Ok(None) };
        if self.is_in_its_place(&told.record).await? {
            return Ok(Some(told));
        }
        // It has left its lane since; if its end is not told, that has had its time.
        Ok(self.read_once(call).await?.filter(|told| told.record.state.is_final() || told.record.place.is_none()))
    }

    async fn read_once(&self, call: &CallId) -> Result<Option<Recorded>, Error> {
        let alone = self.read_alone(call).await?;
        if alone.as_ref().is_some_and(|alone| alone.record.state.is_final()) {
            return Ok(alone);
        }
        let (alone, revision) = alone.map_or((None, 0), |alone| (Some(alone.record), alone.revision));
        let told = alone.into_iter().chain(self.pages.told(call).await?);
        Ok(page::latest(told).map(|record| Recorded { record, revision }))
    }

    async fn read_alone(&self, call: &CallId) -> Result<Option<Recorded>, Error> {
        let subjects = &self.layout.settings.subjects;
        let found = self.layout.reader.message(&subjects.calls_stream(), At::Last(subjects.call(call))).await?;
        let Some(found) = found else { return Ok(None) };
        let record = Record::decode(&found.payload).map_err(|error| Error::Refused(error.into()))?;
        Ok(Some(Recorded { record, revision: found.number }))
    }

    /// Whether a call is where its record says that it waits, or is at its end.
    async fn is_in_its_place(&self, record: &Record) -> Result<bool, Error> {
        match record.place {
            Some(place) if !record.state.is_final() => self.lies_at(record, place).await,
            _ => Ok(true),
        }
    }
}

impl Records for JetStream {
    fn note(&self, record: &Record, over: u64, keep_for: Duration) -> BoxFuture<'_, ()> {
        let (subject, call) = (self.layout.settings.subjects.call(&record.id), record.id.clone());
        let headers =
            headers([(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, over.to_string()), (NATS_MESSAGE_TTL, ttl(keep_for))]);
        let sent = timeout(NOTED_WITHIN, self.client.publish_with_headers(subject, headers, record.encode()));
        // Without a reply subject the server answers nobody, also if the record is another one by then.
        sent.map(move |sent| {
            if !matches!(sent, Ok(Ok(()))) {
                tracing::debug!(%call, "where a call is could not be noted");
            }
        })
        .boxed()
    }

    fn note_accepted(&self, record: &Record, keep_for: Duration) -> BoxFuture<'_, ()> {
        match Entry::of(record, keep_for.max(ACCEPTED_FOR)) {
            Some(entry) => {
                self.pages.note(record.id.clone(), entry);
                std::future::ready(()).boxed()
            }
            None => self.note(record, 0, keep_for.max(ACCEPTED_FOR)),
        }
    }

    fn end_first(&self, record: &Record, keep_for: Duration) -> BoxFuture<'_, Result<Stored, Error>> {
        match Entry::of(record, keep_for).filter(|_| self.pages.is_open()) {
            Some(entry) => Box::pin(self.pages.end(entry)),
            None => self.end(record, record.end_id(), keep_for),
        }
    }

    fn end(&self, record: &Record, id: String, keep_for: Duration) -> BoxFuture<'_, Result<Stored, Error>> {
        let (subject, payload, lane) = (self.layout.settings.subjects.call(&record.id), record.encode(), record.lane());
        Box::pin(async move {
            let headers = headers([(NATS_MESSAGE_ID, id), (NATS_MESSAGE_TTL, ttl(keep_for))]);
            store(&self.client, subject, headers, payload, &lane).await
        })
    }

    fn record(&self, call: &CallId) -> BoxFuture<'_, Result<Option<Recorded>, Error>> {
        let call = call.clone();
        Box::pin(async move { self.read_record(&call).await })
    }

    fn noted(&self, call: &CallId) -> BoxFuture<'_, Result<Option<Recorded>, Error>> {
        let call = call.clone();
        Box::pin(async move { self.read_alone(&call).await })
    }

    fn changes(&self, call: &CallId) -> BoxFuture<'_, Result<BoxStream<'static, ()>, Error>> {
        let subjects = &self.layout.settings.subjects;
        let (call, alone) = (call.clone(), subjects.call(call));
        let together = Window::of(&call).map(|window| subjects.page(window));
        Box::pin(async move {
            let notes = listen(&self.client, alone).await?.map(|_| ());
            let Some(together) = together else { return Ok(notes.boxed()) };
            let pages = listen(&self.client, together).await?;
            let pages = pages.filter_map(move |page| std::future::ready(mentions(&page.payload, &call).then_some(())));
            Ok(stream::select(notes, pages).boxed())
        })
    }

    fn told(&self) -> BoxFuture<'_, Result<BoxStream<'static, Record>, Error>> {
        let subjects = &self.layout.settings.subjects;
        let (alone, together) = (subjects.calls_filter(), subjects.pages_filter());
        Box::pin(async move {
            let alone = listen(&self.client, alone).await?;
            let alone = alone.filter_map(|it| std::future::ready(Record::decode(&it.payload).ok()));
            let together = listen(&self.client, together).await?;
            let together = together.flat_map(|it| stream::iter(page::read(&it.payload)));
            Ok(stream::select(alone, together).boxed())
        })
    }
}
