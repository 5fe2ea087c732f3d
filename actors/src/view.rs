//! What each actor shows of itself: the tree as data, for operators and for tests to wait on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use ractor::rpc::CallResult;
use ractor::{ActorRef, Message, RpcReplyPort};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::limit::throughput::PerSecond;
use crate::membership::Member;
use crate::waiting::{self, Reason};

/// How long an actor may take to answer: it answers between two messages, so longer means that it is gone.
const WITHIN: Duration = Duration::from_secs(1);

/// A process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Process {
    /// Who it is among all.
    pub id: String,
    /// Calls that it accepted in a second, lately.
    #[serde(default)]
    pub accepted_per_second: f64,
    /// Its tree.
    #[serde(flatten)]
    pub fabric: Fabric,
}

/// The root.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fabric {
    /// `running` or the phase of the drain.
    pub phase: Cow<'static, str>,
    /// The children that are not queues.
    pub children: Vec<Child>,
    /// The processes that are alive, this one included, by id.
    pub members: BTreeMap<String, Member>,
    /// How many calls this worker runs at once.
    pub permits: u32,
    /// How many more could run.
    pub permits_free: u32,
    /// The queues served.
    pub queues: Vec<Queue>,
}

/// A child as its supervisor sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Child {
    /// Its name.
    pub name: String,
    /// `up`, `restarting` or `parked`.
    pub state: Cow<'static, str>,
    /// Why it ended, if it is not up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Failures that still count against it.
    pub failures: u32,
}

/// A queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Permits of this worker that its subscribers hold.
    pub permits: u32,
    /// Functions that wait for permits.
    pub permits_waiting: u32,
    /// How many permits they may hold at the most, if that is less than all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permits_max: Option<u32>,
    /// Its subscribers, as it sees them.
    pub children: Vec<Child>,
    /// Its subscribers, as they see themselves.
    pub subscribers: Vec<Subscriber>,
    /// Those that are not told of one by one, because there are too many.
    #[serde(default, skip_serializing_if = "Rest::is_nobody")]
    pub rest: Rest,
}

/// Subscribers together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rest {
    /// How many they are.
    pub subscribers: usize,
    /// Calls in flight.
    pub in_flight: usize,
    /// What became of attempts lately, in a second.
    pub per_second: PerSecond,
}

impl Rest {
    fn is_nobody(&self) -> bool {
        self.subscribers == 0
    }

    /// These and those together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            subscribers: self.subscribers + other.subscribers,
            in_flight: self.in_flight + other.in_flight,
            per_second: self.per_second.and(other.per_second),
        }
    }
}

impl From<&Subscriber> for Rest {
    fn from(it: &Subscriber) -> Self {
        Self { subscribers: 1, in_flight: it.in_flight, per_second: it.inflow.per_second }
    }
}

impl Queue {
    /// How many of its calls run.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.subscribers.iter().map(|subscriber| subscriber.in_flight).sum()
    }
}

/// A subscriber.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subscriber {
    /// The function.
    pub function: String,
    /// Where it is in its life.
    pub phase: Phase,
    /// Calls in flight.
    pub in_flight: usize,
    /// What comes in, and what keeps more from coming.
    #[serde(flatten)]
    pub inflow: Inflow,
}

/// How messages come in to a subscriber.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inflow {
    /// Permits in hand.
    pub permits: u32,
    /// Messages known to wait.
    pub backlog: u64,
    /// Calls that were turned away here and wait to be tried again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub turned_away: u64,
    /// The cluster-wide limit.
    pub concurrency: Option<u32>,
    /// How many at once the function was found to bear here, if it was found to have enough.
    pub adaptive: Option<u32>,
    /// How long a call usually takes here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typical_seconds: Option<f64>,
    /// What became of attempts lately, in a second.
    #[serde(default)]
    pub per_second: PerSecond,
    /// What the first message that waits is waiting for; nothing if none does, or if it is just being taken.
    pub waiting: Option<Waiting>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What the head of a lane waits for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// Why.
    pub reason: Reason,
    /// For how many seconds more at most, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

impl From<waiting::Waiting> for Waiting {
    fn from(waiting: waiting::Waiting) -> Self {
        let left = |until: std::time::Instant| until.saturating_duration_since(Instant::now().into_std());
        Self { reason: waiting.reason, seconds: waiting.until.map(|until| left(until).as_secs_f64()) }
    }
}

/// Where a subscriber is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It pulls.
    Running,
    /// It pulls no more; it has asked to retire, or will once its last pull is over.
    Resting,
    /// It pulls no more, and stops once nothing is in flight.
    Draining,
}

/// Asks an actor for its view. Nothing if it has ended or does not answer in time.
pub(crate) async fn ask<M: Message, V: Send + 'static>(
    actor: &ActorRef<M>,
    question: impl FnOnce(RpcReplyPort<V>) -> M + Send,
) -> Option<V> {
    match actor.call(question, Some(WITHIN)).await {
        Ok(CallResult::Success(view)) => Some(view),
        Ok(CallResult::Timeout | CallResult::SenderError) | Err(_) => None,
    }
}
