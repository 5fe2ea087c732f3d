//! One function's calls in this worker, while it has any.
//!
//! # Owns
//! The lane, the permits in hand, at most one pull, and a task for every call in flight with the lease on it.
//!
//! # Takes
//! [`Msg`]. Permits bound the mailbox: there is at most one [`Msg::Done`] or delivery for each permit, one
//! [`Msg::Pulled`], one [`Msg::Beat`], one [`Msg::Opened`], and what its queue sends.
//!
//! # Children
//! None: a call is a task. A call that panics is given back and concerns no other.
//!
//! # Stops
//! When its queue lets it retire after an idle while; when drained; with an error when its lane cannot be opened,
//! which its queue answers with a restart.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use proto::LaneKey;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::call::Desk;
use crate::call::report::{Done, Ended};
use crate::demand::Ask;
use crate::flight::{Extended, Flights, give_back};
use crate::inflow::Inflow;
use crate::permit::{Home, Permits};
use crate::port::broker::{Error, Terms};
use crate::port::{Delivery, Lane, Lease};
use crate::pull::{Event, Pulled, Sink};
use crate::view::{self, Phase};

/// How long a call that died without an outcome waits before it is tried again.
const AFTER_A_CRASH: Duration = Duration::from_secs(1);
/// The pause before a lane that broke is opened again beneath running calls.
const REOPEN_AFTER: Duration = Duration::from_millis(500);

/// What a subscriber is told.
pub(crate) enum Msg {
    /// From the queue: there may be work. While draining: nothing.
    Work,
    /// From the queue: permits, as asked for.
    Granted(Permits),
    /// From the queue: let go of so many permits, those in hand now, the others as calls end.
    Recall(u32),
    /// From the pull: messages, each with the permit it runs by. While draining they are given back.
    Taken(Vec<(Delivery, Permits)>),
    /// From the pull: it is over.
    Pulled(Pulled),
    /// From a call: it is over.
    Done(Done),
    /// From itself: look after the leases, the limit and idleness.
    Beat,
    /// From itself: what became of the leases that were to be extended.
    Extended(Extended),
    /// From itself: the lane was opened again, or could not be.
    Opened(Result<Arc<dyn Lane>, Error>),
    /// From the queue: nobody needs it any more. The answer to [`Request::Retire`].
    Retire,
    /// From the queue: pull no more, finish what runs, stop; give back what still runs at the deadline.
    Drain { deadline: Instant },
    /// From itself: the deadline of the drain is here.
    Deadline,
    /// From itself: a batch of messages that was to be given back has been, as far as that is possible.
    GaveBack,
    /// From the queue: how is it?
    View(RpcReplyPort<view::Subscriber>),
}

/// What a subscriber asks of its queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    /// Permits; the idle one is granted only while permits are plenty.
    Permits(Ask),
    /// To stop, having been told of work so many times.
    Retire { works: u64 },
}

#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) lane: LaneKey,
    pub(crate) desk: Arc<Desk>,
    pub(crate) terms: Terms,
    /// How long it stays with nothing to do.
    pub(crate) linger: Duration,
    pub(crate) ask: Arc<dyn Fn(Request) + Send + Sync>,
    pub(crate) home: Home,
}

pub(crate) struct State {
    me: ActorRef<Msg>,
    args: Args,
    lane: Option<Arc<dyn Lane>>,
    limit: Option<NonZeroU32>,
    inflow: Inflow,
    flights: Flights,
    tell: Arc<dyn Fn(Done) + Send + Sync>,
    tasks: JoinSet<()>,
    /// Batches of messages that are being given back.
    returning: usize,
    busy_at: Instant,
    works: u64,
    phase: Phase,
}

/// How the queue speaks to a subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Handle(ActorRef<Msg>);

impl Handle {
    pub(crate) fn new(actor: ActorRef<Msg>) -> Self {
        Self(actor)
    }

    /// One that has just died does not hear it; its exit is on the way to the queue.
    fn tell(&self, msg: Msg) {
        if self.0.cast(msg).is_err() {
            tracing::debug!(subscriber = %self.0.get_id(), "told nothing: it has ended");
        }
    }

    pub(crate) fn work(&self) {
        self.tell(Msg::Work);
    }

    pub(crate) fn grant(&self, permits: Permits) {
        self.tell(Msg::Granted(permits));
    }

    pub(crate) fn recall(&self, count: u32) {
        self.tell(Msg::Recall(count));
    }

    pub(crate) fn retire(&self) {
        self.tell(Msg::Retire);
    }

    pub(crate) fn drain(&self, deadline: Instant) {
        self.tell(Msg::Drain { deadline });
    }

    pub(crate) async fn view(&self) -> Option<view::Subscriber> {
        view::ask(&self.0, Msg::View).await
    }
}

