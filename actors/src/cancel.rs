//! Cancelling a call, wherever it is.
//!
//! A call that runs is ended by its worker, which follows the marks; one that waits may be nobody's for hours, so
//! whoever cancels it ends it himself, in the order in which a worker would: what is told of the end, the callback,
//! and only then the message. Where both do, the one whose end is on record first has ended it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use http::HeaderMap;
use proto::record::State;
use proto::{CallId, Record, callback};
use tokio::time::{sleep, timeout};

use crate::call::plan;
use crate::call::recorder::Recorder;
use crate::port::broker::{self, Stored};
use crate::port::cancels::Mark;
use crate::port::records::Recorded;
use crate::port::{BoxStream, Broker, Clock};

/// How long a worker may take to end a call that is known to run.
const IF_IT_RUNS: Duration = Duration::from_secs(2);
/// The same for one that may just have begun.
const IF_IT_MAY: Duration = Duration::from_millis(300);

/// How often to look although no hint came.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a record may take to be readable after it was hinted at.
const MOMENT: Duration = Duration::from_millis(5);

/// What calls are cancelled by.
#[derive(Clone)]
pub struct Canceller {
    /// Where the calls are.
    pub broker: Arc<dyn Broker>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// What tells how they are.
    pub recorder: Recorder,
}

/// Why a call was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is on record of such a call.
    #[error("nothing is known of call {0}")]
    Unknown(CallId),
    /// It is at its end already.
    #[error("the call has ended: {}", .0.as_str())]
    Ended(State),
    /// Whether it is cancelled is not known.
    #[error(transparent)]
    Broker(#[from] broker::Error),
}

impl Canceller {
    /// Cancels a call. Its record, once that says so.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn cancel(&self, id: &CallId) -> Result<Record, Error> {
        let record = self.recorded(id).await?.record;
        if record.state.is_final() {
            return Err(Error::Ended(record.state));
        }
        let changes = self.broker.changes(id).await?;
        self.mark(&record).await?;
        let patience = if record.state == State::Running { IF_IT_RUNS } else { IF_IT_MAY };
        match timeout(patience, self.ended(id, changes)).await {
            Ok(ended) => Self::as_asked(ended?),
            // As it is now: what was read before may be older than the mark.
            Err(_) => match self.recorded(id).await?.record {
                record if record.state.is_final() => Self::as_asked(record),
                record => self.end(record).await,
            },
        }
    }

    /// Cancels a call that was found waiting, at the place that this record of it has (none: in a schedule), whether it
    /// is really on record or not.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn cancel_waiting(&self, found: &Record) -> Result<(), Error> {
        self.mark(found).await?;
        // Whoever takes it from now on ends it; whoever had taken it before is heard of by then.
        sleep(IF_IT_MAY).await;
        let record = self.broker.record(&found.id).await?.map(|it| it.record);
        match record.filter(|record| record.accepted_at == found.accepted_at) {
            Some(record) if record.state == State::Cancelled => Ok(()),
            Some(record) if record.state.is_final() => Err(Error::Ended(record.state)),
            // It runs, and is ended by whoever runs it.
            Some(record) if record.state == State::Running => Ok(()),
            Some(record) => self.end(Record { place: found.place, ..record }).await.map(drop),
            None => self.end_unrecorded(found).await,
        }
    }

    /// Ends a call of which nothing is told: only its caller may be waiting to hear of it, and hears before the message
    /// goes; a worker that takes it in between and finds the mark tells him the same.
    async fn end_unrecorded(&self, found: &Record) -> Result<(), Error> {
        if let Some(place) = found.place
            && self.broker.ahead(&found.lane(), place).await?.is_none()
        {
            return Ok(());
        }
        self.call_back(found).await?;
        self.take_away(found).await;
        Ok(())
    }

    async fn mark(&self, record: &Record) -> Result<(), Error> {
        let (lane, accepted_at, redriven) = (record.lane(), record.accepted_at, record.redriven);
        Ok(self.broker.cancel(&Mark { call: record.id.clone(), accepted_at, redriven, lane }).await?)
    }

    /// Ends a call that nobody runs.
    async fn end(&self, before: Record) -> Result<Record, Error> {
        let ended = Record {
            state: State::Cancelled,
            at: self.clock.now(),
            due: None,
            place: None,
            status: Some(plan::cancelled_status().as_u16()),
            detail: Some("its caller cancelled it while it waited".into()),
            ..before.clone()
        };
        if self.recorder.end(&ended).await? == Stored::Duplicate {
            return Self::as_asked(self.recorded(&before.id).await?.record);
        }
        self.call_back(&ended).await?;
        self.take_away(&before).await;
        Ok(ended)
    }

    /// The message is taken out of its lane; one that cannot be found is settled by the worker that takes it.
    async fn take_away(&self, record: &Record) {
        let lane = record.lane();
        let known = plan::known(record);
        let message = known.message_id();
        let taken = match record.place {
            Some(place) => self.broker.withdraw(&lane, place, &message).await,
            None => self.broker.unschedule(&lane, &known.schedule_id()).await,
        };
        match taken {
            Ok(taken) => tracing::debug!(call = %record.id, taken, "a cancelled call was looked for in its lane"),
            Err(error) => {
                tracing::warn!(call = %record.id, %error, "a cancelled call stays in its lane until a worker takes it");
            }
        }
    }

    async fn call_back(&self, record: &Record) -> Result<(), Error> {
        let url = record.callback.as_deref().and_then(|url| callback::parse_url(url).ok());
        let Some(url) = url else { return Ok(()) };
        let call = plan::known(record);
        let result = callback::Result {
            state: State::Cancelled,
            status: plan::cancelled_status(),
            headers: HeaderMap::new(),
            body: "".into(),
            omitted: None,
            duration: Duration::ZERO,
        };
        let lane = callback::lane(&record.function, &url);
        let callback = callback::call(&call, &url, result, record.at);
        self.broker.publish(plan::message(lane, &callback)).await?;
        Ok(())
    }

    /// Waits for the call's end.
    async fn ended(&self, id: &CallId, mut changes: BoxStream<'static, ()>) -> Result<Record, Error> {
        loop {
            let record = self.recorded(id).await?.record;
            if record.state.is_final() {
                return Ok(record);
            }
            // A hint may be lost, or be quicker than what it is about.
            drop(timeout(LOOK_EVERY, changes.next()).await);
            sleep(MOMENT).await;
        }
    }

    async fn recorded(&self, id: &CallId) -> Result<Recorded, Error> {
        self.broker.record(id).await?.ok_or_else(|| Error::Unknown(id.clone()))
    }

    fn as_asked(record: Record) -> Result<Record, Error> {
        if record.state == State::Cancelled { Ok(record) } else { Err(Error::Ended(record.state)) }
    }
}
