//! The root: one for each process.
//!
//! # Owns
//! The order of start-up, the phases of the drain, readiness, and the process's last word.
//!
//! # Takes
//! [`Msg`]: from the process, a drain or two; from the directory, a message for each change; for each call that is
//! cancelled, one; from itself, timers.
//!
//! # Children
//! [`directory`], [`presence`], a [`queue`] for each that is served, [`later`], [`cancels`], [`removals`], an [`intake`]
//! for each subject of OpenFaaS that is read, and a [`service`] for each listener. One that fails is restarted; one that goes on failing ends the process, with its cause as the last line.
//!
//! # Stops
//! When drained: listeners at the edge first, then queues, then what shows how far the drain is. [`Ending`] says how.

mod cancels;
mod directory;
mod intake;
mod later;
mod presence;
mod queue;
mod removals;
mod service;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use proto::LaneKey;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SpawnErr, SupervisionEvent};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::directory::Directory as Snapshot;
use crate::drain::Phase;
use crate::membership::{Member, Serves};
use crate::parts::{Name, Parts, Settings};
use crate::permit::capacity::Capacity;
use crate::port::cancels::Mark;
use crate::supervision::{Leaf, Policy, Roster, Verdict, exit, tell};
use crate::view;

/// How often a drain says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// What the root is told.
pub(crate) enum Msg {
    /// From the directory: the functions name these queues now.
    Named(BTreeSet<proto::Queue>),
    /// From the one who follows them: this call is to be cancelled.
    Marked(Mark),
    /// From the one who follows them: a process may be dead.
    Lost(Member),
    /// From itself: the delay before a restart is over.
    Restart(Name),
    /// From the process: begin the drain; the second time, cut it short.
    Drain,
    /// From itself: the time of this phase of the drain is over.
    Advance(Phase),
    /// From itself: say how far the drain is.
    Progress,
    /// From the handle: how is everything, or how does this lane do?
    View(Option<LaneKey>, RpcReplyPort<view::Fabric>),
}

/// How the tree ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was drained.
    Drained,
    /// A part that the process cannot do without kept failing; this is its cause.
    Failed(String),
}

/// How the process speaks to the tree.
#[derive(Clone, Debug)]
pub struct Handle(ActorRef<Msg>);

impl Handle {
    /// Begins the drain; called again, cuts it short: what still runs is given back at once.
    pub fn drain(&self) {
        tell(&self.0, Msg::Drain);
    }

    /// The tree as it is now, or as much of it as is about one lane; nothing if it has ended.
    pub async fn view(&self, only: Option<LaneKey>) -> Option<view::Fabric> {
        view::ask(&self.0, |reply| Msg::View(only, reply)).await
    }
}

/// Starts the tree. The receiver tells how it ended; that it is dropped untold means that the root itself panicked.
///
/// # Errors
/// When not even the root can be started.
pub async fn start(parts: Parts, settings: Settings) -> Result<(Handle, oneshot::Receiver<Ending>), SpawnErr> {
    let (told, ending) = oneshot::channel();
    let (actor, _) = Fabric::spawn(None, Fabric, (parts, settings, told)).await?;
    Ok((Handle(actor), ending))
}

enum Child {
    Presence(presence::Handle),
    Queue(queue::Handle),
    Leaf(Leaf),
}

impl Child {
    fn drain(&self, deadline: Instant) {
        match self {
            Self::Presence(child) => child.drain(),
            Self::Queue(child) => child.drain(deadline),
            Self::Leaf(child) => child.drain(deadline),
        }
    }
}

struct Fabric;

struct State {
    me: ActorRef<Msg>,
    parts: Parts,
    settings: Settings,
    /// The permits of this worker, which its queues share.
    capacity: Capacity,
    children: Roster<Name, Child>,
    phase: Phase,
    deadline: Option<Instant>,
    told: Option<oneshot::Sender<Ending>>,
    tasks: JoinSet<()>,
}

