//! The machine as a [`Control`] port.

use bytes::Bytes;
use futures_util::StreamExt;
use proto::Function;
use proto::spec::Deployment;
use tokio::sync::mpsc;

use super::Memory;
use super::store::Change as Commit;
use crate::port::broker::Error;
use crate::port::control::Change;
use crate::port::{BoxFuture, BoxStream, Control};

impl Control for Memory {
    fn watch(&self) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, Error>>, Error>> {
        // Unbounded, because changes are as rare as people's decisions.
        let (tell, told) = mpsc::unbounded_channel();
        let mut state = self.machine.state();
        let current = state.records.iter().map(|(function, record)| read(function, record)).collect::<Vec<_>>();
        state.watchers.push(tell);
        drop(state);
        let changes = futures_util::stream::unfold(told, |mut told| async move { Some((told.recv().await?, told)) });
        let all = futures_util::stream::iter(current.into_iter().chain([Change::Current])).chain(changes);
        Box::pin(std::future::ready(Ok(all.map(Ok).boxed())))
    }

    fn put(&self, function: &Function, deployment: Deployment) -> BoxFuture<'_, Result<(), Error>> {
        let function = function.clone();
        Box::pin(async move {
            let record = rmp_serde::to_vec_named(&deployment).map_err(|error| Error::Refused(error.into()))?;
            self.record(function, Some(record.into())).await
        })
    }

    fn delete(&self, function: &Function) -> BoxFuture<'_, Result<bool, Error>> {
        let function = function.clone();
        Box::pin(async move {
            let known = self.machine.state().records.contains_key(&function);
            if known {
                self.record(function, None).await?;
            }
            Ok(known)
        })
    }
}

impl Memory {
    async fn record(&self, function: Function, record: Option<Bytes>) -> Result<(), Error> {
        let change = Commit::Record(function.clone(), record.clone());
        let apply = move |machine: &super::Machine, result: &Result<(), super::Failure>| {
            if result.is_err() {
                return;
            }
            let mut state = machine.state();
            let change = match record {
                Some(record) => {
                    let change = read(&function, &record);
                    state.records.insert(function, record);
                    change
                }
                None => {
                    state.records.remove(&function);
                    Change::Deleted(function)
                }
            };
            state.watchers.retain(|watcher| watcher.send(change.clone()).is_ok());
        };
        self.machine.commit(vec![change], apply).await
    }
}

fn read(function: &Function, record: &[u8]) -> Change {
    match rmp_serde::from_slice::<Deployment>(record) {
        Ok(deployment) => Change::Put(function.clone(), Box::new(deployment)),
        Err(error) => Change::Unreadable { key: function.to_string(), why: error.to_string() },
    }
}
