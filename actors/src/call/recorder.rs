//! What tells how calls are: writes their records, as far as somebody wants them.

use std::sync::Arc;
use std::time::Duration;

use proto::record::Keep;
use proto::record::State;
use proto::{CallId, Record};

use super::settle::persist;
use crate::port::Broker;
use crate::port::broker::{Error, Stored};
use crate::port::records::Recorded;

/// How long the record of a call that goes on is kept without anything being heard of it, and that of a dead call: as
/// long as its letter.
const OPEN_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long records are kept at least that a message which comes again is judged by: several leases.
const OUTLASTS: Duration = Duration::from_secs(600);

/// Writes records; clones share everything.
#[derive(Clone)]
pub struct Recorder {
    broker: Arc<dyn Broker>,
    keep_for: Duration,
}

impl Recorder {
    /// One that keeps the record of a call for `keep_for` after its end; with nothing of it, it writes none.
    #[must_use]
    pub fn new(broker: Arc<dyn Broker>, keep_for: Duration) -> Self {
        Self { broker, keep_for }
    }

    /// Whether it writes records at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.keep_for.is_zero()
    }

    /// Whether an end is on record for much longer than any message stays leased to one who has gone.
    #[must_use]
    pub fn outlasts_leases(&self) -> bool {
        self.keep_for >= OUTLASTS
    }

    /// Whether it writes those of which so much is kept.
    #[must_use]
    pub fn keeps(&self, keep: Keep) -> bool {
        self.is_on() && keep != Keep::Nothing
    }

    /// Notes where a call is, unless its record is no longer the one at `over`.
    pub async fn note(&self, record: &Record, over: u64) {
        let waits = record.due.map_or(Duration::ZERO, |due| due.since(record.at));
        self.broker.note(record, over, OPEN_FOR.saturating_add(waits)).await;
    }

    /// Notes that a call was accepted, whose id was made for it.
    pub async fn note_accepted(&self, record: &Record) {
        self.broker.note_accepted(record, self.keep_for).await;
    }

    /// Stores the end of a call, once; for as long as it takes.
    ///
    /// # Errors
    /// What trying again does not mend.
    pub async fn end(&self, record: &Record) -> Result<Stored, Error> {
        self.store(record, record.end_id()).await
    }

    /// The same where nobody else can have told an end of this call.
    ///
    /// # Errors
    /// As [`end`](Self::end).
    pub async fn end_first(&self, record: &Record) -> Result<Stored, Error> {
        match persist(|| self.broker.end_first(record, self.keep_for(record))).await {
            Err(Error::TooLarge { .. }) if record.result.is_some() => self.store_less(record, record.end_id()).await,
            answer => answer,
        }
    }

    /// Stores the end of a call once more, because it was told before and is not on record.
    ///
    /// # Errors
    /// As [`end`](Self::end).
    pub async fn end_again(&self, record: &Record) -> Result<(), Error> {
        let id = format!("{}/{}", record.end_id(), record.counts.deliveries);
        self.store(record, id).await.map(drop)
    }

    async fn store(&self, record: &Record, id: String) -> Result<Stored, Error> {
        match persist(|| self.broker.end(record, id.clone(), self.keep_for(record))).await {
            Err(Error::TooLarge { .. }) if record.result.is_some() => self.store_less(record, id).await,
            answer => answer,
        }
    }

    /// The broker takes less than is to be kept: how it ended matters more than what came of it.
    async fn store_less(&self, record: &Record, id: String) -> Result<Stored, Error> {
        let less = record.clone().without_body();
        persist(|| self.broker.end(&less, id.clone(), self.keep_for(record))).await
    }

    fn keep_for(&self, record: &Record) -> Duration {
        if record.state == State::Dead { OPEN_FOR.max(self.keep_for) } else { self.keep_for }
    }

    /// What was noted of a call by itself, if it can be had.
    pub async fn noted(&self, call: &CallId) -> Option<Recorded> {
        match self.broker.noted(call).await {
            Ok(recorded) => recorded,
            Err(error) => {
                tracing::debug!(%call, %error, "what was noted of a call could not be read");
                None
            }
        }
    }

    /// The record of a call, if it can be had: what is only told to people is not worth failing for.
    pub async fn known(&self, call: &CallId) -> Option<Recorded> {
        match self.broker.record(call).await {
            Ok(recorded) => recorded,
            Err(error) => {
                tracing::debug!(%call, %error, "the record of a call could not be read");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::record::Kept;
    use proto::{Call, Function, LaneKey, Queue, Request, Timestamp};

    use super::*;
    use crate::memory::{Memory, Settings, SteadyClock};
    use crate::port::Records;

    #[tokio::test(start_paused = true)]
    async fn a_result_that_the_broker_does_not_take_costs_the_call_nothing_else() {
        let settings = Settings { payload_len_max: 1000, ..Settings::default() };
        let memory = Memory::new(settings, Arc::new(SteadyClock::default()));
        let recorder = Recorder::new(Arc::new(memory.clone()), Duration::from_secs(60));
        let (id, function) = (CallId::parse("c").unwrap(), Function::parse("f").unwrap());
        let call = Call::new(id.clone(), function.clone(), Timestamp::default(), Request::default());
        let lane = LaneKey::new(Queue::default(), function);
        let mut end = Record::of(&call, &lane, State::Succeeded, Timestamp::default());
        end.result = Some(Kept { content_type: None, body: vec![b'x'; 2000].into(), omitted: None });
        assert!(recorder.end(&end).await.unwrap().is_new());
        let told = memory.record(&id).await.unwrap().unwrap().record;
        let result = told.result.unwrap();
        assert_eq!((told.state, result.body.len(), result.omitted), (State::Succeeded, 0, Some(2000)));
    }
}
