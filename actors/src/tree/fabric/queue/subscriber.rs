//! One function's calls in this worker, while it has any.
//!
//! # Owns
//! The lane, what limits the function here, the permits in hand, at most one pull, and a task for every call in flight
//! with the lease on it.
//!
//! # Takes
//! [`Msg`]. Permits bound the mailbox: there is at most one delivery for each permit, one [`Msg::Told`], one pull, one
//! [`Msg::Beat`], one [`Msg::Opened`], and what its queue sends.
//!
//! # Children
//! None: a call is a task. A call that panics is given back and concerns no other.
//!
//! # Stops
//! When its queue lets it retire after an idle while; when drained; with an error when its lane cannot be opened,
//! which its queue answers with a restart.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use proto::{CallId, LaneKey};
use ractor::{Actor, ActorProcessingErr, ActorRef, MessagingErr, RpcReplyPort};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::call::Desk;
use crate::call::report::{Ended, Ledger, Told};
use crate::flight::{Extended, Flights, give_back, reap};
use crate::inflow::Inflow;
use crate::inflow::pull::{Event, Pulled, Sink};
use crate::limit::applied::Addresses;
use crate::link::Link;
use crate::orders::Orders;
use crate::permit::Permits;
use crate::permit::capacity::{Capacity, Notice};
use crate::permit::share::Standing;
use crate::port::broker::{Error, Terms};
use crate::port::{Delivery, Lane, Lease};
use crate::supervision::tell;
use crate::view::{self, Phase};

/// How long a call that died without an outcome waits before it is tried again.
const AFTER_A_CRASH: Duration = Duration::from_secs(1);
/// How long calls may take to give their messages back themselves.
const RECALL_WITHIN: Duration = Duration::from_secs(2);
/// The pause before a lane that broke is opened again beneath running calls.
const REOPEN_AFTER: Duration = Duration::from_millis(500);

/// What a subscriber is told.
pub(crate) enum Msg {
    /// From the queue: there may be work. While draining: nothing.
    Work,
    /// From the worker's capacity: permits, or the wish to have one back.
    Notice(Notice),
    /// From itself: something that held calls back has passed by now. From the queue: what is set has changed.
    Look,
    /// From the pull: messages, each with the permit it runs by; or that it is over.
    Pull(Event),
    /// From the ledger: calls have run, or are over.
    Told,
    /// From itself: look after the leases, the limit and idleness.
    Beat,
    /// From itself: what became of the leases that were to be extended.
    Extended(Extended),
    /// From itself: so many messages wait.
    Waits(Result<u64, Error>),
    /// From itself: the broker keeps to the limit, or not.
    Bound(Result<(), Error>),
    /// From itself: these are the addresses of the function's endpoints.
    Found(Addresses),
    /// From itself: the lane was opened again, or could not be.
    Opened(Terms, Result<Arc<dyn Lane>, Error>),
    /// From the queue: nobody needs it any more, as it said.
    Retire,
    /// From the queue: pull no more, finish what runs, stop; give back what still runs at the deadline.
    Drain { deadline: Instant },
    /// From itself: the deadline of the drain is here, or calls have had the time to let go.
    Deadline,
    /// From the queue: the caller of this one, redriven so often, does not want it any more.
    Cancel(CallId, u32),
    /// From itself: a batch of messages that was to be given back has been, as far as that is possible.
    GaveBack,
    /// From the queue: how is it?
    View(RpcReplyPort<view::Subscriber>),
}

#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) lane: LaneKey,
    pub(crate) desk: Arc<Desk>,
    pub(crate) terms: Terms,
    /// How long it stays with nothing to do.
    pub(crate) linger: Duration,
    /// Where its permits come from.
    pub(crate) capacity: Capacity,
    /// How its queue stands there.
    pub(crate) standing: Standing,
    /// Whether it is one that failed, begun anew.
    pub(crate) again: bool,
    /// Asks the queue to let it stop, having been told of work so many times.
    pub(crate) retire: Arc<dyn Fn(u64) + Send + Sync>,
}

