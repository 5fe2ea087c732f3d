//! A worker's connection to the broker: requests and answers take their time, and get lost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::memory::Memory;
use actors::port::broker::Error;
use actors::port::{BoxFuture, BoxStream, Delivery, Lease};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::sleep;

use crate::ledger::{Event, Ledger};
use crate::plan::Plan;

/// How long a worker waits for an answer before it takes it for lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the connection is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Weather {
    /// Nothing is lost.
    Fair,
    /// Nothing arrives.
    Unheard,
    /// No answer arrives.
    Unanswered,
    /// One request, and one answer, in so many is lost.
    Lossy(u32),
    /// Everything takes so much longer.
    Slow(Duration),
    /// The worker is dead: nothing it does has any effect any more.
    Dead,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Leg {
    There,
    Back,
}

/// One worker's.
pub(crate) struct Wire {
    pub(crate) worker: usize,
    pub(crate) memory: Memory,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) plan: Arc<Plan>,
    latency: Duration,
    state: Mutex<State>,
    last: AtomicU64,
}

struct State {
    weather: Weather,
    /// How often it has changed: an end of bad weather is for the one it belongs to.
    changes: u64,
    luck: SmallRng,
    /// What the broker has leased to this worker.
    leases: BTreeMap<u64, Arc<dyn Lease>>,
    /// Pulls that the broker was not told the end of: what it has sent for them is lost until its leases end.
    lost: Vec<BoxStream<'static, Result<Delivery, Error>>>,
}

impl Wire {
    pub(crate) fn new(worker: usize, memory: Memory, ledger: Arc<Ledger>, plan: Arc<Plan>) -> Self {
        let luck = SmallRng::seed_from_u64(plan.seed ^ (worker as u64 + 1) << 48);
        let (leases, lost) = (BTreeMap::new(), Vec::new());
        let state = State { weather: Weather::Fair, changes: 0, luck, leases, lost };
        // Numbers of leases and pulls are unique in the world.
        let last = AtomicU64::new((worker as u64) << 32);
        Self { worker, memory, ledger, latency: plan.latency, plan, state: Mutex::new(state), last }
    }

    /// Changes the weather; the number of this change.
    pub(crate) fn turn(&self, weather: Weather) -> u64 {
        let mut state = self.state.lock().unwrap();
        if state.weather != Weather::Dead {
            state.weather = weather;
            state.changes += 1;
        }
        state.changes
    }

    /// The weather of this change is over, if it has not changed since.
    pub(crate) fn clear(&self, change: u64) {
        if self.state.lock().unwrap().changes == change {
            self.turn(Weather::Fair);
        }
    }

    pub(crate) fn weather(&self) -> Weather {
        self.state.lock().unwrap().weather
    }

    /// Something happened at this worker; what a dead one does is nothing.
    pub(crate) fn tell(&self, event: &Event) {
        if self.weather() != Weather::Dead {
            self.ledger.tell(event);
        }
    }

    /// A number that was not used before.
    pub(crate) fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A request and its answer.
    pub(crate) async fn ask<'a, T>(
        &self,
        request: impl FnOnce() -> BoxFuture<'a, Result<T, Error>>,
    ) -> Result<T, Error> {
        if self.travel(Leg::There).await {
            let answer = request().await;
            if self.travel(Leg::Back).await {
                return answer;
            }
        }
        sleep(PATIENCE).await;
        Err(away())
    }

    /// A request arrives, if it does.
    pub(crate) async fn heard(&self) -> bool {
        self.travel(Leg::There).await
    }

    /// An answer arrives, if it does; one of several that are sent together is under way while the others are.
    pub(crate) async fn answered(&self, together: bool) -> bool {
        if together { self.draw(Leg::Back).1 } else { self.travel(Leg::Back).await }
    }

    /// Whether a stream of hints goes on: what is told meanwhile is lost.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.weather(), Weather::Fair | Weather::Lossy(_) | Weather::Slow(_))
    }

    async fn travel(&self, leg: Leg) -> bool {
        let (takes, arrives) = self.draw(leg);
        if !takes.is_zero() {
            sleep(takes).await;
        }
        arrives && self.weather() != Weather::Dead
    }

    fn draw(&self, leg: Leg) -> (Duration, bool) {
        let state = &mut *self.state.lock().unwrap();
        let takes = if self.latency.is_zero() { Duration::ZERO } else { self.latency.mul_f64(state.luck.random()) };
        match state.weather {
            Weather::Fair => (takes, true),
            Weather::Unheard | Weather::Dead => (takes, false),
            Weather::Unanswered => (takes, leg == Leg::There),
            Weather::Lossy(one_in) => (takes, !state.luck.random_ratio(1, one_in)),
            Weather::Slow(by) => (takes + by, true),
        }
    }

    /// The broker has leased a message to this worker.
    pub(crate) fn leased(&self, number: u64, lease: Arc<dyn Lease>) {
        self.state.lock().unwrap().leases.insert(number, lease);
    }

    /// The worker lets go of it.
    pub(crate) fn let_go(&self, number: u64) {
        let lease = self.state.lock().unwrap().leases.remove(&number);
        if lease.is_some() {
            self.tell(&Event::LetGo { worker: self.worker, lease: number });
        }
    }

    /// The worker ends a pull, which the broker may not hear.
    pub(crate) fn abandon(&self, pull: BoxStream<'static, Result<Delivery, Error>>) {
        if self.is_open() {
            drop(pull);
        } else {
            self.state.lock().unwrap().lost.push(pull);
        }
    }

    /// The broker forgets who has what.
    pub(crate) async fn forget_leases(&self) {
        let leases = self.state.lock().unwrap().leases.clone();
        for (number, lease) in leases {
            if lease.give_back(None).await.is_ok() {
                self.tell(&Event::Forgotten { worker: self.worker, lease: number });
            }
        }
    }
}

/// What a worker says of a broker that it does not hear.
pub(crate) fn away() -> Error {
    Error::Away("no answer in time".into())
}
