//! Functions, namespaces and queues in a key-value bucket, API keys in another one, which fewer may write to, as a
//! [`Control`] port. Keys: `<namespace>.<name>`, `<namespace>` and `queue/<name>`, and `key/<id>`; values: OpenFaaS's
//! records as JSON, and ours of queues and API keys.

use actors::port::control::{Change, Changes, Error, Expected, Form, Key, Record, Stored};
use actors::port::{BoxFuture, Control, broker};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::kv::{CreateErrorKind, Entry, Operation, Store, UpdateErrorKind};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use proto::{Function, Namespace, Queue, annotation};
use serde::de::DeserializeOwned;

use super::JetStream;
use super::broker::unavailable;
use super::denied::Denied;
use super::publish::away;

impl JetStream {
    /// Where the record of `key` is.
    async fn bucket_of(&self, key: &Key) -> Result<Store, broker::Error> {
        self.layout.bucket(self.bucket_name(key)).await
    }

    fn bucket_name(&self, key: &Key) -> String {
        let subjects = &self.layout.settings.subjects;
        match key {
            Key::Function(_) | Key::Namespace(_) | Key::Queue(_) => subjects.functions_bucket(),
            Key::ApiKey(_) => subjects.keys_bucket(),
        }
    }

    /// Both buckets as one watch: it is current when both are, and ends when one does.
    async fn follow(&self) -> Result<Changes, broker::Error> {
        let subjects = &self.layout.settings.subjects;
        let (records, keys) = (subjects.functions_bucket(), subjects.keys_bucket());
        let (records, keys) = tokio::try_join!(self.follow_one(records), self.follow_one(keys))?;
        let ending = |changes: Changes| changes.map(Some).chain(stream::once(std::future::ready(None)));
        let changes = stream::select(ending(records), ending(keys)).take_while(|it| std::future::ready(it.is_some()));
        let mut waited_for = 2;
        let changes = changes.filter_map(move |change| {
            let is_current = matches!(change, Some(Ok(Change::Current)));
            waited_for -= usize::from(is_current);
            std::future::ready(change.filter(|_| !is_current || waited_for == 0))
        });
        Ok(changes.boxed())
    }

    async fn follow_one(&self, bucket: String) -> Result<Changes, broker::Error> {
        let bucket = self.layout.bucket(bucket).await?;
        let empty = bucket.status().await.map_err(away)?.values() == 0;
        let entries = bucket.watch_with_history(">").await.map_err(away)?;
        // An empty bucket has no entry to say "this was the last".
        let mut current = empty;
        let changes = entries.flat_map(move |entry| {
            let (change, last) = match entry {
                Ok(entry) => (Ok(read(&entry)), entry.seen_current),
                Err(error) => (Err(away(error)), false),
            };
            let now_current = last && !current;
            current |= last;
            stream::iter([Some(change), now_current.then_some(Ok(Change::Current))].into_iter().flatten())
        });
        Ok(stream::iter(empty.then_some(Ok(Change::Current))).chain(changes).boxed())
    }

    /// Where a record is written to.
    fn subject_of(&self, key: &Key) -> String {
        format!("$KV.{}.{}", self.bucket_name(key), write_key(key))
    }

    async fn write(&self, key: Key, json: Bytes, expected: Expected) -> Result<u64, Error> {
        let (bucket, name) = (self.bucket_of(&key).await?, write_key(&key));
        let written = match expected {
            Expected::Whatever => Some(bucket.put(name, json).await.map_err(away)?),
            Expected::Absent => match bucket.create(name, json).await {
                Err(error) if error.kind() == CreateErrorKind::AlreadyExists || lost_a_race(&error) => None,
                created => Some(created.map_err(away)?),
            },
            Expected::Revision(revision) => match bucket.update(name, json, revision).await {
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision || lost_a_race(&error) => None,
                updated => Some(updated.map_err(away)?),
            },
        };
        match written {
            Some(revision) => Ok(revision),
            None => Err(Error::Conflict { present: present(&bucket, &key).await?, key }),
        }
    }