pub(crate) struct State {
    me: ActorRef<Msg>,
    args: Args,
    link: Link,
    orders: Orders,
    inflow: Inflow,
    /// When it will look again although nothing happens.
    look_at: Option<Instant>,
    flights: Flights,
    ledger: Ledger,
    tasks: JoinSet<()>,
    /// Batches of messages that are being given back.
    returning: usize,
    busy_at: Instant,
    works: u64,
    phase: Phase,
}

/// How the queue speaks to a subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Handle(pub(crate) ActorRef<Msg>);

impl Handle {
    pub(crate) fn tell(&self, msg: Msg) {
        tell(&self.0, msg);
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
        state.follow_orders();
        let terms = state.terms();
        let lane = state.args.desk.broker.lane(&state.args.lane, terms).await?;
        state.link.opened(lane, terms.limit);
        state.tell_me_at(Instant::now() + state.flights.beat(), Msg::Beat);
        state.proceed();
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Work => state.work(),
            Msg::Notice(notice) => state.noticed(notice),
            Msg::Look => {
                state.look_at = None;
                state.follow_orders();
                state.proceed();
            }
            Msg::Pull(Event::Taken(taken)) => state.taken(taken),
            Msg::Pull(Event::Over(pulled)) => state.pulled(pulled)?,
            Msg::Told => state.read_ledger(),
            Msg::Beat => state.on_beat(),
            Msg::Extended(extended) => state.flights.extended(extended),
            Msg::Waits(count) => state.inflow.know(count),
            Msg::Bound(answer) => state.link.bound(answer),
            Msg::Found(addresses) => {
                state.orders.found(addresses);
                state.proceed();
            }
            Msg::Opened(terms, lane) => state.opened(terms, lane)?,
            Msg::Retire => state.me.stop(Some("retired".into())),
            Msg::Drain { deadline } => state.drain(deadline),
            Msg::Deadline => state.recall(),
            Msg::Cancel(call, redriven) => state.flights.cancel(&call, redriven),
            Msg::GaveBack => {
                state.returning -= 1;
                state.stop_if_done();
            }
            // The asker has given up waiting: nobody is there to be told.
            Msg::View(reply) => drop(reply.send(state.view())),
        }
        Ok(())
    }
}

