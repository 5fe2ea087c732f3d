//! Settling: store what follows, wait until it is stored, then let go of the message.
//!
//! The order is: what is told of the call's end, its dead letter, its callback, then the ack.
//!
//! | killed between | what is there | what happens |
//! |---|---|---|
//! | the function's answer and storing | the message, leased | it runs again when the lease ends |
//! | the record of the end and what follows | the message, and its end | what follows is made from the record; only for the whole result of a callback it runs again, and the end that is on record holds |
//! | what follows and the ack | the message, and what follows | the record says that this turn is past, or it runs again; what follows is stored once, by its message id |
//! | the ack and the report | what follows | nothing more |
//!
//! While the broker is away the same step is tried again for as long as the lease can be extended; a subscriber that
//! loses the lease aborts the task, wherever it is.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use proto::header::X_RESULT_OMITTED;
use proto::record::{Keep, State};
use proto::{Call, CallId, Dead, LaneKey, Record, Target, callback, dead};
use tokio::time::sleep;

use super::Desk;
use super::plan::{self, End, Next, letter, message};
use super::report::Ended;
use super::trace::Trace;
use crate::port::broker::{Error, Message, Stored};
use crate::port::{BoxFuture, Delivery};

/// Waits between tries of a step that the broker did not answer.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long a callback waits whose lane is full.
const WHEN_FULL: Duration = Duration::from_secs(5);
/// How long a note may be on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(300);

impl Desk {
    /// Stores what follows from `delivery`, and of its call's record as much as is to be kept; then acknowledges it.
    ///
    /// # Errors
    /// Only what trying again does not mend.
    pub async fn settle(
        &self,
        delivery: &Delivery,
        mut next: Next,
        keep: Keep,
        trace: &mut Trace<'_>,
    ) -> Result<(), Error> {
        trace.settle(&mut next);
        match next {
            Next::Again { call, due } => {
                let message = message(delivery.lane.clone(), &call);
                let turn = call.schedule_id();
                persist(|| self.broker.schedule(message.clone(), &turn, due)).await?;
                Box::pin(self.note_waiting(&call, delivery, due)).await;
            }
            Next::Ended(end) => {
                let is_told = self.recorder.keeps(keep);
                let End { call, letter, callback, .. } = if is_told { *self.tell(delivery, end).await? } else { *end };
                if let Some(letter) = letter {
                    Box::pin(self.bury(letter, call.life_id(), Some(&call.id))).await?;
                }
                // A function whose result goes to a callback would run again, should this message come again.
                let may_come_again = is_told && callback.is_none() && self.recorder.outlasts_leases();
                if let Some(callback) = callback {
                    Box::pin(self.call_back(callback, trace)).await?;
                }
                if may_come_again {
                    // Should this be lost, the record says that there is nothing to do.
                    return persist(|| delivery.lease.ack_unconfirmed()).await;
                }
            }
            Next::Buried(letter) => Box::pin(self.bury(*letter, delivery.id.to_string(), None)).await?,
        }
        persist(|| delivery.lease.ack()).await
    }

    /// Puts the end of a call on record, and answers the one that is there: a call ends once.
    async fn tell(&self, delivery: &Delivery, end: Box<End>) -> Result<Box<End>, Error> {
        // The broker knows for two minutes that an end was told. Somebody may have told one longer ago, if the call was
        // cancelled or has been with others before.
        if (end.call.counts.deliveries > 1 || end.record.state == State::Cancelled)
            && let Some(told) = Box::pin(self.told(&end)).await?.filter(|told| told.state.is_final())
        {
            return Ok(self.follow(delivery, *end, &told).into());
        }
        // Whoever cancels a call puts it on the marks first, and gives them the time to be heard of.
        let is_first = !end.is_told_of && !self.marks.has(&end.call);
        let mut stored = if is_first { self.recorder.end_first(&end.record).await? } else { Stored::Duplicate };
        // Storing may have taken longer than that time.
        if !is_first || self.marks.has(&end.call) {
            stored = self.recorder.end(&end.record).await?;
        }
        if stored != Stored::Duplicate {
            return Ok(end);
        }
        Box::pin(self.tell_again(delivery, *end)).await
    }

