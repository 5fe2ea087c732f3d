//! Finishes what was begun by deleting a function.
//!
//! # Owns
//! The task that looks after the functions that are being deleted.
//!
//! # Takes
//! [`Msg`]: at most one of each.
//!
//! # Children
//! None.
//!
//! # Stops
//! When drained. With an error if its task panics, which the root answers with a restart: what is being deleted says so
//! on record.

use std::sync::Arc;

use futures_util::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::task::JoinSet;

use crate::call::Desk;
use crate::port::Control;
use crate::removal::Remover;

/// What it is told.
pub(crate) enum Msg {
    /// From itself: the task panicked.
    Panicked,
    /// From the root: stop.
    Drain,
}

/// What it needs.
pub(crate) struct Args {
    pub(crate) desk: Arc<Desk>,
    pub(crate) control: Arc<dyn Control>,
}

pub(crate) struct Removals;

impl Actor for Removals {
    type Msg = Msg;
    type State = JoinSet<()>;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<JoinSet<()>, ActorProcessingErr> {
        let mut tasks = JoinSet::new();
        let (desk, control) = (args.desk, args.control);
        let (directory, membership) = (desk.directory.clone(), desk.membership.clone());
        let remover = Remover::new(desk.broker.clone(), control, directory, membership);
        tasks.spawn(async move {
            if std::panic::AssertUnwindSafe(remover.keep_looking()).catch_unwind().await.is_err() {
                drop(me.cast(Msg::Panicked));
            }
        });
        Ok(tasks)
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, _: &mut JoinSet<()>) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Panicked => return Err("looking after deleted functions panicked".into()),
            Msg::Drain => me.stop(Some("drained".into())),
        }
        Ok(())
    }
}