impl State {
    fn new(me: ActorRef<Msg>, args: Args) -> Self {
        let (sink, pulls, ear) = (me.clone(), me.clone(), me.clone());
        let ledger = Ledger::new(Box::new(move || sink.cast(Msg::Told).is_ok()), args.capacity.settling());
        let pull_sink: Sink = Arc::new(move |event| drop(pulls.cast(Msg::Pull(event))));
        let hear = move |notice| match ear.cast(Msg::Notice(notice)) {
            Err(MessagingErr::SendErr(Msg::Notice(unheard))) => Err(unheard),
            Ok(()) | Err(_) => Ok(()),
        };
        let seat = args.capacity.join(args.lane.clone(), Arc::new(hear));
        let (ceiling, series) = (args.capacity.count().0, args.desk.meter.of(&args.lane));
        let orders = Orders::new(args.lane.clone(), args.desk.clone(), args.standing, ceiling);
        Self {
            inflow: Inflow::new(ceiling, args.desk.rates.clone(), seat, pull_sink, args.again, series.clone()),
            flights: Flights::new(args.lane.clone(), orders.endpoints(), args.terms.lease, series),
            orders,
            look_at: None,
            me,
            args,
            link: Link::default(),
            ledger,
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

    fn noticed(&mut self, notice: Notice) {
        match notice {
            Notice::Granted(permits) => self.inflow.granted(permits),
            Notice::LetGo => self.inflow.let_go(),
        }
        self.proceed();
    }

    /// Pulls, wishes for permits and lets go of them, as the demand is; lets go of all where nothing can be pulled.
    fn proceed(&mut self) {
        if self.phase != Phase::Running {
            return self.inflow.release();
        }
        let Some(lane) = self.link.lane() else { return self.inflow.release() };
        let again = self.inflow.proceed(lane, self.flights.count(), &mut self.tasks);
        self.flights.note_wait(&self.args.desk, || self.inflow.waiting());
        if let Some(at) = again.filter(|at| self.look_at.is_none_or(|before| *at < before)) {
            self.look_at = Some(at);
            self.tell_me_at(at, Msg::Look);
        }
    }

    fn taken(&mut self, taken: Vec<(Delivery, Permits)>) {
        // What was on its way when the drain began runs like what had come before it.
        if self.phase == Phase::Resting {
            self.phase = Phase::Running;
        }
        // Calls are read by what is set now: they are to find its endpoints.
        if self.orders.are_old() {
            self.follow_orders();
        }
        let now = Instant::now();
        self.busy_at = now;
        let patience = self.inflow.patience();
        for (delivery, permit) in taken {
            self.inflow.taken(&delivery, now);
            self.flights.launch(&mut self.tasks, &self.args.desk, (delivery, permit), now, patience, &self.ledger);
        }
    }

    fn pulled(&mut self, pulled: Pulled) -> Result<(), ActorProcessingErr> {
        let was_dry = self.inflow.is_dry();
        let error = self.inflow.over(pulled);
        if !was_dry {
            self.ask_if_dry();
        }
        if self.phase != Phase::Running {
            self.inflow.release();
        }
        if let Some(error) = error {
            return self.lane_broke(error);
        }
        match self.phase {
            Phase::Running => self.proceed(),
            Phase::Resting => (self.args.retire)(self.works),
            Phase::Draining => self.stop_if_done(),
        }
        Ok(())
    }

    /// With nothing in flight the ordinary restart opens the lane anew; calls in flight are kept, and the lane is
    /// opened again beneath them.
    fn lane_broke(&mut self, error: Error) -> Result<(), ActorProcessingErr> {
        self.link.broke();
        self.inflow.release();
        if self.phase == Phase::Draining {
            self.stop_if_done();
        } else if self.flights.is_empty() {
            return Err(error.into());
        } else {
            tracing::warn!(lane = %self.args.lane, %error, in_flight = self.flights.len(), "the lane broke; opening it again");
            let (args, terms) = (self.args.clone(), self.terms());
            self.tell_me(async move {
                sleep(REOPEN_AFTER).await;
                Msg::Opened(terms, args.desk.broker.lane(&args.lane, terms).await)
            });
        }
        Ok(())
    }

    fn opened(&mut self, terms: Terms, lane: Result<Arc<dyn Lane>, Error>) -> Result<(), ActorProcessingErr> {
        match lane {
            Ok(lane) => {
                self.link.opened(lane, terms.limit);
                self.inflow.begin_again();
                self.proceed();
                Ok(())
            }
            Err(error) => self.lane_broke(error),
        }
    }

    fn read_ledger(&mut self) {
        reap(&mut self.tasks, &self.args.lane);
        let now = Instant::now();
        self.ledger.take().into_iter().for_each(|told| self.told(told, now));
        self.busy_at = now;
        self.stop_if_done();
        self.proceed();
    }

    fn told(&mut self, Told { key, ran, ended }: Told, now: Instant) {
        if let Some(ran) = ran {
            self.inflow.ran(ran, self.flights.count().running, self.args.desk.luck.draw(), now);
        }
        let Some(ended) = ended else { return self.flights.settle(key) };
        if let Some(lease) = self.flights.land(key)
            && ended == Ended::Unsettled
        {
            self.return_to_lane(vec![lease], Some(AFTER_A_CRASH));
        }
    }

    fn on_beat(&mut self) {
        reap(&mut self.tasks, &self.args.lane);
        let now = Instant::now();
        self.flights.lose_overdue(now);
        if let Some(extension) = self.flights.due(now) {
            self.tell_me(async move { Msg::Extended(extension.ask().await) });
        }
        self.follow_orders();
        self.ask_if_dry();
        self.rest_if_idle(now);
        self.inflow.remind();
        self.proceed();
        self.tell_me_at(now + self.flights.beat(), Msg::Beat);
    }

    /// What nobody here can take may have been taken elsewhere.
    fn ask_if_dry(&mut self) {
        if let Some(count) = self.link.count().filter(|_| self.inflow.is_dry()) {
            self.tell_me(async move { Msg::Waits(count.await) });
        }
    }

    fn rest_if_idle(&mut self, now: Instant) {
        let has_none = self.flights.is_empty() && self.inflow.backlog() == 0;
        let idle = has_none && now.duration_since(self.busy_at) >= self.args.linger;
        if self.phase == Phase::Running && idle {
            self.phase = Phase::Resting;
            self.inflow.release();
            if !self.inflow.is_pulling() {
                (self.args.retire)(self.works);
            }
        }
    }

    /// Keeps to what is set now, and has the broker keep to it.
    fn follow_orders(&mut self) {
        let applied = self.orders.read();
        self.inflow.apply(applied, self.orders.chooses().then(|| self.orders.endpoints()));
        self.inflow.gate.forget(self.orders.buries());
        if let Some(addresses) = self.orders.resolve(Instant::now()) {
            self.tell_me(async move { Msg::Found(addresses.await) });
        }
        if let Some(answer) = self.link.bind(self.terms().limit) {
            self.tell_me(async move { Msg::Bound(answer.await) });
        }
    }

    /// A task of its own; what it comes to is a message.
    fn tell_me(&mut self, message: impl Future<Output = Msg> + Send + 'static) {
        let me = self.me.clone();
        self.tasks.spawn(async move { drop(me.cast(message.await)) });
    }

    fn tell_me_at(&mut self, at: Instant, msg: Msg) {
        self.tell_me(sleep_until(at).map(|()| msg));
    }

    fn terms(&self) -> Terms {
        Terms { limit: self.inflow.gate.limits().concurrency, ..self.args.terms }
    }

    fn drain(&mut self, deadline: Instant) {
        self.phase = Phase::Draining;
        self.inflow.release();
        self.inflow.cut();
        self.tell_me_at(deadline, Msg::Deadline);
        self.stop_if_done();
    }

    fn stop_if_done(&mut self) {
        let busy = !self.flights.is_empty() || self.inflow.is_pulling() || self.returning > 0;
        if self.phase == Phase::Draining && !busy {
            self.me.stop(Some("drained".into()));
        }
    }

    /// What did not finish in time starts again elsewhere, at once rather than when its lease ends. Each call lets go
    /// itself, and says so on its record: it was not a crash. What can neither do that nor settle in time is aborted.
    fn recall(&mut self) {
        if self.flights.recall() {
            if !self.flights.is_empty() {
                tracing::warn!(lane = %self.args.lane, calls = self.flights.len(), "the drain's deadline is here; giving calls back");
            }
            self.tell_me_at(Instant::now() + RECALL_WITHIN, Msg::Deadline);
        } else {
            let leases = self.flights.abandon();
            self.return_to_lane(leases, None);
        }
    }

    /// A subscriber that stops takes its tasks with it, so it does not stop before these are done.
    fn return_to_lane(&mut self, leases: Vec<Arc<dyn Lease>>, delay: Option<Duration>) {
        self.returning += 1;
        let Args { desk, lane, .. } = self.args.clone();
        self.tell_me(async move {
            give_back(&*desk.broker, &lane, leases, delay).await;
            Msg::GaveBack
        });
    }

    fn view(&self) -> view::Subscriber {
        let function = self.args.lane.function.to_string();
        view::Subscriber { function, phase: self.phase, in_flight: self.flights.len(), inflow: self.inflow.view() }
    }
}
