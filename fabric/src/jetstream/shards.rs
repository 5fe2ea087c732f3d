//! How many streams a queue is spread over: a record of the queue, not a setting of each process, because processes
//! that disagreed would look for a function's messages in different streams.
//!
//! The number is set when the queue is made. It can be raised while nothing waits in the queue and no other process
//! is alive (each remembers the number for as long as it lives); anything else would strand messages, and is refused.

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock};

use async_nats::jetstream::Context;
use async_nats::jetstream::kv::Store;
use futures_util::TryStreamExt;
use proto::Queue;
use proto::subject::Subjects;
use serde::{Deserialize, Serialize};

use super::Error;
use super::publish::is_missing;

/// A queue's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    shards: u16,
}

/// What is to be done about a number that was asked for (pure).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// What is recorded holds.
    Keep,
    /// More are to be made, if nothing is in the way.
    Raise(u16),
    /// Fewer cannot be.
    Refuse,
}

fn step(recorded: u16, wanted: Option<u16>) -> Step {
    match wanted {
        Some(wanted) if wanted > recorded => Step::Raise(wanted),
        Some(wanted) if wanted < recorded => Step::Refuse,
        Some(_) | None => Step::Keep,
    }
}

/// The numbers of all queues, as far as they were asked for.
pub(super) struct Shards {
    context: Context,
    subjects: Subjects,
    /// What the operator asked for, if anything.
    wanted: Option<u16>,
    known: RwLock<HashMap<Queue, u16>>,
}

impl Shards {
    pub(super) fn new(context: Context, subjects: Subjects, wanted: Option<u16>) -> Self {
        Self { context, subjects, wanted, known: RwLock::default() }
    }

    /// How many shards a queue has, if that is on record.
    pub(super) async fn known(&self, queue: &Queue) -> Result<Option<u16>, Error> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(queue).copied();
        if known.is_some() {
            return Ok(known);
        }
        let store = self.store().await?;
        Ok(Box::pin(self.read(&store, queue)).await?.map(|(record, _)| record.shards))
    }

    /// Every queue that is on record.
    pub(super) async fn all(&self) -> Result<BTreeSet<Queue>, Error> {
        let keys = self.store().await?.keys().await.map_err(|error| self.failed(&error))?;
        let keys: Vec<String> = keys.try_collect().await.map_err(|error| self.failed(&error))?;
        Ok(keys.iter().filter_map(|key| Queue::parse(key).ok()).collect())
    }

    /// How many shards a queue has; a new queue has as many as were asked for.
    pub(super) async fn of(&self, queue: &Queue) -> Result<u16, Error> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(queue).copied();
        if let Some(shards) = known {
            return Ok(shards);
        }
        let shards = Box::pin(self.recorded(queue)).await?;
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(queue.clone(), shards);
        Ok(shards)
    }

    /// Brings the queues that are there to the number asked for.
    ///
    /// # Errors
    /// [`Error::Shards`] for the first that cannot be.
    pub(super) async fn settle(&self) -> Result<(), Error> {
        if self.wanted.is_none() {
            return Ok(());
        }
        let store = self.store().await?;
        for queue in self.all().await? {
            let Some((record, revision)) = self.read(&store, &queue).await? else { continue };
            match step(record.shards, self.wanted) {
                Step::Keep => {}
                Step::Raise(wanted) => self.raise(&store, &queue, (record.shards, revision), wanted).await?,
                Step::Refuse => return Err(self.refused(&queue, record.shards, "it can only be raised".into())),
            }
        }
        Ok(())
    }

    async fn recorded(&self, queue: &Queue) -> Result<u16, Error> {
        let store = self.store().await?;
        if let Some((record, _)) = self.read(&store, queue).await? {
            return Ok(record.shards);
        }
        let record = Record { shards: self.wanted.unwrap_or(1) };
        if store.create(queue.as_str(), self.write(record)?).await.is_ok() {
            return Ok(record.shards);
        }
        // Another process was quicker, or the server did not answer: either way what is there now holds.
        let (record, _) = self.read(&store, queue).await?.ok_or_else(|| self.failed(&"it cannot be written"))?;
        Ok(record.shards)
    }

    async fn raise(&self, store: &Store, queue: &Queue, (from, revision): (u16, u64), to: u16) -> Result<(), Error> {
        let others = self.others().await?;
        if others > 0 {
            return Err(self.refused(queue, from, format!("{others} other processes are alive, stop them first")));
        }
        for shard in 0..from {
            let stream = self.subjects.ready_stream(queue, shard);
            let waiting = match self.context.get_stream(&stream).await {
                Ok(stream) => stream.cached_info().state.messages,
                Err(error) if is_missing(&error.kind()) => 0,
                Err(error) => return Err(self.failed(&error)),
            };
            if waiting > 0 {
                return Err(self.refused(queue, from, format!("{waiting} messages wait in {stream}, let them drain")));
            }
        }
        let written = store.update(queue.as_str(), self.write(Record { shards: to })?, revision).await;
        written.map_err(|error| self.failed(&error))?;
        tracing::info!(%queue, from, to, "a queue has more shards");
        Ok(())
    }

    /// How many processes gave a sign of life lately; this one gives its first later.
    async fn others(&self) -> Result<usize, Error> {
        let workers = self.context.get_key_value(self.subjects.workers_bucket()).await;
        let workers = workers.map_err(|error| self.failed(&error))?;
        let keys: Vec<String> = workers
            .keys()
            .await
            .map_err(|error| self.failed(&error))?
            .try_collect()
            .await
            .map_err(|e| self.failed(&e))?;
        Ok(keys.len())
    }

    async fn store(&self) -> Result<Store, Error> {
        let store = self.context.get_key_value(self.subjects.queues_bucket()).await;
        store.map_err(|error| self.failed(&error))
    }

    async fn read(&self, store: &Store, queue: &Queue) -> Result<Option<(Record, u64)>, Error> {
        let entry = store.entry(queue.as_str()).await.map_err(|error| self.failed(&error))?;
        let Some(entry) = entry.filter(|entry| !entry.value.is_empty()) else { return Ok(None) };
        let record = serde_json::from_slice(&entry.value).map_err(|error| self.failed(&error))?;
        Ok(Some((record, entry.revision)))
    }

    fn write(&self, record: Record) -> Result<bytes::Bytes, Error> {
        serde_json::to_vec(&record).map(Into::into).map_err(|error| self.failed(&error))
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> Error {
        Error::Stream { stream: self.subjects.queues_bucket(), why: why.to_string() }
    }

    fn refused(&self, queue: &Queue, has: u16, why: String) -> Error {
        Error::Shards { queue: queue.clone(), has, wanted: self.wanted.unwrap_or(has), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_holds_unless_more_is_asked_for() {
        assert_eq!(step(4, None), Step::Keep);
        assert_eq!(step(4, Some(4)), Step::Keep);
        assert_eq!(step(4, Some(8)), Step::Raise(8));
        assert_eq!(step(4, Some(1)), Step::Refuse);
    }
}