pub(crate) struct Subscriber;

impl Actor for Subscriber {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        Ok(State::new(me, args))
    }

    async fn post_start(&self, _: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.limit = state.args.desk.limit(&state.args.lane);
        let lane = state.args.desk.broker.lane(&state.args.lane, state.terms()).await?;
        state.lane = Some(lane);
        state.arm_beat();
        state.proceed();
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Work => state.work(),
            Msg::Granted(permits) => state.granted(permits),
            Msg::Recall(count) => state.inflow.recall(count),
            Msg::Taken(taken) => state.taken(taken),
            Msg::Pulled(pulled) => state.pulled(pulled)?,
            Msg::Done(done) => state.done(done),
            Msg::Beat => state.on_beat(),
            Msg::Extended(extended) => state.flights.extended(extended),
            Msg::Opened(lane) => state.opened(lane)?,
            Msg::Retire => state.me.stop(Some("retired".into())),
            Msg::Drain { deadline } => state.drain(deadline),
            Msg::Deadline => state.give_back_all(),
            Msg::GaveBack => state.gave_back(),
            // The asker has given up waiting: nobody is there to be told.
            Msg::View(reply) => drop(reply.send(state.view())),
        }
        Ok(())
    }
}

impl State {
    fn new(me: ActorRef<Msg>, args: Args) -> Self {
        let sink = me.clone();
        // A report to an incarnation that has ended drops the permit in it, which goes home.
        let tell = Arc::new(move |done: Done| drop(sink.cast(Msg::Done(done))));
        let sink = me.clone();
        let pull_sink: Sink = Arc::new(move |event| {
            let msg = match event {
                Event::Taken(taken) => Msg::Taken(taken),
                Event::Over(pulled) => Msg::Pulled(pulled),
            };
            drop(sink.cast(msg));
        });
        Self {
            inflow: Inflow::new(Permits::new(0, args.home.clone()), pull_sink),
            flights: Flights::new(args.lane.clone(), args.terms.lease),
            me,
            args,
            lane: None,
            limit: None,
            tell,
            tasks: JoinSet::new(),
            returning: 0,
            busy_at: Instant::now(),
            works: 0,
            phase: Phase::Running,
        }
    }

    fn work(&mut self) {
        self.works += 1;
        self.inflow.expect_work();
        if self.phase == Phase::Resting {
            self.phase = Phase::Running;
        }
        self.proceed();
    }

    fn granted(&mut self, permits: Permits) {
        self.inflow.granted(permits);
        if self.phase == Phase::Running {
            self.proceed();
        } else {
            self.inflow.release();
        }
    }

    /// Pulls, asks for permits and lets go of them, as the demand is.
    fn proceed(&mut self) {
        if self.phase != Phase::Running {
            return;
        }
        let Some(lane) = &self.lane else { return };
        if let Some(ask) = self.inflow.proceed(lane, self.flights.len(), self.limit, &mut self.tasks) {
            (self.args.ask)(Request::Permits(ask));
        }
    }

    fn taken(&mut self, taken: Vec<(Delivery, Permits)>) {
        if self.phase == Phase::Draining {
            let leases: Vec<_> = taken.into_iter().map(|(delivery, _)| delivery.lease).collect();
            self.return_to_lane(leases, None);
            return;
        }
        self.phase = Phase::Running;
        let now = Instant::now();
        self.busy_at = now;
        for (delivery, permit) in taken {
            self.inflow.taken(delivery.behind);
            self.flights.launch(&mut self.tasks, &self.args.desk, (delivery, permit), now, &self.tell);
        }
    }

    fn pulled(&mut self, pulled: Pulled) -> Result<(), ActorProcessingErr> {
        let error = self.inflow.over(pulled);
        if self.phase != Phase::Running {
            self.inflow.release();
        }
        if let Some(error) = error {
            return self.lane_broke(error);
        }
        match self.phase {
            Phase::Running => self.proceed(),
            Phase::Resting => (self.args.ask)(Request::Retire { works: self.works }),
            Phase::Draining => self.stop_if_done(),
        }
        Ok(())
    }

    /// With nothing in flight the ordinary restart opens the lane anew; calls in flight are kept, and the lane is
    /// opened again beneath them.
    fn lane_broke(&mut self, error: Error) -> Result<(), ActorProcessingErr> {
        self.lane = None;
        if self.phase == Phase::Draining {
            self.stop_if_done();
        } else if self.flights.is_empty() {
            return Err(error.into());
        } else {
            tracing::warn!(lane = %self.args.lane, %error, in_flight = self.flights.len(), "the lane broke; opening it again");
            let (args, terms, me) = (self.args.clone(), self.terms(), self.me.clone());
            self.tasks.spawn(async move {
                sleep(REOPEN_AFTER).await;
                drop(me.cast(Msg::Opened(args.desk.broker.lane(&args.lane, terms).await)));
            });
        }
        Ok(())
    }

