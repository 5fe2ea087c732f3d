//! Functions in a key-value bucket, as a [`Control`] port. Key: `<namespace>.<name>`; value: the deployment as JSON.

use actors::port::broker::Error;
use actors::port::control::Change;
use actors::port::{BoxFuture, BoxStream, Control};
use async_nats::jetstream::kv::{Entry, Operation, Store};
use futures_util::{StreamExt, stream};
use proto::spec::Deployment;
use proto::{Function, Namespace};

use super::JetStream;
use super::broker::away;

impl JetStream {
    async fn functions(&self) -> Result<Store, Error> {
        self.layout.context.get_key_value(self.layout.settings.subjects.functions_bucket()).await.map_err(away)
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

    fn put(&self, function: &Function, deployment: Deployment) -> BoxFuture<'_, Result<(), Error>> {
        let key = key(function);
        Box::pin(async move {
            let record = serde_json::to_vec(&deployment).map_err(|error| Error::Refused(error.into()))?;
            self.functions().await?.put(key, record.into()).await.map(drop).map_err(away)
        })
    }

    fn delete(&self, function: &Function) -> BoxFuture<'_, Result<bool, Error>> {
        let key = key(function);
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

fn key(function: &Function) -> String {
    format!("{}.{}", function.namespace(), function.name())
}

fn parse_key(key: &str) -> Option<Function> {
    let (namespace, name) = key.split_once('.')?;
    Function::new(name, Namespace::parse(namespace).ok()?).ok()
}

fn read(entry: &Entry) -> Change {
    let unreadable = |why: String| Change::Unreadable { key: entry.key.clone(), why };
    let Some(function) = parse_key(&entry.key) else { return unreadable("not <namespace>.<name>".into()) };
    match entry.operation {
        Operation::Delete | Operation::Purge => Change::Deleted(function),
        Operation::Put => match serde_json::from_slice::<Deployment>(&entry.value) {
            Ok(deployment) => Change::Put(function, Box::new(deployment)),
            Err(error) => unreadable(error.to_string()),
        },
    }
}
