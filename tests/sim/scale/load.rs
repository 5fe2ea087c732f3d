//! What is called, and what is seen of it: every function's calls, counted as they begin and end.

use std::sync::Mutex;
use std::time::Duration;

use actors::port::invoker::{Answer, Destination, Error, Invocation};
use actors::port::{BoxFuture, Invoker};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use proto::{Function, LaneKey, Queue};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::Size;

/// How many calls begin between two lines that tell how far it is.
const TOLD_EVERY: u64 = 250_000;

/// All functions, as what answers their calls.
pub(crate) struct Load {
    size: Size,
    began: Instant,
    /// Told of a tenant whose next function may begin.
    next: mpsc::UnboundedSender<usize>,
    state: Mutex<State>,
}

struct State {
    /// Calls of each function that have not ended, and that run.
    functions: Vec<(u32, u32)>,
    /// The time that calls of each tenant took, while every tenant of its queue had more to do than there was room for.
    slot_time: Vec<Duration>,
    /// How long all tenants of a queue had more to do; absent as long as they have.
    saturated: Vec<Option<Duration>>,
    runs: u64,
    /// Calls that ended although all of their function had.
    repeated: u64,
    /// How many calls of one function ran at once at most.
    most_at_once: u32,
    over_limit: u64,
    drained: u64,
    slowest_drain: Duration,
    idle_mb: u64,
    most_mb: u64,
}

/// What came of it.
pub(crate) struct Tally {
    pub(crate) runs: u64,
    pub(crate) repeated: u64,
    /// Functions of which not all calls have ended.
    pub(crate) unended: usize,
    pub(crate) most_at_once: u32,
    pub(crate) over_limit: u64,
    pub(crate) drained: u64,
    pub(crate) slowest_drain: Duration,
    /// How far the tenant that is farthest from the mean of its queue is from it, as a part of that.
    pub(crate) unfairness: f64,
    /// Which part of its workers' slots calls ran in, while all tenants had more to do, in the queue where it was least.
    pub(crate) in_use: f64,
    pub(crate) idle_mb: u64,
    pub(crate) most_mb: u64,
}

/// Functions and tenants by number.
impl Size {
    pub(crate) fn tenant_of(&self, function: usize) -> usize {
        function % self.tenants
    }

    pub(crate) fn queue_of(&self, tenant: usize) -> usize {
        tenant % self.queues
    }

    pub(crate) fn lane(&self, function: usize) -> LaneKey {
        let tenant = self.tenant_of(function);
        let name = Function::parse(&format!("f{function}.t{tenant}")).unwrap();
        LaneKey::new(queue(self.queue_of(tenant)), name)
    }

    /// Tenants differ in how long their calls take, and shall not in what they get for it.
    fn takes(&self, function: usize) -> Duration {
        Duration::from_millis(500 * (1 + (self.tenant_of(function) / self.queues) as u64 % 5))
    }
}

pub(crate) fn queue(number: usize) -> Queue {
    Queue::parse(&format!("q{number}")).unwrap()
}

impl Load {
    pub(crate) fn new(size: Size, next: mpsc::UnboundedSender<usize>) -> Self {
        let state = State {
            functions: vec![(u32::try_from(size.calls_each).unwrap(), 0); size.functions],
            slot_time: vec![Duration::ZERO; size.tenants],
            saturated: vec![None; size.queues],
            runs: 0,
            repeated: 0,
            most_at_once: 0,
            over_limit: 0,
            drained: 0,
            slowest_drain: Duration::ZERO,
            idle_mb: 0,
            most_mb: 0,
        };
        Self { size, began: Instant::now(), next, state: Mutex::new(state) }
    }

