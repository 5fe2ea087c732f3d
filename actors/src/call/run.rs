//! A call from delivery to report, in one piece.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use proto::dead::Reason;
use proto::{Call, Counts};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::Desk;
use super::account::Standing;
use super::attempt::Attempt;
use super::exchange::Way;
use super::given::Given;
use super::plan::{self, Next, Rules};
use super::report::{Ended, Report};
use super::settle::persist;
use super::trace::Trace;
use super::turned::Turned;
use crate::limit::retries::Retries;
use crate::meter::Series;
use crate::port::{Delivery, broker};
use crate::waiting::spells::Spells;

/// How long a call runs before it is told that it does: most are over by then.
const TOLD_AFTER: Duration = Duration::from_millis(100);

/// Why a call that runs is to stop.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its caller does not want it any more.
    Cancelled,
    /// The worker goes: somebody else is to run it.
    GiveBack,
}

/// What a call runs by.
pub struct Means<'a> {
    /// Where it goes.
    pub way: Way<'a>,
    /// What its function's calls are tried again by.
    pub retries: &'a Retries,
    /// Where it is counted.
    pub series: &'a Series,
    /// Where it is told to stop.
    pub stop: oneshot::Receiver<Stop>,
    /// What its lane waited for, if that is followed.
    pub waits: Option<&'a Spells>,
}

/// What became of it before its message is settled.
enum Turn {
    /// This follows.
    Next(Next),
    /// Somebody else is to run it.
    GivenBack,
}

/// Runs a delivered call and reports what became of it. Dropping the future at any point leaves the message leased
/// and reports [`Ended::Unsettled`].
pub async fn run(desk: &Desk, means: Means<'_>, delivery: Delivery, mut report: Report) {
    match handle(desk, means, &delivery, &mut report).await {
        Ok(ended) => report.finish(ended),
        Err(error) => {
            tracing::error!(lane = %delivery.lane, message = %delivery.id, %error, "a call could not be settled");
            report.finish(Ended::Unsettled);
        }
    }
}

async fn handle(
    desk: &Desk,
    means: Means<'_>,
    delivery: &Delivery,
    report: &mut Report,
) -> Result<Ended, broker::Error> {
    let payload = match persist(|| Box::pin(delivery.payload.read())).await {
        Ok(payload) => payload,
        Err(error) => {
            tracing::error!(lane = %delivery.lane, message = %delivery.id, %error, "a call whose bytes are lost is dead");
            return Box::pin(desk.settle_unrunnable(delivery, Bytes::new(), Reason::Lost, error.to_string())).await;
        }
    };
    let mut call = match proto::codec::decode(&payload) {
        Ok(call) => call,
        Err(error) => {
            tracing::warn!(lane = %delivery.lane, message = %delivery.id, %error, "a message that is no call is dead");
            return Box::pin(desk.settle_unrunnable(delivery, payload, Reason::Undecodable, error.to_string())).await;
        }
    };
    let mut trace = desk.trace(&call, delivery, means.waits);
    let standing = desk.account(&mut call, delivery).await;
    let given = desk.given(&call);
    let told = match standing {
        Standing::Open => None,
        Standing::Repeat(told) => Some(told),
        Standing::Ended(told) => {
            let end = plan::retold(&delivery.lane, call, None, &told, desk.clock.now());
            let settled = Box::pin(desk.settle(delivery, end.into(), given.keep, &mut trace)).await;
            trace.finish(settled.is_err().then_some("unsettled"));
            return settled.map(|()| Ended::Settled);
        }
        Standing::Past => {
            tracing::info!(call = %call.id, lane = %delivery.lane, message = %delivery.id, "this turn of the call is past");
            trace.finish(None);
            return persist(|| delivery.lease.ack()).await.map(|()| Ended::Settled);
        }
    };
    let series = means.series;
    let settled = match desk.turn(call, &given, means, delivery, report, &mut trace).await {
        Turn::Next(next) => {
            let next = plan::repeated(&delivery.lane, next, told.as_deref(), desk.clock.now());
            let turned = Turned::tell(&delivery.lane, &next);
            let settled = desk.settle(delivery, next, given.keep, &mut trace).await;
            if settled.is_ok() {
                turned.count(series);
            }
            settled.map(|()| Ended::Settled)
        }
        Turn::GivenBack => {
            trace.given_back();
            let given_back = delivery.lease.give_back(None).await;
            desk.broker.hint(&delivery.lane).await;
            given_back.map(|()| Ended::GivenBack)
        }
    };
    trace.finish(settled.is_err().then_some("unsettled"));
    settled
}