impl Actor for Fabric {
    type Msg = Msg;
    type State = State;
    type Arguments = (Parts, Settings, oneshot::Sender<Ending>);

    async fn pre_start(
        &self,
        me: ActorRef<Msg>,
        (parts, settings, told): Self::Arguments,
    ) -> Result<State, ActorProcessingErr> {
        Ok(State {
            me,
            parts,
            capacity: Capacity::new(settings.max_inflight),
            settings,
            children: Roster::new(Policy::VITAL),
            phase: Phase::Running,
            deadline: None,
            told: Some(told),
            tasks: JoinSet::new(),
        })
    }

    async fn post_start(&self, _: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        for name in state.first_children() {
            state.start(name).await?;
        }
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Named(queues) => state.named(queues).await?,
            Msg::Marked(mark) => state.marked(mark),
            Msg::Lost(member) => state.queues(None).iter().for_each(|queue| queue.lost(member.clone())),
            Msg::Restart(name) => state.restart(name).await?,
            Msg::Drain => state.drain(),
            Msg::Advance(after) if after == state.phase => state.advance(),
            Msg::Progress if state.phase == Phase::Work => state.progress(),
            Msg::Advance(_) | Msg::Progress => {}
            Msg::View(only, reply) => state.view(only, reply),
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
        let (now, luck) = (Instant::now().into_std(), state.parts.desk.luck.draw());
        if let Some((name, verdict)) = state.children.ended(id, &exit, now, luck) {
            if !exit.is_normal() {
                tracing::warn!(child = name.to_string(), %exit, ?verdict, "a part of the process ended");
            }
            state.apply(name, verdict)?;
        }
        state.advance_if_empty();
        Ok(())
    }
}

impl State {
    fn first_children(&self) -> Vec<Name> {
        let mut names = vec![Name::Directory, Name::Presence];
        names.extend(self.parts.listeners.iter().map(|listener| Name::Listener(listener.name)));
        names
    }

    async fn start(&mut self, name: Name) -> Result<(), ActorProcessingErr> {
        if self.children.get(&name).is_some() {
            return Ok(());
        }
        match self.spawn(&name).await {
            Ok((id, child)) => self.children.started(name, id, child),
            Err(error) => {
                let (now, luck) = (Instant::now().into_std(), self.parts.desk.luck.draw());
                let verdict = self.children.unstarted(&name, error.to_string(), now, luck);
                self.apply(name, verdict)?;
            }
        }
        Ok(())
    }

