//! The machine as a [`Records`] port.

use std::time::Duration;

use futures_util::StreamExt;
use proto::{CallId, Record};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{sleep, timeout};

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
/// How long what is on its way to the store is waited for by one who would note something over it.
const STORED_WITHIN: Duration = Duration::from_secs(5);
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

    /// Hints at the next change of a call's record, if one is on its way.
    fn change_under_way(&self, call: &CallId) -> Option<mpsc::Receiver<()>> {
        let mut state = self.machine.state();
        state.shelf.is_changing(Kind::Record, call).then(|| state.listeners.listen(call.clone()))
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

    fn noted(&self, call: &CallId) -> BoxFuture<'_, Result<Option<Recorded>, Error>> {
        let call = call.clone();
        Box::pin(async move {
            // What is on its way is what a note would have to go over, and cannot be read before it is there.
            let stored = async {
                while let Some(mut changed) = self.change_under_way(&call) {
                    changed.recv().await;
                }
            };
            // Where the store has got stuck, the note is lost: nobody is held up by it.
            drop(timeout(STORED_WITHIN, stored).await);
            self.recorded(call).await
        })
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::{FutureExt, poll};
    use proto::record::State;
    use proto::{Call, Function, LaneKey, Queue, Request, Timestamp};
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

    use super::*;
    use crate::memory::store::{Change, Done, Failure, Recovered, Seq, Store, Volatile};
    use crate::memory::{Settings, SteadyClock};

    /// A store that is slow: each commit is made when the test says so.
    struct Slow(Volatile, UnboundedSender<(Vec<Change>, Done)>);

    impl Store for Slow {
        fn commit(&self, changes: Vec<Change>, done: Done) {
            self.1.send((changes, done)).unwrap_or_else(|_| unreachable!("the test reads as long as it lasts"));
        }

        fn load(&self, seq: Seq) -> Result<(String, Bytes), Failure> {
            self.0.load(seq)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_notes_something_over_a_record_waits_for_what_is_on_its_way() {
        let (commits, mut made): (_, UnboundedReceiver<(Vec<Change>, Done)>) = unbounded_channel();
        let store = Arc::new(Slow(Volatile::default(), commits));
        let clock = Arc::new(SteadyClock::default());
        let memory = Memory::over(store.clone(), Recovered::default(), Settings::default(), clock);
        let (id, function) = (CallId::parse("c").unwrap(), Function::parse("f").unwrap());
        let call = Call::new(id.clone(), function.clone(), Timestamp::default(), Request::default());
        let lane = LaneKey::new(Queue::default(), function);
        let record = |state| Record::of(&call, &lane, state, Timestamp::default());
        let hour = Duration::from_secs(3600);

        memory.note_accepted(&record(State::Ready), hour).await;
        let mut seen = memory.noted(&id);
        assert!(poll!(&mut seen).is_pending(), "that it was accepted is on its way");
        let (changes, done) = made.recv().await.unwrap();
        store.0.commit(changes, done);
        let seen = seen.await.unwrap().unwrap();
        assert_eq!(seen.record.state, State::Ready);

        memory.note(&record(State::Running), seen.revision, hour).await;
        let (_, done) = made.recv().await.unwrap();
        let seen = memory.noted(&id);
        done(Err(Failure::Full("no room".into())));
        assert_eq!(seen.await.unwrap().unwrap().record.state, State::Ready, "what fails leaves what was there");
        assert!(memory.noted(&CallId::parse("d").unwrap()).now_or_never().unwrap().unwrap().is_none());

        memory.note(&record(State::Waiting), memory.noted(&id).await.unwrap().unwrap().revision, hour).await;
        assert_eq!(memory.noted(&id).await.unwrap().unwrap().record.state, State::Ready, "the store is stuck");
    }
}
