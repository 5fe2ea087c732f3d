//! Taking calls back from the dead letters, or removing them for good.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use proto::dead::Filter;
use proto::history::What;
use proto::record::Keep;
use proto::record::State;
use proto::{Call, Counts, LaneKey, Record, Target, Timestamp, codec};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use crate::call::plan::message;
use crate::call::recorder::Recorder;
use crate::port::broker::Error;
use crate::port::dead::Letter;
use crate::port::{Broker, Clock};

/// Letters read at once.
const PAGE: usize = 100;
/// How many of those that were left are named.
const NAMED_MAX: usize = 100;

/// What letters are taken back by.
#[derive(Clone)]
pub struct Redriver {
    /// Where they lie.
    pub broker: Arc<dyn Broker>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// What tells how calls are.
    pub recorder: Recorder,
}

/// Which letters, and how.
#[derive(Clone, Debug)]
pub struct Order {
    /// Which.
    pub filter: Filter,
    /// Of these only the one with this number.
    pub only: Option<u64>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// How many a second, at the most. As fast as it goes if absent.
    pub rate: Option<f64>,
    /// A call that was taken back so often before is left: it dies every time.
    pub redriven_max: u32,
    /// How many at the most.
    pub count_max: u64,
}

impl Default for Order {
    fn default() -> Self {
        Self { filter: Filter::default(), only: None, dry_run: false, rate: None, redriven_max: 3, count_max: 10_000 }
    }
}

/// What was done, or would have been.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Letters that went back to their lanes, or were removed.
    pub done: u64,
    /// Letters that were left, although they match.
    pub left: u64,
    /// Which, and why: the first of them.
    pub why_left: Vec<Left>,
    /// Whether there may be more that match.
    pub more: bool,
}

/// A letter that was left where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Its number.
    pub number: u64,
    /// Why.
    pub why: String,
}

impl Tally {
    pub(crate) fn leave(&mut self, number: u64, why: String) {
        self.left += 1;
        if self.why_left.len() < NAMED_MAX {
            self.why_left.push(Left { number, why });
        }
    }
}

impl Redriver {
    /// Takes letters back into their lanes, oldest first. Only those that were there when it began: a call that dies
    /// again meanwhile is not taken back again. Dropping the future stops it; the letter it was at may lie there still,
    /// and whoever takes it back again finds by its record that it was.
    ///
    /// # Errors
    /// The first that the broker answers; what was done before stays done.
    pub async fn redrive(&self, order: &Order) -> Result<Tally, Error> {
        let (mut tally, mut next_at) = (Tally::default(), Instant::now());
        let pause = order.rate.and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok()).unwrap_or_default();
        let mut letters = Letters::new(self, order);
        while let Some(letter) = letters.next(&mut tally).await? {
            let call = match revived(&letter, order.redriven_max, self.clock.now()) {
                Ok(call) => call,
                Err(why) => {
                    tally.leave(letter.number, why);
                    continue;
                }
            };
            if !order.dry_run {
                sleep_until(next_at).await;
                next_at = Instant::now() + pause;
                if !self.revive(&letter.dead.lane, &call, letter.number).await? {
                    tally.leave(letter.number, "it had been redriven before; the letter is removed".into());
                    continue;
                }
            }
            tally.done += 1;
        }
        Ok(tally)
    }

    /// Removes letters for good, oldest first; `rate` and `redriven_max` of the order mean nothing here.
    ///
    /// # Errors
    /// As [`redrive`](Self::redrive).
    pub async fn purge(&self, order: &Order) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        let mut letters = Letters::new(self, order);
        while let Some(letter) = letters.next(&mut tally).await? {
            if order.dry_run || self.broker.remove_letter(letter.number).await? {
                tally.done += 1;
            }
        }
        Ok(tally)
    }

    /// Stored in its lane first, removed then. Whether it was: of one that was interrupted in between only the letter is
    /// left to be removed.
    async fn revive(&self, lane: &LaneKey, call: &Call, number: u64) -> Result<bool, Error> {
        let is_told = call.target == Target::Function && self.recorder.keeps(Keep::Status);
        let seen = if is_told { self.recorder.known(&call.id).await } else { None };
        if seen.as_ref().is_some_and(|seen| seen.record.is_of(call) && seen.record.redriven >= call.redriven) {
            return self.broker.remove_letter(number).await.map(|_| false);
        }
        let stored = self.broker.publish(message(lane.clone(), call)).await?;
        // Of a call that has no record its function wants none, or it has had its time.
        if let Some(seen) = seen
            && stored.is_new()
        {
            let ready = Record::of(call, lane, State::Ready, self.clock.now());
            self.recorder.note(&Record { place: stored.place(), ..ready }, seen.revision).await;
        }
        self.broker.remove_letter(number).await.map(|_| true)
    }
}

/// The letters of an order, one by one.
struct Letters<'a> {
    broker: &'a dyn Broker,
    order: &'a Order,
    began: Timestamp,
    /// The number of the last one that was read.
    after: u64,
    page: VecDeque<Letter>,
    over: bool,
}

impl<'a> Letters<'a> {
    fn new(Redriver { broker, clock, .. }: &'a Redriver, order: &'a Order) -> Self {
        Self { broker: &**broker, order, began: clock.now(), after: 0, page: VecDeque::new(), over: false }
    }

    async fn next(&mut self, tally: &mut Tally) -> Result<Option<Letter>, Error> {
        loop {
            let Some(letter) = self.page.pop_front() else {
                if self.over {
                    return Ok(None);
                }
                self.turn_over().await?;
                continue;
            };
            if letter.dead.at > self.began {
                continue;
            }
            if tally.done >= self.order.count_max {
                tally.more = true;
                return Ok(None);
            }
            return Ok(Some(letter));
        }
    }