    fn opened(&mut self, lane: Result<Arc<dyn Lane>, Error>) -> Result<(), ActorProcessingErr> {
        match lane {
            Ok(lane) => {
                self.lane = Some(lane);
                self.inflow.expect_work();
                self.proceed();
                Ok(())
            }
            Err(error) => self.lane_broke(error),
        }
    }

    fn done(&mut self, Done { key, ended, permit }: Done) {
        self.reap();
        self.inflow.landed(permit);
        if let Some(lease) = self.flights.land(key)
            && ended == Ended::Unsettled
        {
            self.return_to_lane(vec![lease], Some(AFTER_A_CRASH));
        }
        self.busy_at = Instant::now();
        self.stop_if_done();
        self.proceed();
    }

    /// Finished tasks are forgotten here; a panic among them was reported by its guard, and is told here.
    fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(error) = ended
                && error.is_panic()
            {
                tracing::error!(lane = %self.args.lane, %error, "a task of this lane panicked");
            }
        }
    }

    fn on_beat(&mut self) {
        self.reap();
        let now = Instant::now();
        self.flights.lose_overdue(now);
        if let Some(extension) = self.flights.due(now) {
            let me = self.me.clone();
            self.tasks.spawn(async move { drop(me.cast(Msg::Extended(extension.ask().await))) });
        }
        self.follow_limit();
        self.rest_if_idle(now);
        self.proceed();
        self.arm_beat();
    }

    fn rest_if_idle(&mut self, now: Instant) {
        let idle = self.flights.is_empty()
            && self.inflow.backlog() == 0
            && now.duration_since(self.busy_at) >= self.args.linger;
        if self.phase == Phase::Running && idle {
            self.phase = Phase::Resting;
            self.inflow.release();
            if !self.inflow.is_pulling() {
                (self.args.ask)(Request::Retire { works: self.works });
            }
        }
    }

    fn follow_limit(&mut self) {
        let wanted = self.args.desk.limit(&self.args.lane);
        if let Some(lane) = self.lane.clone().filter(|_| wanted != self.limit) {
            self.limit = wanted;
            let key = self.args.lane.clone();
            self.tasks.spawn(async move {
                if let Err(error) = lane.set_limit(wanted).await {
                    tracing::warn!(lane = %key, %error, "the lane's limit could not be changed; it is when the lane is opened again");
                }
            });
        }
    }

    fn terms(&self) -> Terms {
        Terms { limit: self.limit, ..self.args.terms }
    }

    fn arm_beat(&mut self) {
        let me = self.me.clone();
        let beat = self.flights.beat();
        self.tasks.spawn(async move {
            sleep(beat).await;
            drop(me.cast(Msg::Beat));
        });
    }

    fn drain(&mut self, deadline: Instant) {
        self.phase = Phase::Draining;
        self.inflow.release();
        self.inflow.cut();
        let me = self.me.clone();
        self.tasks.spawn(async move {
            sleep_until(deadline).await;
            drop(me.cast(Msg::Deadline));
        });
        self.stop_if_done();
    }

    fn gave_back(&mut self) {
        self.returning -= 1;
        self.stop_if_done();
    }

    fn stop_if_done(&mut self) {
        let busy = !self.flights.is_empty() || self.inflow.is_pulling() || self.returning > 0;
        if self.phase == Phase::Draining && !busy {
            self.me.stop(Some("drained".into()));
        }
    }

    /// What did not finish in time starts again elsewhere, at once rather than when its lease ends.
    fn give_back_all(&mut self) {
        let leases = self.flights.abandon();
        tracing::warn!(lane = %self.args.lane, calls = leases.len(), "the drain's deadline is here; giving calls back");
        self.return_to_lane(leases, None);
    }

    /// A subscriber that stops takes its tasks with it, so it does not stop before these are done.
    fn return_to_lane(&mut self, leases: Vec<Arc<dyn Lease>>, delay: Option<Duration>) {
        self.returning += 1;
        let me = self.me.clone();
        self.tasks.spawn(async move {
            give_back(leases, delay).await;
            drop(me.cast(Msg::GaveBack));
        });
    }

    fn view(&self) -> view::Subscriber {
        view::Subscriber {
            function: self.args.lane.function.to_string(),
            phase: self.phase,
            in_flight: self.flights.len(),
            permits: self.inflow.permits(),
            backlog: self.inflow.backlog(),
            concurrency: self.limit.map(NonZeroU32::get),
        }
    }
}
