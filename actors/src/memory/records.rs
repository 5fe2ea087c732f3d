//! The machine as a [`Records`] port.

use std::time::Duration;

use futures_util::StreamExt;
use proto::{CallId, Record};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::sleep;

use super::Memory;
use super::machine::Draft;
use super::store::{Kind, Place};
use super::window::Space;
use crate::port::broker::{Error, Stored};
use crate::port::records::Recorded;
use crate::port::{BoxFuture, BoxStream, Records};

/// How long it is known of a call that it was accepted, if nothing else happens to it.
const ACCEPTED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many records wait for one who listens; more are lost to him.
const TOLD_MAX: usize = 1024;
/// How long a record that is being replaced may take to appear.
const MOMENT: Duration = Duration::from_millis(1);

impl Memory {
    fn draft(&self, record: &Record, id: String, space: Option<Space>, keep_for: Duration) -> Draft {
        let until = self.machine.clock.now().after(keep_for);
        let place = Place::Kept { kind: Kind::Record, call: record.id.clone(), until };
        Draft { space, place, id, payload: record.encode() }
    }

    /// Tells those who listen; nobody waits for one who does not keep up.
    fn tell(&self, record: &Record) {
        let mut state = self.machine.state();
        state.told.retain(|listener| !matches!(listener.try_send(record.clone()), Err(TrySendError::Closed(_))));
    }

    async fn recorded(&self, call: CallId) -> Result<Option<Recorded>, Error> {
        let now = self.machine.clock.now();
        loop {
            let Some(revision) = self.machine.state().shelf.stored(Kind::Record, &call, now) else { return Ok(None) };
            match self.machine.store.load(revision) {
                Ok((_, payload)) => {
                    let record = Record::decode(&payload).map_err(|error| Error::Refused(error.into()))?;
                    return Ok(Some(Recorded { record, revision }));
                }
                // Replaced between the two questions; the other is on its way.
                Err(_) if self.machine.state().shelf.latest(Kind::Record, &call) != revision => sleep(MOMENT).await,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Records for Memory {
    fn note(&self, record: &Record, over: u64, keep_for: Duration) -> BoxFuture<'_, ()> {
        self.tell(record);
        self.machine.put_over(self.draft(record, record.id.to_string(), None, keep_for), over);
        Box::pin(std::future::ready(()))
    }

    fn note_accepted(&self, record: &Record, keep_for: Duration) -> BoxFuture<'_, ()> {
        // One more entry of a commit that is made anyway: it costs no more alone, and is found for as long as it waits.
        self.note(record, 0, keep_for.max(ACCEPTED_FOR))
    }

    fn end(&self, record: &Record, id: String, keep_for: Duration) -> BoxFuture<'_, Result<Stored, Error>> {
        self.tell(record);
        Box::pin(self.machine.put(self.draft(record, id, Some(Space::Ends), keep_for)))
    }

    fn record(&self, call: &CallId) -> BoxFuture<'_, Result<Option<Recorded>, Error>> {
        Box::pin(self.recorded(call.clone()))
    }

    fn changes(&self, call: &CallId) -> BoxFuture<'_, Result<BoxStream<'static, ()>, Error>> {
        let told = self.machine.state().listeners.listen(call.clone());
        let hints = futures_util::stream::unfold(told, |mut told| async move { Some((told.recv().await?, told)) });
        Box::pin(std::future::ready(Ok(hints.boxed())))
    }

    fn told(&self) -> BoxFuture<'_, Result<BoxStream<'static, Record>, Error>> {
        let (tell, told) = mpsc::channel(TOLD_MAX);
        self.machine.state().told.push(tell);
        let told = futures_util::stream::unfold(told, |mut told| async move { Some((told.recv().await?, told)) });
        Box::pin(std::future::ready(Ok(told.boxed())))
    }
}