    async fn turn_over(&mut self) -> Result<(), Error> {
        let filter = &self.order.filter;
        if let Some(number) = self.order.only {
            let letter = self.broker.letter(number).await?;
            self.page.extend(letter.filter(|letter| filter.matches(&letter.dead)));
            self.over = true;
            return Ok(());
        }
        self.page.extend(self.broker.letters(filter, self.after, PAGE).await?);
        match self.page.back() {
            Some(last) => self.after = last.number,
            None => self.over = true,
        }
        Ok(())
    }
}

/// The call in a letter, as it begins anew; or why it cannot.
fn revived(letter: &Letter, redriven_max: u32, now: Timestamp) -> Result<Call, String> {
    let mut call = codec::decode(&letter.dead.payload).map_err(|error| format!("it cannot be run: {error}"))?;
    if call.redriven >= redriven_max {
        return Err(format!("it was redriven {} times before, and died every time", call.redriven));
    }
    call.history.push(now, Duration::ZERO, What::Redriven, None, &letter.dead.detail);
    call.counts = Counts { deliveries: call.counts.deliveries, ..Counts::default() };
    call.redriven += 1;
    (call.age_from, call.due, call.expires_at) = (now, None, None);
    Ok(call)
}

#[cfg(test)]
mod tests {
    use proto::{CallId, Dead, Function, Queue, Request, dead};

    use super::*;
    use crate::memory::{Memory, Settings, SteadyClock};
    use crate::port::{DeadLetters, Records};

    fn dead(id: &str, redriven: u32) -> Dead {
        let (id, function) = (CallId::parse(id).unwrap(), Function::parse("f").unwrap());
        let mut call = Call::new(id, function.clone(), Timestamp::default(), Request::default());
        (call.redriven, call.counts) = (redriven, Counts { attempts: 10, deliveries: 12, ..Counts::default() });
        Dead {
            lane: LaneKey::new(Queue::default(), function),
            reason: dead::Reason::Exhausted,
            detail: "status 500".into(),
            at: Timestamp::default(),
            payload: codec::encode(&call),
        }
    }

    async fn buried(letters: &[Dead]) -> (Redriver, Memory) {
        let clock = Arc::new(SteadyClock::default());
        let memory = Memory::new(Settings::default(), clock.clone());
        for (n, letter) in letters.iter().enumerate() {
            memory.bury(letter.clone(), n.to_string(), None).await.unwrap();
            if let Ok(call) = codec::decode(&letter.payload) {
                let end = Record::of(&call, &letter.lane, State::Dead, letter.at);
                memory.end(&end, end.end_id(), Duration::from_secs(3600)).await.unwrap();
            }
        }
        let broker: Arc<dyn Broker> = Arc::new(memory.clone());
        (Redriver { recorder: Recorder::new(broker.clone(), Duration::from_secs(60)), broker, clock }, memory)
    }

    #[tokio::test(start_paused = true)]
    async fn begins_anew_with_its_history() {
        let (redriver, memory) = buried(&[dead("c", 0)]).await;
        let tally = redriver.redrive(&Order::default()).await.unwrap();
        assert_eq!((tally.done, tally.left, memory.dead_count().await.unwrap()), (1, 0, 0));
        let record = memory.record(&CallId::parse("c").unwrap()).await.unwrap().unwrap().record;
        assert_eq!((record.state, record.redriven, record.counts.attempts), (State::Ready, 1, 0));
        assert_eq!((record.counts.deliveries, record.history.turns().len()), (12, 1));
        let backlog = memory.backlog(&Queue::default()).await.unwrap();
        assert_eq!(backlog[0].messages, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_dies_every_time_or_cannot_run_is_left() {
        let garbage = Dead { payload: "garbage".into(), ..dead("x", 0) };
        let (redriver, memory) = buried(&[dead("worn", 3), garbage, dead("fresh", 2)]).await;
        let order = Order { dry_run: true, ..Order::default() };
        let would = redriver.redrive(&order).await.unwrap();
        assert_eq!((would.done, would.left, memory.dead_count().await.unwrap()), (1, 2, 3));
        let did = redriver.redrive(&Order::default()).await.unwrap();
        assert_eq!((did, memory.dead_count().await.unwrap()), (would, 2));
        assert_eq!(redriver.purge(&Order::default()).await.unwrap().done, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_interrupted_is_not_run_again() {
        let (redriver, memory) = buried(&[dead("c", 0)]).await;
        redriver.redrive(&Order::default()).await.unwrap();
        // The letter lies there still, as if it had not come to its removal.
        memory.bury(dead("c", 0), "again".into(), None).await.unwrap();
        let tally = redriver.redrive(&Order::default()).await.unwrap();
        assert_eq!((tally.done, tally.left, memory.dead_count().await.unwrap()), (0, 1, 0));
        assert_eq!(memory.backlog(&Queue::default()).await.unwrap()[0].messages, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn no_faster_and_no_more_than_asked() {
        let letters: Vec<Dead> = (0..250).map(|n| dead(&format!("c{n}"), 0)).collect();
        let (redriver, memory) = buried(&letters).await;
        let began = Instant::now();
        let order = Order { rate: Some(10.0), count_max: 200, ..Order::default() };
        let tally = redriver.redrive(&order).await.unwrap();
        assert_eq!((tally.done, tally.more, memory.dead_count().await.unwrap()), (200, true, 50));
        assert!(began.elapsed() >= Duration::from_millis(19_900), "{:?}", began.elapsed());
    }
}
