//! The server as a [`Cancels`] port: a key-value bucket whose entries do not last. Key: the call; value: its mark, as
//! JSON.

use actors::port::broker::Error;
use actors::port::cancels::Mark;
use actors::port::{BoxFuture, BoxStream, Cancels};
use async_nats::jetstream::kv::{Entry, Operation, Store};
use futures_util::StreamExt;

use super::JetStream;
use super::publish::away;

impl JetStream {
    async fn cancels(&self) -> Result<Store, Error> {
        self.layout.bucket(self.layout.settings.subjects.cancels_bucket()).await
    }
}

impl Cancels for JetStream {
    fn cancel(&self, mark: &Mark) -> BoxFuture<'_, Result<(), Error>> {
        let (call, json) = (mark.call.to_string(), serde_json::to_vec(mark));
        Box::pin(async move {
            let json = json.map_err(|error| Error::Refused(error.into()))?;
            self.cancels().await?.put(call, json.into()).await.map(drop).map_err(away)
        })
    }

    fn cancelled(&self) -> BoxFuture<'_, Result<BoxStream<'static, Mark>, Error>> {
        Box::pin(async {
            let entries = self.cancels().await?.watch_with_history(">").await.map_err(away)?;
            // An error means that entries were missed: it ends, and a new one begins with all of them.
            let marks = entries.take_while(|entry| std::future::ready(entry.is_ok()));
            Ok(marks.filter_map(|entry| std::future::ready(entry.ok().and_then(|entry| read(&entry)))).boxed())
        })
    }
}

fn read(entry: &Entry) -> Option<Mark> {
    if entry.operation != Operation::Put {
        return None;
    }
    match serde_json::from_slice(&entry.value) {
        Ok(mark) => Some(mark),
        Err(error) => {
            tracing::warn!(call = entry.key, %error, "a mark cannot be read; the call is not cancelled");
            None
        }
    }
}
