//! Where changes are told: a stream of their own, which nothing here reads.

use actors::port::{BoxFuture, broker};
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use bytes::Bytes;

use super::publish::away;
use super::{Error, JetStream};
use crate::audit;

/// A stream of changes.
pub struct Trail {
    context: Context,
    subject: String,
}

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
        Ok(Self { context: layout.context.clone(), subject })
    }
}

impl audit::Trail for Trail {
    fn keep(&self, message: Bytes) -> BoxFuture<'_, Result<(), broker::Error>> {
        Box::pin(async move {
            let kept = self.context.publish(self.subject.clone(), message).await.map_err(away)?;
            kept.await.map_err(away).map(drop)
        })
    }
}
