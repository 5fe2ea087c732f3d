//! Signs of life in a key-value bucket whose entries do not last. Key: a process's id; value: what it does, as JSON.

use actors::membership::Member;
use actors::port::broker::Error;
use actors::port::presence::Sign;
use actors::port::{BoxFuture, BoxStream, Presence};
use async_nats::jetstream::kv::{Entry, Operation, Store};
use futures_util::StreamExt;

use super::JetStream;
use super::publish::away;

impl JetStream {
    async fn workers(&self) -> Result<Store, Error> {
        self.layout.bucket(self.layout.settings.subjects.workers_bucket()).await
    }
}

impl Presence for JetStream {
    fn announce(&self, id: &str, member: &Member) -> BoxFuture<'_, Result<(), Error>> {
        let (id, json) = (id.to_owned(), serde_json::to_vec(member));
        Box::pin(async move {
            let json = json.map_err(|error| Error::Refused(error.into()))?;
            self.workers().await?.put(id, json.into()).await.map(drop).map_err(away)
        })
    }

    fn leave(&self, id: &str) -> BoxFuture<'_, Result<(), Error>> {
        let id = id.to_owned();
        Box::pin(async move { self.workers().await?.delete(id).await.map_err(away) })
    }

    fn signs(&self) -> BoxFuture<'_, Result<BoxStream<'static, Sign>, Error>> {
        Box::pin(async {
            let entries = self.workers().await?.watch_with_history(">").await.map_err(away)?;
            // An error means that entries were missed: it ends, and a new one begins with the last sign of everybody.
            let signs = entries.take_while(|entry| std::future::ready(entry.is_ok()));
            Ok(signs.filter_map(|entry| std::future::ready(entry.ok().and_then(|entry| read(&entry)))).boxed())
        })
    }
}

fn read(entry: &Entry) -> Option<Sign> {
    let id = entry.key.clone();
    match entry.operation {
        Operation::Delete | Operation::Purge => Some(Sign::Left(id)),
        Operation::Put => match serde_json::from_slice(&entry.value) {
            Ok(member) => Some(Sign::Alive(id, member)),
            Err(error) => {
                tracing::warn!(id, %error, "a sign of life cannot be read");
                None
            }
        },
    }
}
