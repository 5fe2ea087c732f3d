//! The server as a [`Records`] port: the last message of a call's subject is its record, and whoever wants to know
//! listens to the subject.

use std::time::Duration;

use actors::port::broker::{Error, Stored};
use actors::port::records::Recorded;
use actors::port::{BoxFuture, BoxStream, Records};
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID, NATS_MESSAGE_TTL};
use futures_util::{FutureExt, StreamExt};
use proto::{CallId, Record};
use tokio::time::timeout;

use super::JetStream;
use super::lane::headers;
use super::publish::{listen, store};
use super::read::At;

/// How long a client without a connection may take to take a note: then it is lost.
const NOTED_WITHIN: Duration = Duration::from_millis(100);

impl JetStream {
    async fn read_record(&self, call: &CallId) -> Result<Option<Recorded>, Error> {
        let subjects = &self.layout.settings.subjects;
        let found = self.layout.reader.message(&subjects.calls_stream(), At::Last(subjects.call(call))).await?;
        let Some(found) = found else { return Ok(None) };
        let record = Record::decode(&found.payload).map_err(|error| Error::Refused(error.into()))?;
        Ok(Some(Recorded { record, revision: found.number }))
    }
}

impl Records for JetStream {
    fn note(&self, record: &Record, over: u64, keep_for: Duration) -> BoxFuture<'_, ()> {
        let (subject, call) = (self.layout.settings.subjects.call(&record.id), record.id.clone());
        let headers = headers([
            (NATS_EXPECTED_LAST_SUBJECT_SEQUENCE.as_ref(), over.to_string()),
            (NATS_MESSAGE_TTL.as_ref(), ttl(keep_for)),
        ]);
        let sent = timeout(NOTED_WITHIN, self.client.publish_with_headers(subject, headers, record.encode()));
        // Without a reply subject the server answers nobody, also if the record is another one by then.
        sent.map(move |sent| {
            if !matches!(sent, Ok(Ok(()))) {
                tracing::debug!(%call, "where a call is could not be noted");
            }
        })
        .boxed()
    }

    fn end(&self, record: &Record, id: String, keep_for: Duration) -> BoxFuture<'_, Result<Stored, Error>> {
        let (subject, payload, lane) = (self.layout.settings.subjects.call(&record.id), record.encode(), record.lane());
        Box::pin(async move {
            let headers = headers([(NATS_MESSAGE_ID.as_ref(), id), (NATS_MESSAGE_TTL.as_ref(), ttl(keep_for))]);
            store(&self.client, subject, headers, payload, &lane).await
        })
    }

    fn record(&self, call: &CallId) -> BoxFuture<'_, Result<Option<Recorded>, Error>> {
        let call = call.clone();
        Box::pin(async move { self.read_record(&call).await })
    }

    fn changes(&self, call: &CallId) -> BoxFuture<'_, Result<BoxStream<'static, ()>, Error>> {
        let subject = self.layout.settings.subjects.call(call);
        Box::pin(async move {
            let notes = listen(&self.client, subject).await?;
            Ok(notes.map(|_| ()).boxed())
        })
    }
}

/// As nats-server reads it, in whole seconds; it knows nothing shorter than one.
fn ttl(keep_for: Duration) -> String {
    format!("{}s", keep_for.as_secs().max(1))
}