    async fn remove(&self, key: Key, expected: Expected) -> Result<bool, Error> {
        let bucket = self.bucket_of(&key).await?;
        loop {
            let present = present(&bucket, &key).await?;
            expected.check(&key, present)?;
            let Some(revision) = present else { return Ok(false) };
            match bucket.delete_expect_revision(write_key(&key), Some(revision)).await {
                // Somebody has changed it meanwhile: it is looked at anew.
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision || lost_a_race(&error) => {}
                deleted => return Ok(deleted.map(|()| true).map_err(away)?),
            }
        }
    }
}

/// Whether a server of a cluster had another change of the same record in hand: that has a code of its own, which the
/// client does not tell from other errors.
fn lost_a_race(error: &(dyn std::error::Error + 'static)) -> bool {
    let of_server = error.downcast_ref::<async_nats::jetstream::Error>();
    of_server.is_some_and(|error| error.error_code() == ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT)
        || error.source().is_some_and(lost_a_race)
}

/// The revision of the record that is there.
async fn present(bucket: &Store, key: &Key) -> Result<Option<u64>, broker::Error> {
    let entry = bucket.entry(write_key(key)).await.map_err(away)?;
    Ok(entry.filter(|entry| entry.operation == Operation::Put).map(|entry| entry.revision))
}

impl Control for JetStream {
    fn watch(&self) -> BoxFuture<'_, Result<Changes, broker::Error>> {
        Box::pin(self.follow())
    }

    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<(Record, u64)>, Error>> {
        let key = key.clone();
        Box::pin(async move {
            let entry = self.bucket_of(&key).await?.entry(write_key(&key)).await.map_err(away)?;
            entry.map_or(Ok(None), |entry| read(&entry).into_found())
        })
    }

    fn put(&self, record: Record, expected: Expected) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(async move {
            let json = serde_json::to_vec(&Stored(&record)).map_err(|error| broker::Error::Refused(error.into()))?;
            // Those who accept and run its calls may not be allowed to make the streams for them.
            if let Some(queue) = queue(&record) {
                self.layout.make_queue(&queue).await.map_err(unavailable)?;
            }
            let (key, subject) = (record.key(), self.subject_of(&record.key()));
            let written = self.write(key, json.into(), expected);
            self.layout.denials.unless_denied(Some(&subject), written).await.map_err(forbidden)?
        })
    }

    fn delete(&self, key: &Key, expected: Expected) -> BoxFuture<'_, Result<bool, Error>> {
        let (key, subject) = (key.clone(), self.subject_of(key));
        Box::pin(async move {
            let removed = self.remove(key, expected);
            self.layout.denials.unless_denied(Some(&subject), removed).await.map_err(forbidden)?
        })
    }
}

/// The queue that the calls of a record wait in.
fn queue(record: &Record) -> Option<Queue> {
    match record {
        Record::Function(_, deployment) if deployment.deleting.is_none() => {
            let named = deployment.annotations.get(annotation::QUEUE);
            named.map_or_else(|| Some(Queue::default()), |name| Queue::parse(name).ok())
        }
        Record::Queue(queue, _) => Some(queue.clone()),
        Record::Function(..) | Record::Namespace(..) | Record::ApiKey(..) => None,
    }
}

fn forbidden(denied: Denied) -> broker::Error {
    broker::Error::Refused(denied.into())
}

fn write_key(key: &Key) -> String {
    match key {
        Key::Function(function) => format!("{}.{}", function.namespace(), function.name()),
        Key::Namespace(_) | Key::Queue(_) | Key::ApiKey(_) => key.to_string(),
    }
}

fn parse_key(key: &str) -> Option<Key> {
    let Some((namespace, name)) = key.split_once('.') else { return Key::parse(key).ok() };
    Function::new(name, Namespace::parse(namespace).ok()?).ok().map(Key::Function)
}

fn read(entry: &Entry) -> Change {
    let Some(key) = parse_key(&entry.key) else {
        return Change::Unreadable {
            key: entry.key.clone(),
            why: "not <namespace>.<name>, <namespace>, queue/<name> or key/<id>".into(),
        };
    };
    match entry.operation {
        Operation::Delete | Operation::Purge => Change::Deleted(key),
        Operation::Put => Change::read(&key, entry.revision, &Json(&entry.value)),
    }
}

struct Json<'a>(&'a [u8]);

impl Form for Json<'_> {
    type Error = serde_json::Error;

    fn read<T: DeserializeOwned>(&self) -> Result<T, Self::Error> {
        serde_json::from_slice(self.0)
    }
}
