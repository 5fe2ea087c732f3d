//! A listener, or anything else from outside that runs until it is told to end, as a supervised child.
//!
//! # Owns
//! The task that runs the service.
//!
//! # Takes
//! [`Msg`]: at most one of each is queued.
//!
//! # Children
//! None.
//!
//! # Stops
//! When drained, once the service has ended. With an error when the service ends by itself, which the root answers
//! with a restart.

use futures_util::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::parts::Run;
use crate::port::broker::Cause;

/// What it is told.
pub(crate) enum Msg {
    /// From itself: the service ended.
    Ended(Result<(), Cause>),
    /// From the root: end by then.
    Drain { deadline: Instant },
}

pub(crate) struct Service;

pub(crate) struct State {
    run: Run,
    drain: watch::Sender<Option<Instant>>,
    tasks: JoinSet<()>,
}

impl Actor for Service {
    type Msg = Msg;
    type State = State;
    type Arguments = Run;

    async fn pre_start(&self, _: ActorRef<Msg>, run: Run) -> Result<State, ActorProcessingErr> {
        Ok(State { run, drain: watch::Sender::new(None), tasks: JoinSet::new() })
    }

    async fn post_start(&self, me: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        let service = (state.run)(state.drain.subscribe());
        state.tasks.spawn(async move {
            let ended = std::panic::AssertUnwindSafe(service).catch_unwind().await;
            drop(me.cast(Msg::Ended(ended.unwrap_or_else(|_| Err("it panicked".into())))));
        });
        Ok(())
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Drain { deadline } => drop(state.drain.send_replace(Some(deadline))),
            Msg::Ended(Err(error)) => return Err(error),
            Msg::Ended(Ok(())) if state.drain.borrow().is_some() => me.stop(Some("drained".into())),
            Msg::Ended(Ok(())) => return Err("the service ended though nobody told it to".into()),
        }
        Ok(())
    }
}
