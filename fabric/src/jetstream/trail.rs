//! Where changes are told: a stream of their own, which nothing here reads.

use actors::port::{BoxFuture, broker};
use async_nats::Client;
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use bytes::Bytes;

use super::publish::away;
use super::{Error, JetStream};
use crate::audit;

/// A stream of changes.
pub struct Trail {
    context: Context,
    client: Client,
    subject: String,
    /// What the stream takes, in bytes, if it takes less than the server.
    stream_max: usize,
}

/// What is beside the message in what is published, in bytes.
const HEADROOM: usize = 512;

impl Trail {
    /// The stream of that name, made if it is missing: it keeps everything until somebody says otherwise.
    ///
    /// # Errors
    /// [`Error::Stream`].
    pub async fn open(store: &JetStream, name: String) -> Result<Self, Error> {
        let layout = &store.layout;
        let subject = layout.settings.subjects.audit();
        let wanted = Config {
            name: name.clone(),
            subjects: vec![subject.clone()],
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            storage: StorageType::File,
            num_replicas: layout.settings.replicas,
            ..Config::default()
        };
        let failed = |why: String| Error::Stream { stream: name.clone(), why };
        let found = layout.context.get_or_create_stream(wanted).await.map_err(|error| failed(error.to_string()))?;
        if !found.cached_info().config.subjects.contains(&subject) {
            return Err(failed(format!("it is there and does not take {subject}: name another one")));
        }
        // It is -1 where nobody has said it.
        let stream_max = usize::try_from(found.cached_info().config.max_message_size);
        let stream_max = stream_max.ok().filter(|max| *max > 0).unwrap_or(usize::MAX);
        Ok(Self { context: layout.context.clone(), client: store.client.clone(), subject, stream_max })
    }
}

impl audit::Trail for Trail {
    fn keep(&self, message: Bytes) -> BoxFuture<'_, Result<(), broker::Error>> {
        Box::pin(async move {
            let kept = self.context.publish(self.subject.clone(), message).await.map_err(away)?;
            kept.await.map_err(away).map(drop)
        })
    }

    fn len_max(&self) -> usize {
        self.client.max_payload().min(self.stream_max).saturating_sub(HEADROOM)
    }
}
