//! Settling: store what follows, wait until it is stored, then let go of the message.
//!
//! | killed between | what is there | what happens |
//! |---|---|---|
//! | the function's answer and storing | the message, leased | it runs again when the lease ends |
//! | storing and the ack | the message, and what follows | it runs again; what follows is stored once, by its message id |
//! | the ack and the report | what follows | nothing more |
//!
//! While the broker is away the same step is tried again for as long as the lease can be extended; a subscriber that
//! loses the lease aborts the task, wherever it is.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use proto::header::X_RESULT_OMITTED;
use proto::{Call, Dead, LaneKey, Target, callback, dead};
use tokio::time::sleep;

use super::Desk;
use super::plan::{self, Next, letter, message};
use crate::port::broker::Error;
use crate::port::{BoxFuture, Delivery};

/// Waits between tries of a step that the broker did not answer.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

impl Desk {
    /// Stores what follows from `delivery`, then acknowledges it.
    ///
    /// # Errors
    /// Only what trying again does not mend.
    pub async fn settle(&self, delivery: &Delivery, next: Next) -> Result<(), Error> {
        match next {
            Next::Finished { callback } => self.call_back(callback).await?,
            Next::Again { call, due } => {
                let message = message(delivery.lane.clone(), &call);
                persist(|| self.broker.schedule(message.clone(), &call.id, due)).await?;
            }
            Next::Dead { letter, callback } => {
                let id = proto::codec::decode(&letter.payload).ok().map(|call| call.id);
                let letter_id = delivery.id.clone();
                persist(|| self.broker.bury(Dead::clone(&letter), letter_id.clone(), id.as_ref())).await?;
                self.call_back(callback).await?;
            }
        }
        persist(|| delivery.lease.ack()).await
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
    ) -> Result<(), Error> {
        let letter = letter(&delivery.lane, reason, why, self.clock.now(), payload);
        self.settle(delivery, Next::Dead { letter, callback: None }).await
    }

    async fn call_back(&self, call: Option<Box<Call>>) -> Result<(), Error> {
        let Some(mut call) = call else { return Ok(()) };
        let Some(lane) = callback_lane(&call) else { return Ok(()) };
        let first = plan::message(lane.clone(), &call);
        match persist(|| self.broker.publish(first.clone())).await {
            Err(Error::TooLarge { .. }) => {
                // Unusually long headers around a result that would just have fitted: the caller gets the rest.
                let length = std::mem::take::<Bytes>(&mut call.request.body).len();
                let note = format!("{length} bytes are more than a message may have");
                call.request.headers.extend(HeaderValue::try_from(note).ok().map(|note| (X_RESULT_OMITTED, note)));
                let without = plan::message(lane, &call);
                persist(|| self.broker.publish(without.clone())).await.map(drop)
            }
            other => other.map(drop),
        }
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
