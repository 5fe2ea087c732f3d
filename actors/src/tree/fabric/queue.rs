//! One queue, as this worker serves it.
//!
//! # Owns
//! The roster of its subscribers, the stream of wake hints and the scan.
//!
//! # Takes
//! [`Msg`]. Its subscribers bound the mailbox, apart from wake hints, which the broker limits to one for each function
//! every 100 ms.
//!
//! # Children
//! A [`subscriber`] for each function that has work. One that fails is restarted, then parked; the others do not
//! notice.
//!
//! # Stops
//! When drained, once the last subscriber has stopped.

mod subscriber;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use proto::{Function, LaneKey};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::subscriber::Subscriber;
use crate::call::Desk;
use crate::lost::{self, Search};
use crate::membership::Member;
use crate::meter::lines;
use crate::parts::QueueSettings;
use crate::permit::capacity::Capacity;
use crate::permit::share::Standing;
use crate::port::broker::{Backlog, Error};
use crate::port::cancels::Mark;
use crate::supervision::{Policy, Roster, Verdict, exit, tell};
use crate::view;

/// The pause before the stream of hints is opened again after it ended.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often changes of what is set are followed at the most: many may come at once.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);

/// What a queue is told.
pub(crate) enum Msg {
    /// From the broker, by hint: the function may have work. While draining: nothing.
    Wake(Function),
    /// From itself: look for work that no hint told of.
    Scan,
    /// From itself: what the scan found.
    Scanned(Result<Vec<Backlog>, Error>),
    /// From the root: this one may be dead; what it had comes back to the broker, and no hint tells of it.
    Lost(Member),
    /// From itself: look for that again.
    LookForLost,
    /// From itself: these have messages, and may have some of it.
    Returned(Vec<Backlog>),
    /// From a subscriber: it would stop, having been told of work so many times.
    Retire(Function, u64),
    /// From itself: the delay before a restart is over.
    Restart(Function),
    /// From itself: what is set has changed.
    Set,
    /// From the root: this call is not wanted any more; if it runs here, it ends.
    Cancel(Mark),
    /// From the root: stop when every subscriber has; they finish what runs until the deadline.
    Drain { deadline: Instant },
    /// From the root: how is it?
    View(Option<Function>, RpcReplyPort<view::Queue>),
}

/// What a queue needs.
#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) queue: proto::Queue,
    pub(crate) desk: Arc<Desk>,
    pub(crate) settings: QueueSettings,
    pub(crate) capacity: Capacity,
    pub(crate) standing: Standing,
}

/// How the root speaks to a queue.
#[derive(Clone, Debug)]
pub(crate) struct Handle(ActorRef<Msg>);

impl Handle {
    pub(crate) fn new(actor: ActorRef<Msg>) -> Self {
        Self(actor)
    }

    pub(crate) fn drain(&self, deadline: Instant) {
        tell(&self.0, Msg::Drain { deadline });
    }

    pub(crate) fn cancel(&self, mark: Mark) {
        tell(&self.0, Msg::Cancel(mark));
    }

    pub(crate) fn lost(&self, member: Member) {
        tell(&self.0, Msg::Lost(member));
    }

    pub(crate) async fn view(&self, only: Option<Function>) -> Option<view::Queue> {
        view::ask(&self.0, |reply| Msg::View(only, reply)).await
    }
}

pub(crate) struct Queue;

pub(crate) struct State {
    me: ActorRef<Msg>,
    args: Args,
    subscribers: Roster<Function, subscriber::Handle>,
    /// How often each was told of work: it may retire only if it has heard of all of it.
    works: HashMap<Function, u64>,
    /// Whether the last scan failed.
    blind: bool,
    /// For what processes had that are lost.
    search: Search,
    draining: Option<Instant>,
    tasks: JoinSet<()>,
}

impl Actor for Queue {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        args.desk.meter.measures(&args.capacity);
        Ok(State {
            me,
            subscribers: Roster::new(Policy::LOCAL),
            works: HashMap::new(),
            blind: false,
            search: Search::default(),
            draining: None,
            tasks: JoinSet::new(),
            args,
        })
    }

    async fn post_start(&self, _: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.listen();
        state.follow();
        state.scan();
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Wake(function) => state.wake(function).await,
            Msg::Scan => state.scan(),
            Msg::Scanned(found) => state.scanned(found).await,
            Msg::Lost(member) => state.lost(&member),
            Msg::LookForLost => state.look_for_lost(),
            Msg::Returned(backlog) => state.wake_all(backlog).await,
            Msg::Retire(function, works) => state.retire(&function, works),
            Msg::Restart(function) => state.restart(function).await,
            Msg::Set => state.set(),
            Msg::Cancel(mark) => state.cancel(mark),
            Msg::Drain { deadline } => state.drain(deadline),
            Msg::View(only, reply) => state.view(only.as_ref(), reply),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let Some((id, exit)) = exit::read(event) else { return Ok(()) };
        let (now, luck) = (Instant::now().into_std(), state.args.desk.luck.draw());
        if let Some((function, verdict)) = state.subscribers.ended(id, &exit, now, luck) {
            if !exit.is_normal() {
                tracing::warn!(queue = %state.args.queue, %function, %exit, ?verdict, "a subscriber ended");
            }
            state.apply(function, &verdict);
        }
        state.stop_if_drained();
        Ok(())
    }
}

