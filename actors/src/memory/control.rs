//! The machine as a [`Control`] port.

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::Memory;
use super::store::Change as Commit;
use crate::port::broker::Error;
use crate::port::control::{Change, Key, Record};
use crate::port::{BoxFuture, BoxStream, Control};

impl Control for Memory {
    fn watch(&self) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, Error>>, Error>> {
        // Unbounded, because changes are as rare as people's decisions.
        let (tell, told) = mpsc::unbounded_channel();
        let mut state = self.machine.state();
        let current = state.records.iter().map(|(key, record)| read(key, record)).collect::<Vec<_>>();
        state.watchers.push(tell);
        drop(state);
        let changes = futures_util::stream::unfold(told, |mut told| async move { Some((told.recv().await?, told)) });
        let all = futures_util::stream::iter(current.into_iter().chain([Change::Current])).chain(changes);
        Box::pin(std::future::ready(Ok(all.map(Ok).boxed())))
    }

    fn put(&self, record: Record) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let bytes = match &record {
                Record::Function(_, deployment) => rmp_serde::to_vec_named(deployment),
                Record::Namespace(_, tenancy) => rmp_serde::to_vec_named(tenancy),
                Record::Queue(_, settings) => rmp_serde::to_vec_named(settings),
            };
            let bytes = bytes.map_err(|error| Error::Refused(error.into()))?;
            self.record(record.key(), Some(bytes.into())).await
        })
    }

    fn delete(&self, key: &Key) -> BoxFuture<'_, Result<bool, Error>> {
        let key = key.clone();
        Box::pin(async move {
            let known = self.machine.state().records.contains_key(&key);
            if known {
                self.record(key, None).await?;
            }
            Ok(known)
        })
    }
}

impl Memory {
    async fn record(&self, key: Key, record: Option<Bytes>) -> Result<(), Error> {
        let change = Commit::Record(key.clone(), record.clone());
        let apply = move |machine: &super::Machine, result: &Result<(), super::Failure>| {
            if result.is_err() {
                return;
            }
            let mut state = machine.state();
            let change = match record {
                Some(record) => {
                    let change = read(&key, &record);
                    state.records.insert(key, record);
                    change
                }
                None => {
                    state.records.remove(&key);
                    Change::Deleted(key)
                }
            };
            state.watchers.retain(|watcher| watcher.send(change.clone()).is_ok());
        };
        self.machine.commit(vec![change], apply).await
    }
}

fn read(key: &Key, record: &[u8]) -> Change {
    Change::read(
        key,
        || rmp_serde::from_slice(record),
        || rmp_serde::from_slice(record),
        || rmp_serde::from_slice(record),
    )
}
