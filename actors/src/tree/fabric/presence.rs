//! Says that this process is alive, and follows who else is.
//!
//! # Owns
//! The membership as it is published, and when everybody was last heard of.
//!
//! # Takes
//! [`Msg`]. A sign from each process every few seconds bounds the mailbox.
//!
//! # Children
//! None.
//!
//! # Stops
//! When drained: first it says that it takes nothing more, and whoever stays takes over its part of every limit; when its
//! calls are finished, that it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::membership::{Member, Membership, Serves};
use crate::port;
use crate::port::presence::{ALIVE_FOR, ANNOUNCE_EVERY, Sign};
use crate::supervision::tell;

/// The pause before the signs of others are listened for again after that ended.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long saying something may take.
const SAY_WITHIN: Duration = Duration::from_secs(2);
/// How long somebody may say nothing who has missed no sign.
const MISSED_AFTER: Duration = ANNOUNCE_EVERY.saturating_mul(2);

/// What it is told.
pub(crate) enum Msg {
    /// From itself: it is time to say so again, and to see who has not. Whether it was heard the last time.
    Beat { heard: bool },
    /// From another process.
    Heard(Sign),
    /// From the root: say that nothing more is taken here, and go on saying so.
    Finish,
    /// From the root: say goodbye and stop.
    Drain,
    /// From itself: that was said.
    SaidGoodbye,
}

pub(crate) struct Args {
    pub(crate) presence: Arc<dyn port::Presence>,
    /// Who this is.
    pub(crate) id: String,
    pub(crate) member: Member,
    /// Outlives this actor, so that a restart interrupts nobody.
    pub(crate) publish: Arc<watch::Sender<Arc<Membership>>>,
    /// Hears of everybody who has missed signs of life.
    pub(crate) lost: Arc<dyn Fn(Member) + Send + Sync>,
}

/// How the root speaks to it.
pub(crate) struct Handle(pub(crate) ActorRef<Msg>);

impl Handle {
    pub(crate) fn finish(&self) {
        tell(&self.0, Msg::Finish);
    }

    pub(crate) fn drain(&self) {
        tell(&self.0, Msg::Drain);
    }
}

pub(crate) struct Presence;

pub(crate) struct State {
    me: ActorRef<Msg>,
    args: Args,
    membership: Membership,
    heard_at: BTreeMap<String, Instant>,
    /// Those of them who have missed signs.
    missed: BTreeSet<String>,
    /// Whether it has said goodbye.
    has_left: bool,
    tasks: JoinSet<()>,
}

impl Actor for Presence {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let membership = Membership::alone(args.id.clone(), args.member.clone());
        Ok(State {
            me,
            args,
            membership,
            heard_at: BTreeMap::new(),
            missed: BTreeSet::new(),
            has_left: false,
            tasks: JoinSet::new(),
        })
    }

    async fn post_start(&self, _: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.listen();
        state.beat(true);
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Beat { heard } => state.beat(heard),
            Msg::Heard(sign) => state.heard(sign),
            Msg::Finish => state.finish(),
            Msg::Drain => state.say_goodbye(),
            Msg::SaidGoodbye => state.me.stop(Some("drained".into())),
        }
        Ok(())
    }
}

impl State {
    /// Follows the signs of others; begins again whenever that ends.
    fn listen(&mut self) {
        let (presence, me) = (self.args.presence.clone(), self.me.clone());
        self.tasks.spawn(async move {
            loop {
                match presence.signs().await {
                    Ok(mut signs) => {
                        while let Some(sign) = signs.next().await {
                            if me.cast(Msg::Heard(sign)).is_err() {
                                return;
                            }
                        }
                    }
                    Err(error) => tracing::warn!(%error, "who else is alive cannot be followed; trying again"),
                }
                sleep(LISTEN_AGAIN_AFTER).await;
            }
        });
    }

