//! Follows the control plane.
//!
//! # Owns
//! The snapshot of all functions, and the task that watches for changes.
//!
//! # Takes
//! [`Msg`]. Changes are as rare as people's decisions.
//!
//! # Children
//! None.
//!
//! # Stops
//! When the root stops it. With an error when the watch ends, which the root answers with a restart; meanwhile
//! everybody goes on with the snapshot there is.

use std::sync::Arc;

use futures_util::StreamExt;
use proto::{NamespaceSpec, QueueSpec};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::directory::Directory as Snapshot;
use crate::port::Control;
use crate::port::broker::Error;
use crate::port::control::{Change, Key, Record};

/// What it is told.
pub(crate) enum Msg {
    /// From the watch: something changed.
    Changed(Change),
    /// From the watch: it ended.
    Lost(Error),
    /// From the root: stop.
    Drain,
}

pub(crate) struct Args {
    pub(crate) control: Arc<dyn Control>,
    /// Outlives this actor, so that a restart interrupts nobody.
    pub(crate) publish: Arc<watch::Sender<Arc<Snapshot>>>,
    /// Told of every snapshot that is published.
    pub(crate) changed: Arc<dyn Fn(&Snapshot) + Send + Sync>,
}

pub(crate) struct Directory;

pub(crate) struct State {
    args: Args,
    snapshot: Snapshot,
    tasks: JoinSet<()>,
}

impl Actor for Directory {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, _: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let snapshot = args.publish.borrow().emptied();
        Ok(State { args, snapshot, tasks: JoinSet::new() })
    }

    async fn post_start(&self, me: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        let mut changes = state.args.control.watch().await?;
        state.tasks.spawn(async move {
            while let Some(change) = changes.next().await {
                let msg = change.map_or_else(Msg::Lost, Msg::Changed);
                if me.cast(msg).is_err() {
                    return;
                }
            }
            drop(me.cast(Msg::Lost(Error::Away("the watch on the functions ended".into()))));
        });
        Ok(())
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Changed(change) => state.apply(change),
            Msg::Lost(error) => return Err(error.into()),
            Msg::Drain => me.stop(Some("drained".into())),
        }
        Ok(())
    }
}

impl State {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Current => self.snapshot.current = true,
            Change::Put(Record::Function(function, deployment), _) => {
                let deleting = deployment.deleting;
                match self.snapshot.compile(*deployment) {
                    Ok(spec) => self.snapshot.insert(Arc::new(spec)),
                    Err(error) => {
                        tracing::error!(%function, %error, "a function's record cannot be used; keeping what was known of it");
                        self.snapshot.leaves(function, deleting);
                    }
                }
            }
            Change::Put(Record::Namespace(namespace, tenancy), _) => match NamespaceSpec::compile(*tenancy) {
                Ok(spec) => self.snapshot.insert_namespace(Arc::new(spec)),
                Err(error) => {
                    tracing::error!(%namespace, %error, "a namespace's record cannot be used; keeping what was known of it");
                }
            },
            Change::Put(Record::Queue(queue, settings), _) => match QueueSpec::compile(*settings) {
                Ok(spec) => self.snapshot.insert_queue(Arc::new(spec)),
                Err(error) => {
                    tracing::error!(%queue, %error, "a queue's record cannot be used; keeping what was known of it");
                }
            },
            Change::Put(Record::ApiKey(id, key), _) => self.snapshot.insert_key(id, Arc::from(key)),
            Change::Deleted(Key::Function(function)) => drop(self.snapshot.remove(&function)),
            Change::Deleted(Key::Namespace(namespace)) => drop(self.snapshot.remove_namespace(&namespace)),
            Change::Deleted(Key::Queue(queue)) => drop(self.snapshot.remove_queue(&queue)),
            Change::Deleted(Key::ApiKey(id)) => drop(self.snapshot.remove_key(&id)),
            Change::Unreadable { key, why } => {
                tracing::error!(key, why, "a record of the control plane cannot be read; it is passed over");
                // Of a key nobody may go on with what was known: it may have been revoked.
                if let Ok(Key::ApiKey(id)) = Key::parse(&key) {
                    self.snapshot.remove_key(&id);
                }
            }
        }
        // A restarted watch begins from nothing: until it is through, the old snapshot is the better one.
        if self.snapshot.current {
            let snapshot = Arc::new(self.snapshot.clone());
            (self.args.changed)(&snapshot);
            self.args.publish.send_replace(snapshot);
        }
    }
}
