//! How messages come in to a subscriber: what may start, permits to start it with, and at most one pull.

pub mod demand;
pub mod held;
pub mod pull;
pub mod put_off;
pub mod takes;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use self::demand::Demand;
use self::held::Held;
use self::pull::{Pulled, Reins, Sink};
use self::put_off::PutOff;
use self::takes::Takes;
use crate::call::report::Ran;
use crate::limit::applied::Applied;
use crate::limit::endpoints::Endpoints;
use crate::limit::rates::{Paces, Rates};
use crate::limit::{Gate, InFlight, Limits, Room};
use crate::meter::Series;
use crate::permit::Permits;
use crate::permit::capacity::Seat;
use crate::permit::share::group::quick_within;
use crate::permit::share::{BRIEF, Standings, Wish};
use crate::port::broker::Error;
use crate::port::{Delivery, Lane};
use crate::view;
use crate::waiting::{Reason, Waiting};

/// How long a pull with one permit waits for a first message before it is asked anew.
const PULL_WAIT: Duration = Duration::from_secs(2);
/// How long one with several does, or with one that somebody waits for: long enough for a busy broker to hand out a full batch.
const BATCH_WAIT: Duration = Duration::from_millis(100);

/// What a subscriber may take, and is taking.
pub struct Inflow {
    /// The function's own limits.
    pub gate: Gate,
    rates: Arc<Rates>,
    /// The rates that its calls are subject to.
    paces: Paces,
    /// Its weights and caps.
    standings: Standings,
    seat: Seat,
    hand: Permits,
    /// Messages that waited behind the last one taken; 1 if all that is known is that there may be some.
    backlog: u64,
    /// Whether the last pull found nothing although messages wait.
    dry: bool,
    /// Whether the last message taken came again: a broker may not count those behind it that do.
    comes_again: bool,
    /// Whether it was heard of work since the last pull was asked for: what that brings may not know of it.
    heard: bool,
    takes: Takes,
    /// How long calls take at most that are quick.
    quick_within: Duration,
    /// The pull that is out, and with how many permits that have found no message yet.
    pull: Option<(Reins, u32)>,
    sink: Sink,
    put_off: PutOff,
    /// As they were when it was last decided.
    room: Room,
    wished: u32,
    held: Held,
}

impl Inflow {
    /// With no permits yet, in a worker that has `ceiling`, and work to be expected; pulls tell `sink`.
    /// It begins `gently` if everything was held back until now. `series` counts how long calls are held back.
    #[must_use]
    pub fn new(ceiling: u32, rates: Arc<Rates>, seat: Seat, sink: Sink, gently: bool, series: Arc<Series>) -> Self {
        let mut gate = Gate::new(Limits { concurrency: None, paused: false, ceiling });
        if gently {
            gate.begin_gently(Instant::now().into_std());
        }
        Self {
            gate,
            rates,
            paces: Paces::new(),
            standings: Standings::default(),
            hand: seat.none(),
            seat,
            backlog: 1,
            dry: false,
            comes_again: false,
            heard: false,
            takes: Takes::default(),
            quick_within: quick_within(ceiling),
            pull: None,
            sink,
            put_off: PutOff::default(),
            room: Room { count: u32::MAX, by: None },
            wished: 0,
            held: Held::new(series),
        }
    }

    /// The lane is open again: everything in it was held back until now.
    pub fn begin_again(&mut self) {
        self.gate.begin_gently(Instant::now().into_std());
        self.expect_work();
    }

    /// What applies from now on; `endpoints` if calls go to some that are chosen from.
    pub fn apply(&mut self, applied: Applied, endpoints: Option<Endpoints>) {
        self.held.limited(&applied, self.gate.adaptive());
        self.gate.set(applied.limits, endpoints, Instant::now().into_std());
        (self.paces, self.standings) = (applied.paces, applied.standings);
    }

    /// There may be work.
    pub fn expect_work(&mut self) {
        self.heard = true;
        self.backlog = self.backlog.max(1);
    }

    /// So many messages wait.
    pub fn know(&mut self, backlog: Result<u64, Error>) {
        match backlog {
            Ok(backlog) => self.backlog = backlog,
            Err(error) => tracing::debug!(%error, "what waits in a lane is not known now"),
        }
    }

    /// A message was taken.
    pub fn taken(&mut self, delivery: &Delivery, now: Instant) {
        self.backlog = delivery.behind.max(self.heard.into());
        (self.dry, self.comes_again) = (false, delivery.deliveries > 1);
        if let Some((_, out)) = &mut self.pull {
            *out = out.saturating_sub(1);
        }
        self.gate.began(now.into_std());
    }

    /// A wish was answered.
    pub fn granted(&mut self, permits: Permits) {
        self.seat.granted();
        self.hand.join(permits);
    }

    /// A function is done with a call, as one of so many that ran. Its permit is free for the next one, unless somebody
    /// else is to have it.
    pub fn ran(&mut self, ran: Ran, running: u32, luck: f64, now: Instant) {
        let Ran { began, feedback, again, permit, .. } = ran;
        self.gate.ended(feedback, began.into_std(), running, now.into_std(), luck);
        // One that was given back or given up says nothing of how long they take.
        if feedback.is_some() {
            self.takes.note(now.duration_since(began));
        }
        if self.seat.may_keep(self.takes.are_quick(self.quick_within)) {
            self.hand.join(permit);
        }
        if let Some(due) = again {
            let turned_away = feedback.is_some_and(|it| it.is_turned_away());
            self.put_off.note(due.into_std(), turned_away, now.into_std());
        }
    }

