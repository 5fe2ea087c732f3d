//! Functions, namespaces and queues in a key-value bucket, as a [`Control`] port. Keys: `<namespace>.<name>`,
//! `<namespace>` and `queue/<name>`; values: OpenFaaS's records as JSON, and ours of queues.

use actors::port::broker::Error;
use actors::port::control::{Change, Key, Record};
use actors::port::{BoxFuture, BoxStream, Control};
use async_nats::jetstream::kv::{Entry, Operation, Store};
use futures_util::{StreamExt, stream};
use proto::{Function, Namespace};

use super::JetStream;
use super::publish::away;

impl JetStream {
    async fn functions(&self) -> Result<Store, Error> {
        self.layout.bucket(self.layout.settings.subjects.functions_bucket()).await
    }

    async fn follow(&self) -> Result<BoxStream<'static, Result<Change, Error>>, Error> {
        let bucket = self.functions().await?;
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
}

impl Control for JetStream {
    fn watch(&self) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, Error>>, Error>> {
        Box::pin(self.follow())
    }

    fn put(&self, record: Record) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let json = match &record {
                Record::Function(_, deployment) => serde_json::to_vec(deployment),
                Record::Namespace(_, tenancy) => serde_json::to_vec(tenancy),
                Record::Queue(_, settings) => serde_json::to_vec(settings),
            };
            let json = json.map_err(|error| Error::Refused(error.into()))?;
            self.functions().await?.put(write_key(&record.key()), json.into()).await.map(drop).map_err(away)
        })
    }

    fn delete(&self, key: &Key) -> BoxFuture<'_, Result<bool, Error>> {
        let key = write_key(key);
        Box::pin(async move {
            let bucket = self.functions().await?;
            let known = bucket.get(&key).await.map_err(away)?.is_some();
            if known {
                bucket.delete(&key).await.map_err(away)?;
            }
            Ok(known)
        })
    }
}

fn write_key(key: &Key) -> String {
    match key {
        Key::Function(function) => format!("{}.{}", function.namespace(), function.name()),
        Key::Namespace(_) | Key::Queue(_) => key.to_string(),
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
            why: "not <namespace>.<name>, <namespace> or queue/<name>".into(),
        };
    };
    match entry.operation {
        Operation::Delete | Operation::Purge => Change::Deleted(key),
        Operation::Put => {
            let value = &entry.value;
            Change::read(
                &key,
                || serde_json::from_slice(value),
                || serde_json::from_slice(value),
                || serde_json::from_slice(value),
            )
        }
    }
}