impl State {
    /// Follows the hints; begins again whenever they end.
    fn listen(&mut self) {
        let (desk, queue, me) = (self.args.desk.clone(), self.args.queue.clone(), self.me.clone());
        self.tasks.spawn(async move {
            loop {
                match desk.broker.wakes(&queue).await {
                    Ok(mut hints) => {
                        while let Some(function) = hints.next().await {
                            if me.cast(Msg::Wake(function)).is_err() {
                                return;
                            }
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%queue, %error, "no wake hints; work is found by scans until there are");
                    }
                }
                sleep(LISTEN_AGAIN_AFTER).await;
            }
        });
    }

    /// Has what is set followed as soon as it changes: the next beat may be long to come.
    fn follow(&mut self) {
        let (mut directory, me) = (self.args.desk.directory.clone(), self.me.clone());
        self.tasks.spawn(async move {
            while directory.changed().await.is_ok() && me.cast(Msg::Set).is_ok() {
                sleep(FOLLOW_EVERY).await;
            }
        });
    }

    fn set(&self) {
        for (_, subscriber) in self.subscribers.up() {
            subscriber.tell(subscriber::Msg::Look);
        }
    }

    fn scan(&mut self) {
        if self.draining.is_some() {
            return;
        }
        let (desk, queue, me) = (self.args.desk.clone(), self.args.queue.clone(), self.me.clone());
        self.spawn_task(async move {
            let found = desk.broker.backlog(&queue).await;
            let seen = found.as_ref().ok().cloned();
            if me.cast(Msg::Scanned(found)).is_err() {
                return;
            }
            match seen {
                Some(seen) => lines::look(&desk, &queue, &seen).await,
                None => lines::forget(&desk, &queue),
            }
        });
    }

    async fn scanned(&mut self, found: Result<Vec<Backlog>, Error>) {
        match found {
            Ok(backlog) => {
                if std::mem::take(&mut self.blind) {
                    self.pardon();
                }
                self.wake_all(backlog).await;
            }
            Err(error) => {
                self.blind = true;
                tracing::warn!(queue = %self.args.queue, %error, "the backlog could not be read");
            }
        }
        // Workers that started together need not scan together.
        let pause = self.args.settings.scan_every.mul_f64(0.75 + self.args.desk.luck.draw() / 2.0);
        self.after(pause, Msg::Scan);
    }

    fn lost(&mut self, member: &Member) {
        let had_calls = self.draining.is_none() && member.may_have_calls_of(&self.args.queue);
        let lease = self.args.settings.terms.lease;
        if had_calls && self.search.begin(lease, Instant::now().into_std()) {
            self.look_for_lost();
        }
    }

    /// A worker that is full has no use for what it would find.
    fn look_for_lost(&mut self) {
        let (desk, queue) = (self.args.desk.clone(), self.args.queue.clone());
        let of = desk.membership.borrow().part_of_queue(&queue).of;
        if self.args.capacity.could_start() && self.draining.is_none() && lost::is_up_to_me(of, desk.luck.draw()) {
            let me = self.me.clone();
            self.spawn_task(async move {
                match desk.broker.backlog(&queue).await {
                    Ok(backlog) => drop(me.cast(Msg::Returned(backlog))),
                    Err(error) => tracing::debug!(%queue, %error, "what came back could not be looked for"),
                }
            });
        }
        if let Some(pause) = self.search.next(self.args.settings.terms.lease, Instant::now().into_std()) {
            self.after(pause, Msg::LookForLost);
        }
    }

    async fn wake_all(&mut self, backlog: Vec<Backlog>) {
        for Backlog { function, .. } in backlog {
            self.wake(function).await;
        }
    }

    async fn wake(&mut self, function: Function) {
        if self.draining.is_some() {
            return;
        }
        if let Some(subscriber) = self.subscribers.get(&function) {
            subscriber.tell(subscriber::Msg::Work);
            *self.works.entry(function).or_default() += 1;
        } else if !self.subscribers.contains(&function) {
            self.start(function, false).await;
        }
    }