    /// Starts the child of this name.
    async fn spawn(&self, name: &Name) -> Result<(ActorId, Child), SpawnErr> {
        let (me, parts) = (self.me.get_cell(), &self.parts);
        let desk = parts.desk.clone();
        let (id, leaf) = match name {
            Name::Directory => {
                let (control, publish) = (parts.control.clone(), parts.directory.clone());
                let args = directory::Args { control, publish, changed: self.on_directory_change() };
                Leaf::start(directory::Directory, args, me, |_| directory::Msg::Drain).await
            }
            Name::Cancels => {
                let args = cancels::Args { desk, marked: self.on(Msg::Marked) };
                Leaf::start(cancels::Cancels, args, me, |_| cancels::Msg::Drain).await
            }
            Name::Presence => {
                let args = presence::Args {
                    presence: parts.presence.clone(),
                    id: parts.id.clone(),
                    member: self.member(),
                    publish: parts.membership.clone(),
                    lost: self.on(Msg::Lost),
                };
                let (actor, _) = presence::Presence::spawn_linked(None, presence::Presence, args, me).await?;
                return Ok((actor.get_id(), Child::Presence(presence::Handle(actor))));
            }
            Name::Queue(queue) => {
                let args = queue::Args {
                    queue: queue.clone(),
                    desk,
                    settings: self.settings.queue,
                    capacity: self.capacity.clone(),
                    standing: self.settings.standings.get(queue).copied().unwrap_or_default(),
                };
                let (actor, _) = queue::Queue::spawn_linked(None, queue::Queue, args, me).await?;
                return Ok((actor.get_id(), Child::Queue(queue::Handle::new(actor))));
            }
            Name::Later => Leaf::start(later::Later, desk, me, |_| later::Msg::Drain).await,
            Name::Removals => {
                let args = removals::Args { desk, control: parts.control.clone() };
                Leaf::start(removals::Removals, args, me, |_| removals::Msg::Drain).await
            }
            Name::Intake(subject) => {
                let intake = parts.intakes.iter().find(|intake| *intake.subject() == **subject).cloned();
                let intake = intake.ok_or_else(|| SpawnErr::StartupFailed("no such intake".into()))?;
                Leaf::start(intake::Intake, intake::Args { desk, intake }, me, |_| intake::Msg::Drain).await
            }
            Name::Listener(name) => {
                let listener = parts.listeners.iter().find(|listener| listener.name == *name);
                let run = listener.map(|listener| listener.run.clone());
                let run = run.ok_or_else(|| SpawnErr::StartupFailed("no such listener".into()))?;
                Leaf::start(service::Service, run, me, |deadline| service::Msg::Drain { deadline }).await
            }
        }?;
        Ok((id, Child::Leaf(leaf)))
    }

    /// What this process does, as the others are told.
    fn member(&self) -> Member {
        Member { gateway: self.parts.gateway, serves: self.parts.serve.clone(), finishes: Serves::Nothing }
    }

    /// The first snapshot makes the process ready; each one may name a new queue.
    fn on_directory_change(&self) -> Arc<dyn Fn(&Snapshot) + Send + Sync> {
        let me = self.me.clone();
        Arc::new(move |snapshot| drop(me.cast(Msg::Named(snapshot.queues()))))
    }