    fn begin(&self, function: usize) {
        let state = &mut *self.state.lock().unwrap();
        state.runs += 1;
        let (_, running) = state.functions.get_mut(function).unwrap();
        *running += 1;
        state.most_at_once = state.most_at_once.max(*running);
        state.over_limit += u64::from(*running as usize > self.size.limit());
        if state.runs.is_multiple_of(1_000) {
            state.most_mb = state.most_mb.max(megabytes());
        }
        if state.runs.is_multiple_of(TOLD_EVERY) {
            eprintln!("  {} of {} calls, after {:.0?}", state.runs, self.size.calls(), self.began.elapsed());
        }
    }

    fn end(&self, function: usize, began: Instant) {
        let tenant = self.size.tenant_of(function);
        let state = &mut *self.state.lock().unwrap();
        let (left, running) = state.functions.get_mut(function).unwrap();
        state.repeated += u64::from(*left == 0);
        (*left, *running) = (left.saturating_sub(1), *running - 1);
        let is_last = *left == 0;
        if state.saturated.get(self.size.queue_of(tenant)) == Some(&None) {
            *state.slot_time.get_mut(tenant).unwrap() += began.elapsed();
        }
        if is_last {
            self.next.send(tenant).ok();
        }
    }

    /// A tenant has no function left that has not begun: from now on it may get less than its part.
    pub(crate) fn ran_dry(&self, tenant: usize) {
        if let Some(saturated) = self.state.lock().unwrap().saturated.get_mut(self.size.queue_of(tenant)) {
            saturated.get_or_insert(self.began.elapsed());
        }
    }

    pub(crate) fn drained(&self, took: Duration) {
        let mut state = self.state.lock().unwrap();
        state.drained += 1;
        state.slowest_drain = state.slowest_drain.max(took);
    }

    pub(crate) fn runs(&self) -> u64 {
        self.state.lock().unwrap().runs
    }

    /// All workers are up, and none has anything to do.
    pub(crate) fn idle(&self) {
        self.state.lock().unwrap().idle_mb = megabytes();
    }

    pub(crate) fn tally(&self) -> Tally {
        let state = self.state.lock().unwrap();
        let slots = (self.size.workers * self.size.permits / self.size.queues) as f64;
        let (mut unfairness, mut in_use): (f64, f64) = (0.0, 1.0);
        for queue in 0..self.size.queues {
            let of_queue = (0..self.size.tenants).filter(|tenant| self.size.queue_of(*tenant) == queue);
            let times: Vec<f64> =
                of_queue.filter_map(|tenant| state.slot_time.get(tenant).map(Duration::as_secs_f64)).collect();
            let all: f64 = times.iter().sum();
            let mean = all / times.len() as f64;
            unfairness = times.iter().map(|time| (time / mean - 1.0).abs()).fold(unfairness, f64::max);
            let saturated = state.saturated.get(queue).copied().flatten().unwrap_or_default();
            in_use = in_use.min(all / (slots * saturated.as_secs_f64()));
        }
        let unended = state.functions.iter().filter(|(left, _)| *left > 0).count();
        let State { runs, repeated, most_at_once, over_limit, drained, slowest_drain, idle_mb, most_mb, .. } = *state;
        Tally {
            runs,
            repeated,
            unended,
            most_at_once,
            over_limit,
            drained,
            slowest_drain,
            unfairness,
            in_use,
            idle_mb,
            most_mb,
        }
    }
}

/// One that is given up for its worker's sake frees its place all the same.
struct Running<'a>(&'a Load, usize, Instant);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.end(self.1, self.2);
    }
}

impl Invoker for Load {
    fn resolve(&self, _: &str, _: u16) -> BoxFuture<'_, Result<Vec<std::net::SocketAddr>, Error>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Answer, Error>> {
        Box::pin(async move {
            let (Destination::Function { url, .. } | Destination::Callback { url, .. }) = invocation.destination;
            let function = url.host_str().unwrap().trim_start_matches('f').parse().unwrap();
            self.begin(function);
            let _running = Running(self, function, Instant::now());
            sleep(self.size.takes(function)).await;
            Ok(Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::new(), omitted: None })
        })
    }
}

/// What this process holds, where the system tells.
fn megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = status.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or_default();
    pages * 4096 / 1_000_000
}
