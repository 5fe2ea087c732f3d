//! Follows the calls that are to be cancelled.
//!
//! # Owns
//! The stream of marks, in a task of its own.
//!
//! # Takes
//! [`Msg`]: one for each call that somebody cancels.
//!
//! # Children
//! None.
//!
//! # Stops
//! When drained, after the last call has. With an error when the stream ends, which the root answers with a restart:
//! the next stream begins with every mark there is, so that none is missed.

use std::sync::Arc;

use futures_util::StreamExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::call::Desk;
use crate::port::broker::Error;
use crate::port::cancels::Mark;

/// What it is told.
pub(crate) enum Msg {
    /// From the broker: this call is to be cancelled.
    Marked(Mark),
    /// From itself: the stream ended.
    Lost,
    /// From the root: stop.
    Drain,
}

/// What it needs.
pub(crate) struct Args {
    pub(crate) desk: Arc<Desk>,
    /// Has the call end, if it runs here.
    pub(crate) marked: Arc<dyn Fn(Mark) + Send + Sync>,
}

pub(crate) struct Cancels;

pub(crate) struct State {
    args: Args,
    tasks: JoinSet<()>,
}

impl Actor for Cancels {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, _: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        Ok(State { args, tasks: JoinSet::new() })
    }

    async fn post_start(&self, me: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        let mut marks = state.args.desk.broker.cancelled().await?;
        state.tasks.spawn(async move {
            while let Some(mark) = marks.next().await {
                if me.cast(Msg::Marked(mark)).is_err() {
                    return;
                }
            }
            drop(me.cast(Msg::Lost));
        });
        Ok(())
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            // Known first, told then: a call that starts in between finds the mark itself. One that is told again, by a new
            // stream, was told before.
            Msg::Marked(mark) => {
                if state.args.desk.marks.add(&mark, Instant::now()) {
                    (state.args.marked)(mark);
                }
            }
            Msg::Lost => return Err(Error::Away("the stream of calls that are to be cancelled ended".into()).into()),
            Msg::Drain => me.stop(Some("drained".into())),
        }
        Ok(())
    }
}
