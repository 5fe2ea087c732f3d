//! Takes in the calls that an OpenFaaS gateway left on a subject.
//!
//! # Owns
//! The lane of that subject, and one task that empties it.
//!
//! # Takes
//! [`Msg`]: at most one of each is queued.
//!
//! # Children
//! None.
//!
//! # Stops
//! When drained: what is being moved is moved, nothing more is taken. With an error when the lane breaks or is not there,
//! which the root answers with a restart.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::call::Desk;
use crate::moving::{LEASE, keep_moving};
use crate::port;
use crate::port::broker::{Error, Terms};

/// What it is told.
pub(crate) enum Msg {
    /// From itself: the mover ended; with an error if the lane broke.
    Ended(Option<Error>),
    /// From the root: take nothing more, and stop.
    Drain,
}

pub(crate) struct Args {
    pub(crate) desk: Arc<Desk>,
    pub(crate) intake: Arc<dyn port::Intake>,
}

pub(crate) struct Intake;

pub(crate) struct State {
    me: ActorRef<Msg>,
    args: Args,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Actor for Intake {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        Ok(State { me, args, stop: CancellationToken::new(), tasks: JoinSet::new() })
    }

    async fn post_start(&self, _: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        let terms = Terms { lease: LEASE, limit: None, ..Terms::default() };
        let lane = state.args.intake.open(terms).await?;
        tracing::info!(subject = state.args.intake.subject(), "taking in what OpenFaaS gateways store");
        let (me, desk, stop) = (state.me.clone(), state.args.desk.clone(), state.stop.clone());
        state.tasks.spawn(async move {
            let take_in = |delivery| {
                let desk = desk.clone();
                async move { desk.take_in(delivery).await }
            };
            let error = keep_moving(lane, stop, take_in).await;
            drop(me.cast(Msg::Ended(error)));
        });
        Ok(())
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Ended(Some(error)) if !state.stop.is_cancelled() => return Err(error.into()),
            Msg::Ended(_) => me.stop(Some("drained".into())),
            Msg::Drain => state.stop.cancel(),
        }
        Ok(())
    }
}
