//! Functions and callback receivers that answer by the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::port::invoker::{Answer, Destination, Error, Invocation};
use actors::port::{BoxFuture, Invoker};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep, timeout};

use crate::ledger::{Event, Outcome};
use crate::plan::Plan;
use crate::wire::Wire;

/// How a function behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It answers within moments.
    Quick,
    /// It takes some seconds.
    Slow,
    /// It takes longer than a lease lasts.
    Long,
    /// It fails half the time.
    Failing,
    /// It often has no room.
    Busy,
    /// It breaks off now and then.
    Dying,
    /// It says nothing now and then.
    Hanging,
    /// It asks to be left alone now and then.
    Asking,
    /// It says no.
    Refusing,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Quick,
        Self::Slow,
        Self::Long,
        Self::Failing,
        Self::Busy,
        Self::Dying,
        Self::Hanging,
        Self::Asking,
        Self::Refusing,
    ];
}

/// What it does with one request.
enum Act {
    Answer(u16, &'static [(&'static str, &'static str)]),
    Refuse,
    Break,
    Hang,
}

/// How long it takes, and what it does then.
fn act(kind: Kind, luck: &mut SmallRng) -> (Duration, Act) {
    let moment = Duration::from_millis(luck.random_range(0..30));
    let ok = Act::Answer(200, &[]);
    match kind {
        Kind::Quick => (moment, ok),
        Kind::Slow => (Duration::from_millis(luck.random_range(300..5000)), ok),
        Kind::Long => (Duration::from_millis(luck.random_range(8000..45_000)), ok),
        Kind::Refusing => (moment, Act::Answer(404, &[])),
        _ if luck.random_bool(0.55) => (moment * 10, ok),
        Kind::Failing => (moment, Act::Answer(500, &[])),
        Kind::Busy if luck.random_bool(0.5) => (moment, Act::Refuse),
        Kind::Busy => (moment, Act::Answer(429, &[("x-openfaas-internal", "busy")])),
        Kind::Dying => (moment * 20, Act::Break),
        Kind::Hanging => (moment, Act::Hang),
        Kind::Asking => (moment, Act::Answer(503, &[("retry-after", "2")])),
    }
}

/// Everything that is called, from whichever worker.
pub(crate) struct Functions {
    pub(crate) plan: Arc<Plan>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How often each call has been run, by function; [`RECEIVER`] for callbacks.
    asked: BTreeMap<(usize, u32), u64>,
    /// Until when each is not there.
    down: BTreeMap<usize, Instant>,
    runs: u64,
    /// Calls whose callback was taken.
    heard: BTreeSet<u32>,
}

/// The receiver of callbacks, counted as a function.
pub(crate) const RECEIVER: usize = usize::MAX;
/// Where it is.
pub(crate) const RECEIVER_URL: &str = "http://receiver/done";

impl Functions {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Self { plan, state: Mutex::default() }
    }

    /// It is not there for so long.
    pub(crate) fn down(&self, function: usize, lasts: Duration) {
        self.state.lock().unwrap().down.insert(function, Instant::now() + lasts);
    }

    /// Whether the caller of this has heard how it ended.
    pub(crate) fn has_heard(&self, call: u32) -> bool {
        self.state.lock().unwrap().heard.contains(&call)
    }

    /// What happens to one more request.
    fn draw(&self, function: usize, call: u32) -> (u64, Duration, Act) {
        let mut state = self.state.lock().unwrap();
        state.runs += 1;
        let run = state.runs;
        let nth = state.asked.entry((function, call)).or_default();
        *nth += 1;
        let seed = [function as u64, u64::from(call), *nth]
            .iter()
            .fold(self.plan.seed, |seed, part| (seed ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29));
        let mut luck = SmallRng::seed_from_u64(seed);
        if state.down.get(&function).is_some_and(|until| *until > Instant::now()) {
            let act = if luck.random() { Act::Refuse } else { Act::Answer(503, &[]) };
            return (run, Duration::from_millis(1), act);
        }
        let kind = self.plan.functions.get(function).map(|it| it.kind);
        let (takes, act) = match kind {
            Some(kind) => act(kind, &mut luck),
            None if luck.random_bool(0.2) => (Duration::from_millis(50), Act::Answer(500, &[])),
            None => (Duration::from_millis(luck.random_range(0..100)), Act::Answer(200, &[])),
        };
        (run, takes, act)
    }
}

/// The functions as one worker reaches them.
pub(crate) struct Reach {
    pub(crate) functions: Arc<Functions>,
    pub(crate) wire: Arc<Wire>,
}

/// Tells of a run's end, however it comes to it.
struct Running<'a> {
    reach: &'a Reach,
    run: u64,
    outcome: Outcome,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.reach.wire.tell(&Event::Finished { run: self.run, outcome: self.outcome });
    }
}

impl Invoker for Reach {
    fn resolve(&self, _: &str, _: u16) -> BoxFuture<'_, Result<Vec<SocketAddr>, Error>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Answer, Error>> {
        Box::pin(async move {
            let header = |name: &str| invocation.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
            let call: u32 = header("x-call-id").trim_start_matches('c').parse().unwrap();
            let function = match &invocation.destination {
                Destination::Callback { .. } => RECEIVER,
                Destination::Function { url, .. } => {
                    let host = url.host_str().unwrap();
                    self.functions.plan.functions.iter().position(|it| it.host() == host).unwrap()
                }
            };
            let (run, takes, act) = self.functions.draw(function, call);
            let (attempt, worker) = (header("x-attempt").parse().unwrap(), self.wire.worker);
            let state = (function == RECEIVER).then(|| header("x-call-state").to_owned());
            self.wire.tell(&Event::Began { worker, run, call, function, attempt, state });
            let mut running = Running { reach: self, run, outcome: Outcome::Cut };
            let answer = timeout(invocation.timeout, perform(takes, act)).await;
            let answer = answer.unwrap_or(Err(Error::TimedOut(invocation.timeout)));
            running.outcome = match &answer {
                Ok(answer) if answer.headers.contains_key("x-openfaas-internal") => Outcome::Busy,
                Ok(answer) => Outcome::Answered(answer.status.as_u16()),
                Err(Error::Refused(_)) => Outcome::Busy,
                Err(_) => Outcome::Broken,
            };
            if function == RECEIVER && running.outcome == Outcome::Answered(200) {
                self.functions.state.lock().unwrap().heard.insert(call);
            }
            answer
        })
    }
}

async fn perform(takes: Duration, act: Act) -> Result<Answer, Error> {
    sleep(takes).await;
    match act {
        Act::Answer(status, pairs) => {
            let pair = |&(name, value): &(&'static str, &'static str)| (name, HeaderValue::from_static(value));
            let headers = pairs.iter().map(pair).map(|(name, value)| (name.parse().unwrap(), value));
            let headers: HeaderMap = headers.collect();
            let status = StatusCode::from_u16(status).unwrap();
            Ok(Answer { status, headers, body: Bytes::from_static(b"out"), omitted: None })
        }
        Act::Refuse => Err(Error::Refused("nobody listens".into())),
        Act::Break => Err(Error::Broken { what: "reading the answer", source: "connection reset".into() }),
        Act::Hang => std::future::pending().await,
    }
}