    /// Somebody has told an end of this call before.
    async fn tell_again(&self, delivery: &Delivery, end: End) -> Result<Box<End>, Error> {
        // What is still on its way to the record must not be what stays.
        sleep(ON_ITS_WAY).await;
        match self.told(&end).await? {
            Some(told) if told.state.is_final() => Ok(self.follow(delivery, end, &told).into()),
            // It was told, and a note that was on its way has taken its place.
            Some(_) => self.recorder.end_again(&end.record).await.map(|()| end.into()),
            // It had its time, has begun anew, or shares its id with another.
            None => Ok(end.into()),
        }
    }

    /// What is on record of this call in this life.
    async fn told(&self, end: &End) -> Result<Option<Record>, Error> {
        let told = persist(|| self.broker.record(&end.call.id)).await?.map(|it| it.record);
        Ok(told.filter(|told| told.is_of(&end.call) && told.redriven == end.call.redriven))
    }

    fn follow(&self, delivery: &Delivery, end: End, told: &Record) -> End {
        tracing::info!(call = %told.id, state = told.state.as_str(), "this call had ended before it was settled");
        plan::as_told(&delivery.lane, end, told, self.clock.now())
    }

    async fn bury(&self, letter: Dead, id: String, call: Option<&CallId>) -> Result<(), Error> {
        persist(|| self.broker.bury(letter.clone(), id.clone(), call)).await.map(drop)
    }

    /// A message that is no call goes to the dead letters, as much of it as there is.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub async fn settle_unrunnable(
        &self,
        delivery: &Delivery,
        payload: Bytes,
        reason: dead::Reason,
        why: String,
    ) -> Result<Ended, Error> {
        let now = self.clock.now();
        let letter = letter(&delivery.lane, reason, why, now, payload);
        // Of a call whose bytes are lost its record knows who waits for it.
        let life = Call::life_in(&delivery.id).and_then(|(id, life)| Some((CallId::parse(id).ok()?, life)));
        let seen = match &life {
            Some((id, _)) => self.recorder.known(id).await.map(|it| it.record),
            None => None,
        };
        let seen =
            seen.filter(|seen| seen.lane() == delivery.lane && life.is_some_and(|(_, life)| seen.redriven == life));
        let (next, keep) = match seen {
            Some(seen) if !seen.state.is_final() => {
                let keep = self.keep(&plan::known(&seen));
                (plan::lost(seen, letter, now), keep)
            }
            _ => (Next::Buried(Box::new(letter)), Keep::Nothing),
        };
        self.settle(delivery, next, keep, &mut Trace::none()).await.map(|()| Ended::Settled)
    }

    async fn call_back(&self, mut call: Call, trace: &mut Trace<'_>) -> Result<(), Error> {
        let Some(lane) = callback_lane(&call) else { return Ok(()) };
        let sending = trace.call_back(&mut call);
        let first = plan::message(lane.clone(), &call);
        let posted = self.post(&call, first).await;
        trace.called_back(sending, &call, &lane);
        match posted {
            Err(Error::TooLarge { .. }) => {
                // Unusually long headers around a result that would just have fitted: the caller gets the rest.
                let length = std::mem::take::<Bytes>(&mut call.request.body).len();
                let note = format!("{length} bytes are more than a message may have");
                call.request.headers.extend(HeaderValue::try_from(note).ok().map(|note| (X_RESULT_OMITTED, note)));
                let without = plan::message(lane, &call);
                self.post(&call, without).await
            }
            other => other,
        }
    }

    /// Stores a callback in its lane; where that is full, until there may be room. To wait for that here would keep
    /// others from being settled for the sake of one slow receiver.
    async fn post(&self, call: &Call, message: Message) -> Result<(), Error> {
        let stored = persist(|| {
            let publish = self.broker.publish(message.clone());
            Box::pin(async move {
                match publish.await {
                    Err(Error::Full { .. }) => Ok(false),
                    stored => stored.map(|_| true),
                }
            })
        });
        if !stored.await? {
            let due = self.clock.now().after(WHEN_FULL);
            persist(|| self.broker.schedule(message.clone(), &call.id, due)).await?;
        }
        Ok(())
    }
}

fn callback_lane(call: &Call) -> Option<LaneKey> {
    match &call.target {
        Target::Url(url) => Some(callback::lane(&call.function, &callback::parse_url(url).ok()?)),
        Target::Function => None,
    }
}

/// Repeats a step until the broker has answered it.
pub(super) async fn persist<'a, T>(mut step: impl FnMut() -> BoxFuture<'a, Result<T, Error>>) -> Result<T, Error> {
    let mut pause = PAUSE_FIRST;
    loop {
        match step().await {
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "settling waits for the broker");
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            answer => return answer,
        }
    }
}