impl Desk {
    /// Whether it may start at all, and if so the attempt.
    async fn turn(
        &self,
        call: Call,
        given: &Given,
        mut means: Means<'_>,
        delivery: &Delivery,
        report: &mut Report,
        trace: &mut Trace<'_>,
    ) -> Turn {
        let (lane, luck) = (&delivery.lane, self.luck.draw());
        let rules = |now| Rules { policy: &given.policy, keep: given.keep, now, luck };
        let now = self.clock.now();
        let told = means.stop.try_recv();
        // It came when its worker was about to go.
        if told == Ok(Stop::GiveBack) {
            Box::pin(self.note_returned(&call, delivery)).await;
            return Turn::GivenBack;
        }
        if told == Ok(Stop::Cancelled) || self.marks.has(&call) {
            return Turn::Next(plan::cancelled(lane, call, &rules(now)));
        }
        // One that comes again has been started in time.
        if delivery.deliveries <= 1 && call.is_expired(now) {
            return Turn::Next(plan::expired(lane, call, &rules(now)));
        }
        if given.is_buried {
            return Turn::Next(plan::deleted(lane, call, &rules(now)));
        }
        if given.policy.is_poison(call.counts.crashes) {
            tracing::error!(call = %call.id, %lane, crashes = call.counts.crashes, "a call that may be what ends its workers is dead");
            return Turn::Next(plan::poisoned(lane, call, &rules(now)));
        }
        means.retries.started();
        let is_first = call.counts.attempts == 0 && call.counts.throttles == 0 && delivery.deliveries <= 1;
        if is_first {
            means.series.wait.observe(now.since(call.age_from));
        }
        let is_new = is_new(&call);
        let (attempt, was_told) = match self.attempt_until(&call, given, &mut means, delivery, trace).await {
            Ok(attempted) => attempted,
            Err(Stop::Cancelled) => {
                tracing::info!(call = %call.id, %lane, "cancelled while it ran");
                return Turn::Next(plan::cancelled(lane, call, &rules(self.clock.now())));
            }
            Err(Stop::GiveBack) => {
                Box::pin(self.note_returned(&call, delivery)).await;
                return Turn::GivenBack;
            }
        };
        report.heard(attempt.feedback);
        means.series.attempted(attempt.outcome, attempt.result.status.as_u16(), attempt.result.duration);
        trace.attempted(&attempt);
        let now = self.clock.now();
        let mut next = plan::plan(lane, call, attempt, &rules(now), || means.retries.wait(Instant::now().into_std()));
        match &mut next {
            Next::Again { due, .. } => report.again(Instant::now() + due.since(now)),
            Next::Ended(end) => end.is_told_of = was_told || !is_new,
            Next::Buried(_) => {}
        }
        report.ran();
        Turn::Next(next)
    }

    /// The attempt and whether it was told of, as one is that takes a while; or why it was stopped.
    async fn attempt_until(
        &self,
        call: &Call,
        given: &Given,
        means: &mut Means<'_>,
        delivery: &Delivery,
        trace: &mut Trace<'_>,
    ) -> Result<(Attempt, bool), Stop> {
        let way = Way { slot: means.way.slot.take(), ..means.way };
        let mut attempt = pin!(self.attempt(call, given, way, trace));
        let was_told = AtomicBool::new(false);
        let mut tell = pin!(async {
            sleep(TOLD_AFTER).await;
            was_told.store(true, Ordering::Relaxed);
            Box::pin(self.note_running(call, delivery)).await;
        });
        let mut is_to_be_told = self.recorder.keeps(given.keep);
        let mut may_be_stopped = true;
        loop {
            tokio::select! {
                biased;
                attempt = &mut attempt => return Ok((attempt, was_told.load(Ordering::Relaxed))),
                () = &mut tell, if is_to_be_told => is_to_be_told = false,
                stop = &mut means.stop, if may_be_stopped => match stop {
                    Ok(stop) => return Err(stop),
                    // Nobody is left who could stop it in good order.
                    Err(_) => may_be_stopped = false,
                },
            }
        }
    }
}

/// Whether nothing has happened to a call yet but that it was accepted, to be run at once.
fn is_new(call: &Call) -> bool {
    let Counts { attempts, throttles, deliveries, .. } = call.counts;
    attempts == 0 && throttles == 0 && deliveries <= 1 && call.redriven == 0 && call.age_from == call.accepted_at
}