    /// Starting is quick: a subscriber opens its lane after it has started, in its own time.
    async fn start(&mut self, function: Function, again: bool) {
        let (me, asker) = (self.me.clone(), function.clone());
        let args = subscriber::Args {
            lane: LaneKey::new(self.args.queue.clone(), function.clone()),
            desk: self.args.desk.clone(),
            terms: self.args.settings.terms,
            linger: self.args.settings.linger,
            capacity: self.args.capacity.clone(),
            standing: self.args.standing,
            again,
            // A queue that has ended takes its subscribers with it.
            retire: Arc::new(move |works| drop(me.cast(Msg::Retire(asker.clone(), works)))),
        };
        match Subscriber::spawn_linked(None, Subscriber, args, self.me.get_cell()).await {
            Ok((actor, _)) => {
                self.works.insert(function.clone(), 0);
                self.subscribers.started(function, actor.get_id(), subscriber::Handle(actor));
            }
            Err(error) => {
                let (now, luck) = (Instant::now().into_std(), self.args.desk.luck.draw());
                let verdict = self.subscribers.unstarted(&function, error.to_string(), now, luck);
                self.apply(function, &verdict);
            }
        }
    }

    async fn restart(&mut self, function: Function) {
        if self.draining.is_none() && self.subscribers.get(&function).is_none() {
            self.args.desk.meter.subscriber_restarts.add(1);
            self.start(function, true).await;
        }
    }

    fn apply(&mut self, function: Function, verdict: &Verdict) {
        if self.draining.is_some() {
            self.subscribers.dismiss(&function);
            return;
        }
        match *verdict {
            Verdict::Restart { after } | Verdict::Park { after } => self.after(after, Msg::Restart(function)),
            Verdict::Forget | Verdict::Escalate { .. } => drop(self.works.remove(&function)),
        }
    }

    fn cancel(&self, Mark { call, redriven, lane, .. }: Mark) {
        if let Some(subscriber) = self.subscribers.get(&lane.function) {
            subscriber.tell(subscriber::Msg::Cancel(call, redriven));
        }
    }

    fn retire(&mut self, function: &Function, works: u64) {
        // If it has not heard of the latest work, the message is on its way, and it will stay.
        if self.works.get(function) == Some(&works)
            && let Some(subscriber) = self.subscribers.dismiss(function)
        {
            self.works.remove(function);
            subscriber.tell(subscriber::Msg::Retire);
        }
    }

    /// The broker is back: what failed because it was away need not wait until its time is over.
    fn pardon(&mut self) {
        for function in self.subscribers.pardon() {
            tracing::info!(queue = %self.args.queue, %function, "the broker is back; starting a subscriber again");
            self.after(Duration::ZERO, Msg::Restart(function));
        }
    }

    /// A task of the queue's own; those that have ended are forgotten by the way.
    fn spawn_task(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(task);
    }

    fn after(&mut self, delay: Duration, msg: Msg) {
        let me = self.me.clone();
        self.spawn_task(async move {
            sleep(delay).await;
            drop(me.cast(msg));
        });
    }

    fn drain(&mut self, deadline: Instant) {
        self.draining = Some(deadline);
        self.subscribers.forget_down();
        for (_, subscriber) in self.subscribers.up() {
            subscriber.tell(subscriber::Msg::Drain { deadline });
        }
        self.stop_if_drained();
    }

    fn stop_if_drained(&self) {
        if self.draining.is_some() && self.subscribers.up().next().is_none() {
            self.me.stop(Some("drained".into()));
        }
    }

    /// Answers from a task of its own, because the subscribers are asked as well.
    fn view(&mut self, only: Option<&Function>, reply: RpcReplyPort<view::Queue>) {
        let wanted = self.subscribers.up().filter(|(function, _)| only.is_none_or(|only| only == *function));
        let subscribers: Vec<_> = wanted.map(|(_, subscriber)| subscriber.clone()).collect();
        let (permits_waiting, permits) = self.args.capacity.of_queue(&self.args.queue);
        let mut view = view::Queue {
            name: self.args.queue.to_string(),
            permits,
            permits_waiting,
            permits_max: self.args.standing.cap,
            children: if only.is_none() { self.subscribers.children() } else { Vec::new() },
            subscribers: Vec::new(),
            rest: view::Rest::default(),
        };
        self.spawn_task(async move {
            let answers = futures_util::future::join_all(subscribers.iter().map(subscriber::Handle::view)).await;
            view.subscribers = answers.into_iter().flatten().collect();
            drop(reply.send(view));
        });
    }
}
