//! A subject on which an OpenFaaS gateway stores calls, as an [`Intake`] port.
//!
//! The stream belongs to whoever fills it. It is found by its subject, never made and never changed; of its own this has
//! one durable consumer there, which all workers share and the server keeps.

use std::sync::Arc;

use actors::port::broker::{Error, Terms};
use actors::port::{BoxFuture, Intake as Port, Lane};
use async_nats::jetstream::consumer::{AckPolicy, Config, DeliverPolicy, pull};
use async_nats::jetstream::context::GetStreamByNameErrorKind;
use async_nats::jetstream::stream::{Info, RetentionPolicy, Stream};
use futures_util::TryStreamExt;
use proto::{Function, LaneKey, Queue};

use super::JetStream;
use super::lane::{Consumer, Handle};
use super::publish::away;

/// Where a stream is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Everything that is in it.
    All,
    /// What comes from now on.
    New,
}

/// One subject.
pub struct Intake {
    store: Arc<JetStream>,
    subject: String,
    begin: Option<Begin>,
}

impl Intake {
    /// The calls on `subject`, from `begin` on where nothing else says how far they were read.
    #[must_use]
    pub fn new(store: Arc<JetStream>, subject: String, begin: Option<Begin>) -> Self {
        Self { store, subject, begin }
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
            is_foreign: true,
        };
        Ok(Arc::new(Handle::of(Arc::new(self.store.client.clone()), layout.clone(), consumer)))
    }

    /// Makes the consumer.
    async fn join(&self, stream: &Stream, info: &Info, durable: &str, terms: Terms) -> Result<(), Error> {
        let deliver_policy = self.from(stream, info).await?;
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

impl Intake {
    /// Where to begin. A stream that keeps what was read holds calls that were run: all of them, if nobody can say how
    /// far that was.
    async fn from(&self, stream: &Stream, info: &Info) -> Result<DeliverPolicy, Error> {
        let name = &info.config.name;
        if info.config.retention != RetentionPolicy::Limits || info.state.messages == 0 {
            return Ok(DeliverPolicy::All);
        }
        let mut done = None;
        let mut consumers = stream.consumers();
        while let Some(other) = consumers.try_next().await.map_err(away)? {
            if is_worker(&other.config, &self.subject) {
                done = done.max(Some(other.ack_floor.stream_sequence));
            }
        }
        if let Some(done) = done {
            tracing::warn!(
                stream = name,
                done,
                "somebody has read this stream, and it keeps what was read: what comes after that is taken in; whoever \
                 still reads it runs the same calls"
            );
            return Ok(DeliverPolicy::ByStartSequence { start_sequence: done + 1 });
        }
        match self.begin {
            Some(Begin::All) => Ok(DeliverPolicy::All),
            Some(Begin::New) => Ok(DeliverPolicy::New),
            None => {
                let why = format!(
                    "stream {name} keeps what was read, and no consumer says how far that was: --openfaas-from all \
                     runs every call in it, --openfaas-from new those that come from now on"
                );
                Err(Error::Refused(why.into()))
            }
        }
    }
}

/// Whether a consumer is one of those who run the calls on a subject, and remember which they have run.
fn is_worker(config: &Config, subject: &str) -> bool {
    let all = config.filter_subjects.iter().chain([&config.filter_subject].into_iter().filter(|it| !it.is_empty()));
    let mut filters = all.peekable();
    let is_for_us = filters.peek().is_none() || filters.any(|filter| takes_in(filter, subject));
    config.durable_name.is_some() && config.ack_policy != AckPolicy::None && is_for_us
}

/// Whether a filter lets a subject through (pure).
fn takes_in(filter: &str, subject: &str) -> bool {
    let (mut wanted, mut given) = (filter.split('.'), subject.split('.'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) | (Some(">"), Some(_)) => return true,
            (Some(wanted), Some(given)) if wanted == "*" || wanted == given => {}
            _ => return false,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_run_the_same_calls_are_told_from_others() {
        let config = |durable: Option<&str>, filter: &str, ack_policy| Config {
            durable_name: durable.map(Into::into),
            filter_subject: filter.into(),
            ack_policy,
            ..Config::default()
        };
        let worker = Some("faas-workers");
        for (filter, is_ours) in [
            ("", true),
            ("faas-request", true),
            ("*", true),
            (">", true),
            ("slow-queue", false),
            ("faas-request.*", false),
        ] {
            assert_eq!(is_worker(&config(worker, filter, AckPolicy::Explicit), "faas-request"), is_ours, "{filter}");
        }
        assert!(!is_worker(&config(None, "", AckPolicy::Explicit), "faas-request"), "somebody who looks");
        assert!(!is_worker(&config(worker, "", AckPolicy::None), "faas-request"), "somebody who keeps no account");
        let both = Config { filter_subjects: vec!["a".into(), "b".into()], ..config(worker, "", AckPolicy::All) };
        assert!(is_worker(&both, "b") && !is_worker(&both, "c"));
    }
}