    /// What a child tells comes as such a message.
    fn on<T: 'static>(&self, msg: fn(T) -> Msg) -> Arc<dyn Fn(T) + Send + Sync> {
        let me = self.me.clone();
        Arc::new(move |told| drop(me.cast(msg(told))))
    }

    /// A call is not wanted any more: if it runs here, its queue knows where.
    fn marked(&self, mark: Mark) {
        if let Some(Child::Queue(queue)) = self.children.get(&Name::Queue(mark.lane.queue.clone())) {
            queue.cancel(mark);
        }
    }

    async fn named(&mut self, queues: BTreeSet<proto::Queue>) -> Result<(), ActorProcessingErr> {
        if self.phase != Phase::Running {
            return Ok(());
        }
        for name in self.parts.workers(queues) {
            if !self.children.contains(&name) {
                self.start(name).await?;
            }
        }
        self.parts.ready.send_replace(true);
        Ok(())
    }

    async fn restart(&mut self, name: Name) -> Result<(), ActorProcessingErr> {
        let is_running = self.phase == Phase::Running;
        self.parts.desk.meter.child_restarts.add(is_running.into());
        if is_running { self.start(name).await } else { Ok(()) }
    }

    fn apply(&mut self, name: Name, verdict: Verdict) -> Result<(), ActorProcessingErr> {
        if self.phase != Phase::Running {
            self.children.dismiss(&name);
            return Ok(());
        }
        match verdict {
            Verdict::Restart { after } | Verdict::Park { after } => self.after(after, Msg::Restart(name)),
            Verdict::Forget => {}
            Verdict::Escalate { cause } => {
                let cause = format!("{name} {cause}");
                self.tell(Ending::Failed(cause.clone()));
                return Err(cause.into());
            }
        }
        Ok(())
    }

    /// A task of the root's own; those that have ended are forgotten by the way.
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

    fn drain(&mut self) {
        if self.phase == Phase::Running {
            let grace = self.settings.grace.unwrap_or_else(|| self.parts.desk.longest_call());
            tracing::info!(?grace, "draining; a second signal gives back what still runs");
            self.parts.ready.send_replace(false);
            self.parts.desk.meter.drains();
            self.children.forget_down();
            self.phase = Phase::Announced;
            self.deadline = Some(Instant::now() + self.settings.pre_stop + grace);
            self.after(self.settings.pre_stop, Msg::Advance(Phase::Announced));
        } else {
            tracing::warn!("draining at once");
            let now = Instant::now();
            self.deadline = Some(now);
            if self.phase == Phase::Announced {
                self.advance();
            } else {
                self.tell_phase(now);
            }
        }
    }

    /// Goes on to the next phase that has anybody in it.
    fn advance(&mut self) {
        self.phase = self.phase.next();
        self.tell_phase(self.deadline.unwrap_or_else(Instant::now));
        self.progress();
        self.advance_if_empty();
    }

    /// Says how far the drain is, again and again while calls run.
    fn progress(&mut self) {
        let (phase, queues) = (self.phase.as_str(), self.queues(None));
        self.spawn_task(async move {
            let queues = join_all(queues.iter().map(|it| it.view(None))).await;
            let running: usize = queues.iter().flatten().map(view::Queue::in_flight).sum();
            tracing::info!(phase, running, "draining");
        });
        if self.phase == Phase::Work {
            self.after(PROGRESS_EVERY, Msg::Progress);
        }
    }

    fn tell_phase(&self, deadline: Instant) {
        for (name, child) in self.children.up() {
            match child {
                _ if self.parts.phase_of(name) == self.phase => child.drain(deadline),
                Child::Presence(child) if self.phase == Phase::Work => child.finish(),
                _ => {}
            }
        }
    }

    fn advance_if_empty(&mut self) {
        if matches!(self.phase, Phase::Running | Phase::Announced) {
            return;
        }
        if self.phase == Phase::Over {
            self.tell(Ending::Drained);
            self.me.stop(Some("drained".into()));
        } else if !self.children.up().any(|(name, _)| self.parts.phase_of(name) == self.phase) {
            self.advance();
        }
    }

    fn queues(&self, only: Option<&proto::Queue>) -> Vec<queue::Handle> {
        let queue = |child: &Child| if let Child::Queue(queue) = child { Some(queue.clone()) } else { None };
        let is_wanted = |name: &Name| only.is_none_or(|only| *name == Name::Queue(only.clone()));
        self.children.up().filter(|(name, _)| is_wanted(name)).filter_map(|(_, child)| queue(child)).collect()
    }

    /// Only the first ending counts; that nobody listens for it any more changes nothing.
    fn tell(&mut self, ending: Ending) {
        if let Some(told) = self.told.take() {
            drop(told.send(ending));
        }
    }

    /// Answers from a task of its own, because the queues are asked as well.
    fn view(&mut self, only: Option<LaneKey>, reply: RpcReplyPort<view::Fabric>) {
        let queues = self.queues(only.as_ref().map(|lane| &lane.queue));
        let (permits, permits_free) = self.capacity.count();
        let (phase, membership) = (self.phase.as_str(), self.parts.membership.borrow().clone());
        // Of one lane nothing is told that grows with the fabric.
        let (children, members) = match only {
            None => (self.children.children(), membership.iter().map(|(id, it)| (id.into(), it.clone())).collect()),
            Some(_) => Default::default(),
        };
        let mut view =
            view::Fabric { phase: phase.into(), children, members, permits, permits_free, queues: Vec::new() };
        self.spawn_task(async move {
            let function = only.map(|lane| lane.function);
            let answers = join_all(queues.iter().map(|it| it.view(function.clone()))).await;
            view.queues = answers.into_iter().flatten().collect();
            view.queues.sort_by(|a, b| a.name.cmp(&b.name));
            drop(reply.send(view));
        });
    }
}
