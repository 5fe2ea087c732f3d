//! Emptying a queue: what waits in it is cancelled, call by call, as its caller would have done it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use proto::record::State;
use proto::{Call, CallId, Function, LaneKey, Queue, Record, Target, codec};
use tokio::time::sleep;

use crate::cancel::{self, Canceller};
use crate::port::Broker;
use crate::port::broker::Error;
use crate::port::holdings::{Held, Hold};
use crate::redrive::Tally;

/// Calls cancelled at once: each gives whoever may run it a moment to be heard of.
const AT_ONCE: usize = 256;
/// How long after it has begun it is told of a call that it runs.
const TOLD_WITHIN: Duration = Duration::from_millis(300);
/// Messages read at once.
const PAGE: usize = 256;

/// What of a queue is to go.
#[derive(Clone, Debug)]
pub struct Order {
    /// The queue.
    pub queue: Queue,
    /// Only this function's calls.
    pub function: Option<Function>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// How many at the most.
    pub count_max: u64,
}

/// What queues are emptied by.
#[derive(Clone)]
pub struct Purger {
    /// What cancels a call.
    pub canceller: Canceller,
}

impl Purger {
    /// Cancels what waits in a queue, retries and delayed calls included; their records say so, and their callbacks are
    /// told. Calls that run are left alone, and so are those that were handed to a worker and of which no record says
    /// whether they run.
    ///
    /// # Errors
    /// The first that the broker answers; what was done before stays done.
    pub async fn purge(&self, order: &Order) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        let broker = &self.canceller.broker;
        let backlog = broker.backlog(&order.queue).await?;
        let functions = backlog.into_iter().map(|backlog| backlog.function);
        let wanted = functions.filter(|it| order.function.as_ref().is_none_or(|only| only == it));
        for function in wanted {
            let lane = LaneKey::new(order.queue.clone(), function);
            let page = |after| broker.ready(&lane, after, PAGE);
            self.cancel_all(order, &mut tally, page).await?;
        }
        let page = |after| broker.scheduled(&order.queue, order.function.as_ref(), after, PAGE);
        self.cancel_all(order, &mut tally, page).await?;
        Ok(tally)
    }

    async fn cancel_all<'a>(
        &self,
        order: &Order,
        tally: &mut Tally,
        page: impl Fn(u64) -> crate::port::BoxFuture<'a, Result<Vec<Held>, Error>>,
    ) -> Result<(), Error> {
        let mut after = 0;
        loop {
            let held = page(after).await?;
            let Some(last) = held.last() else { return Ok(()) };
            after = last.place;
            let left = usize::try_from(order.count_max.saturating_sub(tally.done)).unwrap_or(usize::MAX);
            if left == 0 {
                tally.more = true;
                return Ok(());
            }
            tally.more |= held.len() > left;
            let cancelling = held.into_iter().take(left).map(async |held| {
                let place = held.place;
                (place, self.cancel(held, order.dry_run).await)
            });
            let mut cancelled = pin!(stream::iter(cancelling).buffer_unordered(AT_ONCE));
            while let Some((place, outcome)) = cancelled.next().await {
                match outcome? {
                    None => tally.done += 1,
                    Some(why) => tally.leave(place, why),
                }
            }
        }
    }

    /// Cancels one; why not, if it was left.
    async fn cancel(&self, held: Held, dry_run: bool) -> Result<Option<String>, Error> {
        let broker: &Arc<dyn Broker> = &self.canceller.broker;
        let id = Call::life_in(&held.id).and_then(|(id, _)| CallId::parse(id).ok());
        let recorded = async || match &id {
            Some(id) => Ok::<_, Error>(broker.record(id).await?.map(|it| it.record)),
            None => Ok(None),
        };
        let mut record = recorded().await?;
        // That a call runs is told a moment after it has begun.
        if held.hold == Hold::Taken
            && record.as_ref().is_some_and(|it| matches!(it.state, State::Ready | State::Waiting))
        {
            sleep(TOLD_WITHIN).await;
            record = recorded().await?;
        }
        let record = match record {
            Some(record) if record.lane() == held.lane => record,
            _ => match self.unrecorded(&held).await? {
                Ok(record) => record,
                Err(why) => return Ok(Some(why)),
            },
        };
        // Where it was found is newer than where its record says that it went: a delayed call may have fallen due.
        let record = Record { place: (held.hold != Hold::Scheduled).then_some(held.place), ..record };
        match record.state {
            State::Running => return Ok(Some(format!("call {} runs", record.id))),
            state if state.is_final() => return Ok(Some(format!("call {} is {} already", record.id, state.as_str()))),
            _ if dry_run => return Ok(None),
            _ => {}
        }
        match self.canceller.cancel_waiting(&record).await {
            Ok(_) => Ok(None),
            Err(cancel::Error::Broker(error)) => Err(error),
            Err(other) => Ok(Some(other.to_string())),
        }
    }

    /// What would be on record of a call that has none: its function wants none, or it has not been told yet.
    async fn unrecorded(&self, held: &Held) -> Result<Result<Record, String>, Error> {
        let payload = match held.payload.read().await {
            Err(error) if error.is_transient() => return Err(error),
            payload => payload,
        };
        let call = match payload.map(|payload| codec::decode(&payload)) {
            Ok(Ok(call)) if call.target == Target::Function => call,
            Ok(Ok(_)) => return Ok(Err("it is a callback".into())),
            Ok(Err(error)) => return Ok(Err(error.to_string())),
            Err(error) => return Ok(Err(error.to_string())),
        };
        if held.hold == Hold::Taken {
            return Ok(Err(format!("call {} was handed to a worker, and may run", call.id)));
        }
        Ok(Ok(Record::of(&call, &held.lane, State::Ready, call.accepted_at)))
    }
}
