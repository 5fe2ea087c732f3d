//! A subject on which an OpenFaaS gateway stores calls, as an [`Intake`] port.
//!
//! The stream belongs to whoever fills it. It is found by its subject, never made and never changed; of its own this has
//! one durable consumer there, which all workers share and the server keeps.

use std::sync::Arc;

use actors::port::broker::{Error, Terms};
use actors::port::{BoxFuture, Intake as Port, Lane};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::context::GetStreamByNameErrorKind;
use async_nats::jetstream::stream::{Info, RetentionPolicy, Stream};
use proto::{Function, LaneKey, Queue};

use super::JetStream;
use super::lane::{Consumer, Handle};
use super::publish::away;

/// One subject.
pub struct Intake {
    store: Arc<JetStream>,
    subject: String,
}

impl Intake {
    /// The calls on `subject`.
    #[must_use]
    pub fn new(store: Arc<JetStream>, subject: String) -> Self {
        Self { store, subject }
    }

    async fn open(&self, terms: Terms) -> Result<Arc<dyn Lane>, Error> {
        let layout = &self.store.layout;
        let subject = &self.subject;
        let name = layout.context.stream_by_subject(subject.clone()).await.map_err(|error| match error.kind() {
            GetStreamByNameErrorKind::NotFound => missing(subject),
            _ => away(error),
        })?;
        let mut stream = layout.context.get_stream(name).await.map_err(away)?;
        let stands_for = Function::for_subject(subject);
        let durable = layout.settings.subjects.intake_consumer(&stands_for);
        let info = stream.info().await.map_err(away)?.clone();
        if stream.consumer_info(&durable).await.is_err() {
            self.join(&stream, &info, &durable, terms).await?;
        }
        let lane = LaneKey::new(Queue::default(), stands_for);
        let consumer = Consumer {
            stream: info.config.name,
            name: durable,
            filter: subject.clone(),
            terms,
            lane: Arc::new(move |_| Some(lane.clone())),
        };
        Ok(Arc::new(Handle::of(Arc::new(self.store.client.clone()), layout.clone(), consumer)))
    }

    /// Makes the consumer. A stream that keeps what was read, and that somebody has been reading, holds calls that were
    /// run: of that only what comes from now on.
    async fn join(&self, stream: &Stream, info: &Info, durable: &str, terms: Terms) -> Result<(), Error> {
        let keeps_what_was_read = info.config.retention == RetentionPolicy::Limits;
        let others = info.state.consumer_count;
        let deliver_policy = if keeps_what_was_read && others > 0 { DeliverPolicy::New } else { DeliverPolicy::All };
        if deliver_policy == DeliverPolicy::New {
            tracing::warn!(
                stream = info.config.name,
                others,
                "somebody else reads this stream, and it keeps what was read: only what comes from now on is taken in, \
                 and whoever else still reads it runs the same calls"
            );
        }
        let config = pull::Config {
            durable_name: Some(durable.into()),
            description: Some("Fabric takes in the calls of an OpenFaaS gateway".into()),
            filter_subject: self.subject.clone(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: terms.lease,
            max_deliver: -1,
            max_ack_pending: -1,
            deliver_policy,
            ..pull::Config::default()
        };
        let made = stream.create_consumer(config).await;
        made.map(drop).map_err(|error| {
            let stream = &info.config.name;
            Error::Away(
                format!(
                    "stream {stream} cannot be read: {error}; if OpenFaaS's queue-worker reads it, stop that first"
                )
                .into(),
            )
        })
    }
}

impl Port for Intake {
    fn subject(&self) -> &str {
        &self.subject
    }

    fn open(&self, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, Error>> {
        Box::pin(self.open(terms))
    }
}

/// Nobody has made it yet, or it has another name.
fn missing(subject: &str) -> Error {
    let why = format!(
        "no stream takes in subject {subject}, of --openfaas-subject: the OpenFaaS gateway makes it when it starts, or \
         publishes to another one (nats stream ls); looking again"
    );
    Error::Away(why.into())
}
