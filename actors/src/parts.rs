//! What a process hands to the tree when it starts it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::call::Desk;
use crate::directory::Directory as Snapshot;
use crate::drain::Phase;
use crate::membership::{Membership, Serves};
use crate::permit::share::Standing;
use crate::port::broker::{Cause, Terms};
use crate::port::{BoxFuture, Control, Intake, Presence};

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

/// A part of a process: a child of the root.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// What follows the control plane.
    Directory,
    /// What says that the process is alive, and hears who else is.
    Presence,
    /// One served queue.
    Queue(proto::Queue),
    /// What moves what is due.
    Later,
    /// What follows the calls that are to be cancelled.
    Cancels,
    /// What looks after functions that are being deleted.
    Removals,
    /// What takes in the calls that were left on a subject.
    Intake(Arc<str>),
    /// A listener.
    Listener(&'static str),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => f.write_str("directory"),
            Self::Presence => f.write_str("presence"),
            Self::Queue(queue) => write!(f, "queue {queue}"),
            Self::Later => f.write_str("later"),
            Self::Cancels => f.write_str("cancels"),
            Self::Removals => f.write_str("removals"),
            Self::Intake(subject) => write!(f, "intake {subject}"),
            Self::Listener(name) => write!(f, "listener {name}"),
        }
    }
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
    /// Where others leave calls; read by a worker.
    pub intakes: Vec<Arc<dyn Intake>>,
    /// The queues.
    pub serve: Serves,
}

impl Parts {
    /// What is started once the functions are known, and no sooner: to run a call of a function that merely has not
    /// been read yet would find nobody there.
    #[must_use]
    pub fn workers(&self, named: BTreeSet<proto::Queue>) -> Vec<Name> {
        let queues = match &self.serve {
            Serves::Nothing => return Vec::new(),
            Serves::Queues(queues) => queues.clone(),
            Serves::Everything => named.into_iter().chain([proto::Queue::default()]).collect(),
        };
        let queues = queues.into_iter().chain([proto::Queue::callbacks()]).map(Name::Queue);
        let intakes = self.intakes.iter().map(|intake| Name::Intake(intake.subject().into()));
        [Name::Cancels, Name::Later, Name::Removals].into_iter().chain(queues).chain(intakes).collect()
    }

    /// In which phase of a drain a part ends.
    #[must_use]
    pub fn phase_of(&self, name: &Name) -> Phase {
        match name {
            Name::Queue(_) | Name::Later | Name::Intake(_) | Name::Removals => Phase::Work,
            // As long as calls run they can be cancelled, and others know whose they are.
            Name::Cancels | Name::Directory | Name::Presence => Phase::Last,
            Name::Listener(name) => {
                let until_last = self.listeners.iter().any(|it| it.name == *name && it.until_last);
                if until_last { Phase::Last } else { Phase::Edge }
            }
        }
    }
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
    /// How long calls in flight may take to finish in a drain; as long as the longest of them may, if absent.
    pub grace: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_inflight: 256,
            standings: BTreeMap::new(),
            queue: QueueSettings::default(),
            pre_stop: Duration::from_secs(5),
            grace: None,
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