    fn beat(&mut self, heard: bool) {
        if self.has_left {
            return;
        }
        while self.tasks.try_join_next().is_some() {}
        let now = Instant::now();
        if !heard {
            // Who cannot be heard from here is not gone: it is the way that is.
            self.heard_at.values_mut().for_each(|at| *at = now);
        }
        self.look_who_is_silent(now);
        let (me, said) = (self.me.clone(), self.say());
        self.tasks.spawn(async move {
            let began = Instant::now();
            let heard = said.await;
            sleep(ANNOUNCE_EVERY.saturating_sub(began.elapsed())).await;
            drop(me.cast(Msg::Beat { heard }));
        });
    }

    /// Says that this process is alive, and what it does; whether that was heard.
    fn say(&self) -> impl Future<Output = bool> + Send + 'static {
        let (presence, id, member) = (self.args.presence.clone(), self.args.id.clone(), self.args.member.clone());
        async move {
            let said = timeout(SAY_WITHIN, presence.announce(&id, &member)).await;
            match &said {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "others cannot be told that this process is alive"),
                Err(_) => tracing::warn!("others could not be told in time that this process is alive"),
            }
            matches!(said, Ok(Ok(())))
        }
    }

    /// The calls that it has may take long: if it dies with them, they are to be looked for.
    fn finish(&mut self) {
        self.args.member = self.args.member.clone().draining();
        self.membership.seen(&self.args.id, self.args.member.clone());
        self.publish();
        self.tasks.spawn(self.say().map(|_was_heard| ()));
    }

    /// Whoever has missed signs may be dead: what it ran is looked for from then on, because its leases may be over before
    /// it counts as gone.
    fn look_who_is_silent(&mut self, now: Instant) {
        for (id, at) in self.heard_at.clone() {
            let silence = now.duration_since(at);
            if silence > MISSED_AFTER && self.missed.insert(id.clone()) {
                tracing::info!(member = id, ?silence, "another process has missed signs of life");
                self.lost(&id);
            }
            if silence > ALIVE_FOR {
                self.forget(&id);
            }
        }
    }

    fn lost(&self, id: &str) {
        if let Some(member) = self.membership.get(id) {
            (self.args.lost)(member.clone());
        }
    }

    fn heard(&mut self, sign: Sign) {
        match sign {
            Sign::Alive(id, _) | Sign::Left(id) if id == self.args.id => {}
            Sign::Alive(id, member) => {
                let is_new = self.membership.get(&id).is_none();
                if self.membership.seen(&id, member) {
                    let what =
                        if is_new { "another process joined" } else { "another process does something else now" };
                    tracing::info!(member = id, "{what}");
                    self.publish();
                }
                self.missed.remove(&id);
                self.heard_at.insert(id, Instant::now());
            }
            Sign::Left(id) => {
                // Whoever has given back what it had has said before that it only finishes.
                if self.membership.get(&id).is_some_and(|member| member.serves != Serves::Nothing) {
                    self.lost(&id);
                }
                self.forget(&id);
            }
        }
    }

    fn forget(&mut self, id: &str) {
        self.heard_at.remove(id);
        self.missed.remove(id);
        if self.membership.left(id) {
            tracing::info!(member = id, "another process left");
            self.publish();
        }
    }

    fn publish(&self) {
        self.args.publish.send_replace(Arc::new(self.membership.clone()));
    }

    /// Beats that come after this say nothing.
    fn say_goodbye(&mut self) {
        self.has_left = true;
        self.tasks.abort_all();
        let (presence, id, me) = (self.args.presence.clone(), self.args.id.clone(), self.me.clone());
        self.tasks.spawn(async move {
            if !matches!(timeout(SAY_WITHIN, presence.leave(&id)).await, Ok(Ok(()))) {
                tracing::debug!("others could not be told that this process goes; they will notice");
            }
            drop(me.cast(Msg::SaidGoodbye));
        });
    }
}
