//! The machine as a [`Control`] port.

use bytes::Bytes;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::Memory;
use super::store::Change as Commit;
use crate::port::control::{Change, Changes, Error, Expected, Form, Key, Record, Stored};
use crate::port::{BoxFuture, Control, broker};

impl Control for Memory {
    fn watch(&self) -> BoxFuture<'_, Result<Changes, broker::Error>> {
        // Unbounded, because changes are as rare as people's decisions.
        let (tell, told) = mpsc::unbounded_channel();
        let mut state = self.machine.state();
        let current = state.records.iter().map(|(key, (revision, record))| read(key, *revision, record));
        let current = current.collect::<Vec<_>>();
        state.watchers.push(tell);
        drop(state);
        let changes = futures_util::stream::unfold(told, |mut told| async move { Some((told.recv().await?, told)) });
        let all = futures_util::stream::iter(current.into_iter().chain([Change::Current])).chain(changes);
        Box::pin(std::future::ready(Ok(all.map(Ok).boxed())))
    }

    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<(Record, u64)>, Error>> {
        let kept = self.machine.state().records.get(key).cloned();
        let found = kept.map(|(revision, record)| read(key, revision, &record).into_found());
        Box::pin(std::future::ready(found.transpose().map(Option::flatten)))
    }

    fn put(&self, record: Record, expected: Expected) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(async move {
            let bytes =
                rmp_serde::to_vec_named(&Stored(&record)).map_err(|error| broker::Error::Refused(error.into()))?;
            self.change(record.key(), Some(bytes.into()), expected).await.map(Option::unwrap_or_default)
        })
    }

    fn delete(&self, key: &Key, expected: Expected) -> BoxFuture<'_, Result<bool, Error>> {
        let key = key.clone();
        Box::pin(async move { Ok(self.change(key, None, expected).await?.is_some()) })
    }
}

impl Memory {
    /// The revision of what is there afterwards or was there before; nothing if there was nothing to be removed.
    async fn change(&self, key: Key, record: Option<Bytes>, expected: Expected) -> Result<Option<u64>, Error> {
        // One after the other, each until it is durable, whoever waits for it: what the next one expects is compared
        // with what this one leaves.
        let turn = self.machine.writes.clone().lock_owned().await;
        let (present, next) = {
            let mut state = self.machine.state();
            let present = state.records.get(&key).map(|(revision, _)| *revision);
            expected.check(&key, present)?;
            state.revision += u64::from(record.is_some());
            (present, state.revision)
        };
        let record = record.map(|record| (next, record));
        if record.is_none() && present.is_none() {
            return Ok(None);
        }
        let change = Commit::Record(key.clone(), record.clone());
        let apply = move |machine: &super::Machine, result: &Result<(), super::Failure>| {
            let _turn = turn;
            if result.is_err() {
                return;
            }
            let mut state = machine.state();
            let change = match record {
                Some((revision, record)) => {
                    let change = read(&key, revision, &record);
                    state.records.insert(key, (revision, record));
                    change
                }
                None => {
                    state.records.remove(&key);
                    Change::Deleted(key)
                }
            };
            state.watchers.retain(|watcher| watcher.send(change.clone()).is_ok());
        };
        self.machine.commit(vec![change], apply).await?;
        Ok(Some(next))
    }
}

fn read(key: &Key, revision: u64, record: &[u8]) -> Change {
    Change::read(key, revision, &MessagePack(record))
}

struct MessagePack<'a>(&'a [u8]);

impl Form for MessagePack<'_> {
    type Error = rmp_serde::decode::Error;

    fn read<T: DeserializeOwned>(&self) -> Result<T, Self::Error> {
        rmp_serde::from_slice(self.0)
    }
}