    /// Lets go of everything in hand, and wishes for nothing.
    pub fn release(&mut self) {
        drop(self.hand.take(u32::MAX));
        self.seat.wish(Wish::default());
    }

    /// Lets go of the permit that is only waited with, if nothing is known to wait. A pull may stay out without it; what
    /// comes for that is given back, and hinted at, so that it comes when it is this function's turn.
    pub fn let_go(&mut self) {
        if self.backlog == 0 {
            self.cut();
            if let Some((reins, out)) = &mut self.pull {
                reins.let_go.cancel();
                *out = 0;
            }
            drop(self.hand.take(u32::MAX));
        }
    }

    /// Ends the pull that is out; what was sent for it by then still comes, because it has been delivered by now.
    pub fn cut(&self) {
        if let Some((reins, _)) = &self.pull {
            reins.enough.cancel();
        }
    }

    /// The pull is over. Its error, if it ended with one.
    pub fn over(&mut self, Pulled { unused, asked, taken, error }: Pulled) -> Option<Error> {
        self.pull = None;
        let missing = asked.saturating_sub(taken);
        self.rates.put_back(&self.paces, missing, Instant::now().into_std());
        // One that found nothing stands in line again: else a lane in which all that may run do elsewhere, or that is
        // empty by now, would go on waiting with a permit that somebody here has a call for.
        if taken > 0 || !self.seat.is_contended() {
            self.hand.join(unused);
        }
        if taken == 0 {
            // Where a limit holds in the cluster, messages may wait although nothing came.
            self.dry = self.gate.limits().concurrency.is_some() && self.backlog > 0;
            self.backlog = if self.dry { self.backlog } else { self.heard.into() };
        } else if self.comes_again {
            // What one worker had comes again together: if as many came as were asked for, there are more.
            self.backlog = self.backlog.max(if missing == 0 { 2 * u64::from(taken) } else { 1 });
        }
        error
    }

    /// Pulls from `lane`, wishes for permits and lets go of them, as the demand is. When to look again although
    /// nothing happens, if something is known to pass by then.
    pub fn proceed(&mut self, lane: &Arc<dyn Lane>, in_flight: InFlight, tasks: &mut JoinSet<()>) -> Option<Instant> {
        let now = Instant::now();
        let room = self.room(in_flight, now);
        let out = self.pull.as_ref().map(|(_, permits)| *permits);
        if out.is_some_and(|out| out > room.count) {
            // What limits the function came in between.
            self.cut();
        }
        let demand =
            Demand { hand: self.hand.count(), room: room.count, backlog: self.backlog, pulling: out, dry: self.dry };
        let step = demand.step();
        drop(self.hand.take(step.release));
        self.seat.wish(self.wish_for(step.wish));
        let mut pull = step.pull;
        if step.idle
            && let Some(permit) = self.seat.idle(self.wish_for(0))
        {
            self.hand.join(permit);
            pull = 1;
        }
        let count = if pull > 0 { self.rates.take(&self.paces, pull, now.into_std()) } else { 0 };
        if count > 0 {
            let wait = if count == 1 && !self.seat.is_contended() { PULL_WAIT } else { BATCH_WAIT };
            let permits = self.hand.take(count);
            let reins = Reins::default();
            tasks.spawn(pull::run(lane.clone(), permits, wait, reins.clone(), self.sink.clone()));
            self.pull = Some((reins, count));
            self.heard = false;
        }
        (self.room, self.wished) = (room, step.wish);
        self.note_held(now);
        room.by.and_then(|by| by.until).map(Instant::from_std)
    }

    /// How long a call may wait for a connection that others use. Where many functions take turns, each would leave many
    /// behind that are closed before its next one, and it is CPU that is short, to make them with.
    #[must_use]
    pub fn patience(&self) -> Duration {
        if self.seat.is_short_of_cpu() { self.takes.patience(self.quick_within) } else { Duration::ZERO }
    }

    /// Time has passed.
    pub fn remind(&self) {
        self.seat.remind();
    }

    /// Whether a pull is out.
    #[must_use]
    pub fn is_pulling(&self) -> bool {
        self.pull.is_some()
    }

    /// Whether messages wait, as far as known, and none can be had.
    #[must_use]
    pub fn is_dry(&self) -> bool {
        self.dry
    }

    /// Messages known to wait.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.backlog
    }

    /// How it is.
    #[must_use]
    pub fn view(&self) -> view::Inflow {
        view::Inflow {
            permits: self.hand.count(),
            backlog: self.backlog,
            turned_away: self.put_off.turned_away(Instant::now().into_std()),
            concurrency: self.gate.limits().concurrency.map(NonZeroU32::get),
            adaptive: self.gate.adaptive(),
            typical_seconds: self.takes.typical().map(|typical| typical.as_secs_f64()),
            per_second: self.gate.per_second(Instant::now().into_std()),
            waiting: self.waiting().map(view::Waiting::from),
        }
    }

    fn room(&self, in_flight: InFlight, now: Instant) -> Room {
        let now = now.into_std();
        let out = self.pull.as_ref().map_or(0, |(_, permits)| *permits);
        let room = self.gate.room(in_flight, now);
        if self.paces.is_empty() {
            return room;
        }
        let until = self.rates.next(&self.paces, now).map(|(_, at)| at);
        // The pull that is out has its tokens already.
        let count = self.rates.available(&self.paces, now).saturating_add(out);
        room.and(count, Waiting { reason: Reason::Rate, until })
    }

    fn wish_for(&self, count: u32) -> Wish {
        let (brief, quick) = (self.takes.usually(BRIEF), self.takes.are_quick(self.quick_within));
        Wish { count, brief, quick, standings: self.standings }
    }
}
