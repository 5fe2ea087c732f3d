//! What a process hands to the tree when it starts it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::call::Desk;
use crate::directory::Directory as Snapshot;
use crate::membership::{Membership, Serves};
use crate::permit::share::Standing;
use crate::port::broker::{Cause, Terms};
use crate::port::{BoxFuture, Control, Presence};

/// A listener to be run and supervised.
#[derive(Clone)]
pub struct Listener {
    /// What it is called in the tree.
    pub name: &'static str,
    /// What it does.
    pub run: Run,
    /// Whether it goes on to the end of a drain, to show how far that is.
    pub until_last: bool,
}

/// What the tree is made of.
pub struct Parts {
    /// What calls are run with.
    pub desk: Arc<Desk>,
    /// The control plane.
    pub control: Arc<dyn Control>,
    /// Where the snapshot of the functions is published; `desk.directory` listens to it.
    pub directory: Arc<watch::Sender<Arc<Snapshot>>>,
    /// Signs of life, from and to the other processes.
    pub presence: Arc<dyn Presence>,
    /// Who this is among them.
    pub id: String,
    /// Whether this process accepts calls.
    pub gateway: bool,
    /// Where it is published who is alive; `desk.membership` listens to it.
    pub membership: Arc<watch::Sender<Arc<Membership>>>,
    /// Whether this process wants to be sent requests.
    pub ready: Arc<watch::Sender<bool>>,
    /// The listeners.
    pub listeners: Vec<Listener>,
    /// The queues.
    pub serve: Serves,
}

/// How the tree behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many calls of all queues together this worker runs at once.
    pub max_inflight: u32,
    /// How the queues share them; those that are not named stand like any other.
    pub standings: BTreeMap<proto::Queue, Standing>,
    /// How a queue is served.
    pub queue: QueueSettings,
    /// How long listeners go on after readiness was withdrawn, so that load balancers move on.
    pub pre_stop: Duration,
    /// How long calls in flight may take to finish in a drain.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_inflight: 256,
            standings: BTreeMap::new(),
            queue: QueueSettings::default(),
            pre_stop: Duration::from_secs(5),
            grace: Duration::from_secs(60),
        }
    }
}

/// How a queue is served.
#[derive(Clone, Copy, Debug)]
pub struct QueueSettings {
    /// How lanes are leased; their limits come from the functions.
    pub terms: Terms,
    /// How often to look for work that no hint told of.
    pub scan_every: Duration,
    /// How long a subscriber stays with nothing to do.
    pub linger: Duration,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { terms: Terms::default(), scan_every: Duration::from_secs(5), linger: Duration::from_secs(10) }
    }
}

/// A service: runs until its argument turns into a deadline, then ends by that time.
pub type Run = Arc<dyn Fn(watch::Receiver<Option<Instant>>) -> BoxFuture<'static, Result<(), Cause>> + Send + Sync>;
