//! Payloads that are larger than the server takes: kept aside in an object store, the message carrying only a claim
//! on them (Hohpe and Woolf, "Claim Check", Enterprise Integration Patterns).
//!
//! | order | a crash after it leaves |
//! |---|---|
//! | the object is stored | an object nobody has a claim on, until the store forgets it |
//! | the message with the claim is stored | both, as it should be |
//! | the message is settled | the object, as above |
//! | the object is removed | nothing |
//!
//! Every message has an object of its own, so no count of claims is kept that could be wrong.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use actors::port::broker::{Error, Stored};
use actors::port::{Aside, BoxFuture};
use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::object_store::{self, GetErrorKind, ObjectStore};
use async_nats::jetstream::stream::StorageType;
use bytes::Bytes;
use proto::subject::Subjects;
use tokio::io::AsyncReadExt;
use uuid::Uuid;

use super::publish::away;

/// The header that holds a claim.
const CLAIM: &str = "Fabric-Claim";
/// How long an object is kept: as long as a dead letter, the message that lasts longest.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The object store.
#[derive(Clone)]
pub(super) struct Objects {
    context: Context,
    bucket: String,
}

impl Objects {
    pub(super) fn new(context: Context, subjects: &Subjects) -> Self {
        Self { context, bucket: subjects.payloads_bucket() }
    }

    /// Makes the store if it is missing.
    ///
    /// # Errors
    /// What the server says.
    pub(super) async fn prepare(&self, replicas: usize) -> Result<(), super::Error> {
        if self.context.get_object_store(&self.bucket).await.is_ok() {
            return Ok(());
        }
        let wanted = object_store::Config {
            bucket: self.bucket.clone(),
            max_age: KEPT_FOR,
            storage: StorageType::File,
            num_replicas: replicas,
            ..object_store::Config::default()
        };
        let made = self.context.create_object_store(wanted).await;
        // Another process that starts now may have been quicker.
        if let Err(error) = made
            && self.context.get_object_store(&self.bucket).await.is_err()
        {
            return Err(super::Error::Stream { stream: self.bucket.clone(), why: error.to_string() });
        }
        Ok(())
    }

    /// Keeps `payload` aside; the claim on it.
    pub(super) async fn put(&self, payload: Bytes) -> Result<Claim, Error> {
        let name = Uuid::now_v7().simple().to_string();
        self.store().await?.put(name.as_str(), &mut Cursor::new(payload)).await.map_err(away)?;
        Ok(Claim { objects: self.clone(), name })
    }

    /// The claim that a message carries, if it carries one.
    pub(super) fn claim(&self, headers: Option<&HeaderMap>) -> Option<Claim> {
        let name = headers?.get(CLAIM)?.to_string();
        Some(Claim { objects: self.clone(), name })
    }

    async fn store(&self) -> Result<ObjectStore, Error> {
        self.context.get_object_store(&self.bucket).await.map_err(away)
    }
}

/// A claim on a payload that is kept aside.
#[derive(Clone)]
pub(super) struct Claim {
    objects: Objects,
    name: String,
}

impl Claim {
    /// Has a message carry it.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(CLAIM, self.name.as_str());
    }

    /// The message that was to carry it was stored, or not. Where that is not known the object stays.
    pub(super) async fn settle(self, stored: &Result<Stored, Error>) {
        match stored {
            Ok(Stored::New) | Err(Error::Away(_)) => {}
            Ok(Stored::Duplicate) | Err(_) => self.remove().await,
        }
    }

    /// Nobody needs it any more. One that cannot be removed now is forgotten by the store in time.
    pub(super) async fn remove(self) {
        let removed = match self.objects.store().await {
            Ok(store) => store.delete(&self.name).await.map_err(away),
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            tracing::debug!(object = self.name, %error, "a payload that was kept aside could not be removed");
        }
    }

    async fn read(self) -> Result<Bytes, Error> {
        let store = self.objects.store().await?;
        let mut object = match store.get(&self.name).await {
            Ok(object) => object,
            Err(error) if error.kind() == GetErrorKind::NotFound => {
                let lost = format!("the payload was kept aside as object {}, which is gone", self.name);
                return Err(Error::Refused(lost.into()));
            }
            Err(error) => return Err(away(error)),
        };
        let mut payload = Vec::with_capacity(object.info().size);
        object.read_to_end(&mut payload).await.map_err(away)?;
        Ok(payload.into())
    }
}

impl Aside for Claim {
    fn fetch(&self) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(self.clone().read())
    }
}

impl From<Claim> for Arc<dyn Aside> {
    fn from(claim: Claim) -> Self {
        Arc::new(claim)
    }
}
