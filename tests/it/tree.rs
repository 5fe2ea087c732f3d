//! The supervision tree on the in-memory broker under a paused clock: hours pass in milliseconds, always alike.

use std::collections::HashMap;
use std::future::pending;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::call::plan::message;
use actors::call::{Callbacks, Desk};
use actors::directory::Directory;
use actors::memory::{Memory, Settings as MemorySettings, SteadyClock};
use actors::parts::{Listener, Parts, QueueSettings, Serve, Settings};
use actors::port::broker::{Backlog, Error as BrokerError, Message, Stored, Terms};
use actors::port::invoker::{Answer, Destination, Error, Invocation};
use actors::port::{BoxFuture, BoxStream, Broker, Clock, Control, Invoker, Lane};
use actors::tree::{self, Ending, Handle};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use proto::{Call, CallId, Dead, Function, FunctionSpec, LaneKey, Queue, Request, Timestamp};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep};

type Reply = Result<StatusCode, Error>;
type Script = Box<dyn Fn(String, u32) -> BoxFuture<'static, Reply> + Send + Sync>;

/// Answers by script, and remembers what it was asked.
#[derive(Default)]
struct Functions {
    scripts: Mutex<HashMap<String, Arc<Script>>>,
    asked: Mutex<Vec<(String, String, HeaderMap)>>,
    running: AtomicUsize,
}

struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Functions {
    /// `host` answers so to a call's id and attempt.
    fn script<F>(&self, host: &str, script: impl Fn(String, u32) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let script: Script = Box::new(move |id, attempt| Box::pin(script(id, attempt)));
        self.scripts.lock().unwrap().insert(host.into(), Arc::new(script));
    }

    /// The ids that `host` was asked for, in order.
    fn asked(&self, host: &str) -> Vec<String> {
        self.asked.lock().unwrap().iter().filter(|it| it.0 == host).map(|it| it.1.clone()).collect()
    }
}

impl Invoker for Functions {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Answer, Error>> {
        let (Destination::Function(url) | Destination::Callback(url)) = invocation.destination;
        let host = url.host_str().unwrap().to_owned();
        let text = |name: &str| invocation.headers[name].to_str().unwrap().to_owned();
        let (id, attempt) = (text("x-call-id"), text("x-attempt").parse().unwrap());
        self.asked.lock().unwrap().push((host.clone(), id.clone(), invocation.headers.clone()));
        let script = self.scripts.lock().unwrap().get(&host).cloned();
        self.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(&self.running);
        Box::pin(async move {
            let _running = running;
            let status = match script {
                Some(script) => tokio::time::timeout(invocation.timeout, script(id, attempt))
                    .await
                    .unwrap_or(Err(Error::TimedOut(invocation.timeout)))?,
                None => StatusCode::OK,
            };
            Ok(Answer { status, headers: HeaderMap::new(), body: Bytes::new(), omitted: None })
        })
    }
}

/// The in-memory broker, with doors that can be shut.
struct Shutters {
    memory: Memory,
    /// Lanes that cannot be opened.
    refused: Mutex<Vec<Function>>,
}

impl Broker for Shutters {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<Stored, BrokerError>> {
        self.memory.publish(message)
    }
    fn schedule(&self, message: Message, call: &CallId, due: Timestamp) -> BoxFuture<'_, Result<Stored, BrokerError>> {
        self.memory.schedule(message, call, due)
    }
    fn bury(&self, dead: Dead, id: String, call: Option<&CallId>) -> BoxFuture<'_, Result<Stored, BrokerError>> {
        self.memory.bury(dead, id, call)
    }
    fn lane(&self, lane: &LaneKey, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, BrokerError>> {
        if self.refused.lock().unwrap().contains(&lane.function) {
            return Box::pin(std::future::ready(Err(BrokerError::Refused("the lane is shut".into()))));
        }
        self.memory.lane(lane, terms)
    }
    fn due(&self, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, BrokerError>> {
        self.memory.due(terms)
    }
    fn backlog(&self, queue: &Queue) -> BoxFuture<'_, Result<Vec<Backlog>, BrokerError>> {
        self.memory.backlog(queue)
    }
    fn wakes(&self, queue: &Queue) -> BoxFuture<'_, Result<BoxStream<'static, Function>, BrokerError>> {
        self.memory.wakes(queue)
    }
    fn dead_count(&self) -> BoxFuture<'_, Result<u64, BrokerError>> {
        self.memory.dead_count()
    }
    fn payload_len_max(&self) -> usize {
        self.memory.payload_len_max()
    }
}

struct World {
    broker: Arc<Shutters>,
    functions: Arc<Functions>,
    clock: Arc<dyn Clock>,
    tree: Handle,
    ending: oneshot::Receiver<Ending>,
    posted: AtomicUsize,
}

impl World {
    async fn new(grace: Duration) -> Self {
        Self::with(grace, 64, Vec::new()).await
    }

    async fn with(grace: Duration, permits: u32, listeners: Vec<Listener>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::default());
        let memory = Memory::new(MemorySettings::default(), clock.clone());
        let broker = Arc::new(Shutters { memory, refused: Mutex::default() });
        let functions = Arc::new(Functions::default());
        let directory = Arc::new(watch::Sender::new(Arc::new(Directory::default())));
        let desk = Arc::new(Desk {
            broker: broker.clone(),
            invoker: functions.clone(),
            clock: clock.clone(),
            directory: directory.subscribe(),
            callbacks: Callbacks::default(),
            rotation: AtomicUsize::new(0),
        });
        let parts = Parts {
            desk,
            control: Arc::new(broker.memory.clone()),
            directory,
            ready: Arc::new(watch::Sender::new(false)),
            listeners,
            serve: Serve::Everything,
        };
        let queue = QueueSettings { permits, ..QueueSettings::default() };
        let (tree, ending) = tree::start(parts, Settings { queue, pre_stop: Duration::ZERO, grace }).await.unwrap();
        Self { broker, functions, clock, tree, ending, posted: AtomicUsize::new(0) }
    }

    /// A function `name` at `http://<name>/`.
    async fn register(&self, name: &str, annotations: &[(&str, &str)]) {
        let function = Function::parse(name).unwrap();
        let mut deployment = FunctionSpec::at(&function, &format!("http://{name}")).unwrap().deployment;
        deployment.annotations.extend(annotations.iter().map(|&(name, value)| (name.into(), value.into())));
        self.broker.memory.put(&function, deployment).await.unwrap();
        sleep(Duration::from_millis(10)).await;
    }

    async fn post(&self, name: &str) -> String {
        let id = CallId::parse(&format!("c{}", self.posted.fetch_add(1, Ordering::SeqCst))).unwrap();
        let function = Function::parse(name).unwrap();
        let mut call = Call::new(id.clone(), function.clone(), self.clock.now(), Request::default());
        call.callback = Some("http://caller/done".into());
        self.broker.publish(message(LaneKey::new(Queue::default(), function), &call)).await.unwrap();
        id.to_string()
    }

    async fn post_many(&self, name: &str, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.post(name).await);
        }
        ids
    }

    /// The status that each call's callback told, by id.
    fn told(&self) -> HashMap<String, String> {
        let asked = self.functions.asked.lock().unwrap();
        let callbacks = asked.iter().filter(|it| it.0 == "caller");
        callbacks.map(|it| (it.1.clone(), it.2["x-function-status"].to_str().unwrap().to_owned())).collect()
    }

    /// Nothing runs, nothing waits, every permit is home.
    async fn assert_at_rest(&self) {
        let view = self.tree.view().await.unwrap();
        for queue in &view.queues {
            assert_eq!(queue.permits, queue.permits_free, "{queue:?}");
            assert!(queue.subscribers.is_empty() && queue.children.is_empty(), "{queue:?}");
            let backlog = self.broker.backlog(&Queue::parse(&queue.name).unwrap()).await.unwrap();
            assert!(backlog.is_empty(), "{backlog:?}");
        }
        assert_eq!(self.functions.running.load(Ordering::SeqCst), 0);
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn calls_run_once_are_called_back_and_everything_comes_to_rest() {
    let world = World::new(MINUTE).await;
    for name in ["a", "b", "c"] {
        world.register(name, &[]).await;
        world.post_many(name, 100).await;
    }
    sleep(MINUTE).await;
    for name in ["a", "b", "c"] {
        assert_eq!(world.functions.asked(name).len(), 100);
    }
    assert_eq!(world.told().len(), 300);
    world.assert_at_rest().await;
    // A lane that came to rest wakes again.
    world.post("a").await;
    sleep(MINUTE).await;
    assert_eq!(world.functions.asked("a").len(), 101);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_outlives_a_hundred_leases_runs_once() {
    let world = World::new(MINUTE).await;
    world.register("long", &[("fabric.timeout", "1h"), ("fabric.concurrency", "1")]).await;
    world.functions.script("long", async |_, _| {
        sleep(Duration::from_secs(1000)).await;
        Ok(StatusCode::OK)
    });
    world.post_many("long", 2).await;
    sleep(Duration::from_secs(2100)).await;
    assert_eq!(world.functions.asked("long"), ["c0", "c1"]);
    assert_eq!(world.told().len(), 2);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_failing_function_is_retried_until_its_attempts_are_used_up() {
    let world = World::new(MINUTE).await;
    world.register("down", &[("com.openfaas.retry.attempts", "4")]).await;
    world.functions.script("down", async |_, _| Ok(StatusCode::INTERNAL_SERVER_ERROR));
    world.register("recovers", &[]).await;
    world.functions.script("recovers", async |_, attempt| {
        Ok(if attempt < 3 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK })
    });
    let (dead, well) = (world.post("down").await, world.post("recovers").await);
    sleep(5 * MINUTE).await;
    assert_eq!(world.functions.asked("down").len(), 4);
    assert_eq!(world.functions.asked("recovers").len(), 3);
    assert_eq!(world.told(), HashMap::from([(dead, "500".into()), (well, "200".into())]));
    assert_eq!(world.broker.dead_count().await.unwrap(), 1);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn being_busy_costs_no_attempt() {
    let world = World::new(MINUTE).await;
    world.register("away", &[("com.openfaas.retry.attempts", "1"), ("com.openfaas.retry.max_wait", "5s")]).await;
    let tries = Arc::new(AtomicUsize::new(0));
    world.functions.script("away", move |_, attempt| {
        let first = tries.fetch_add(1, Ordering::SeqCst) < 20;
        async move {
            assert_eq!(attempt, 1);
            if first { Err(Error::Refused("away:80".into())) } else { Ok(StatusCode::OK) }
        }
    });
    let id = world.post("away").await;
    sleep(5 * MINUTE).await;
    assert_eq!(world.told(), HashMap::from([(id, "200".into())]));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_call_are_dead_and_hold_nobody_up() {
    let world = World::new(MINUTE).await;
    world.register("a", &[]).await;
    let lane = LaneKey::new(Queue::default(), Function::parse("a").unwrap());
    world.broker.publish(Message { lane, id: "noise".into(), payload: "noise".into() }).await.unwrap();
    world.post("a").await;
    sleep(MINUTE).await;
    assert_eq!((world.functions.asked("a").len(), world.broker.dead_count().await.unwrap()), (1, 1));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_call_is_that_calls_alone() {
    let world = World::new(MINUTE).await;
    world.register("bug", &[]).await;
    let panicked = Arc::new(AtomicUsize::new(0));
    let counter = panicked.clone();
    world.functions.script("bug", move |id, _| {
        let first = id == "c3" && counter.fetch_add(1, Ordering::SeqCst) < 2;
        async move {
            assert!(!first, "as a bug would");
            sleep(Duration::from_secs(5)).await;
            Ok(StatusCode::OK)
        }
    });
    world.post_many("bug", 10).await;
    sleep(MINUTE).await;
    assert_eq!(panicked.load(Ordering::SeqCst), 3);
    assert_eq!((world.functions.asked("bug").len(), world.told().len()), (12, 10), "only the one ran again");
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_cannot_be_opened_parks_and_its_neighbours_do_not_notice() {
    let world = World::new(MINUTE).await;
    world.register("shut", &[]).await;
    world.register("open", &[]).await;
    world.broker.refused.lock().unwrap().push(Function::parse("shut").unwrap());
    world.post("shut").await;
    sleep(Duration::from_secs(20)).await;
    let view = world.tree.view().await.unwrap();
    let queue = view.queues.iter().find(|queue| queue.name == "default").unwrap();
    assert_eq!(queue.children.iter().map(|child| child.state).collect::<Vec<_>>(), ["parked"], "{queue:?}");
    assert!(queue.children[0].cause.as_ref().unwrap().contains("the lane is shut"));
    world.post_many("open", 10).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.functions.asked("open").len(), 10);
    world.broker.refused.lock().unwrap().clear();
    sleep(2 * MINUTE).await;
    assert_eq!(world.functions.asked("shut").len(), 1, "it is tried again by itself");
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_stuck_function_leaves_room_for_another_at_once() {
    let world = World::with(MINUTE, 16, Vec::new()).await;
    for name in ["stuck", "quick"] {
        world.register(name, &[("fabric.timeout", "1h")]).await;
    }
    world.functions.script("stuck", async |_, _| pending().await);
    world.post_many("stuck", 1000).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.functions.asked("stuck").len(), 14, "two of sixteen permits are kept for others");
    for n in 1..=20 {
        world.post("quick").await;
        sleep(Duration::from_millis(1)).await;
        assert_eq!(world.functions.asked("quick").len(), n);
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_changed_while_calls_run_holds_within_a_beat() {
    let world = World::new(MINUTE).await;
    world.register("a", &[("fabric.concurrency", "2")]).await;
    world.functions.script("a", async |_, _| {
        sleep(Duration::from_secs(30)).await;
        Ok(StatusCode::OK)
    });
    world.post_many("a", 50).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.functions.running.load(Ordering::SeqCst), 2);
    world.register("a", &[("fabric.concurrency", "10")]).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.functions.running.load(Ordering::SeqCst), 10);
    assert_eq!(world.functions.asked("a").len(), 10, "none was interrupted");
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_long_calls_finish() {
    let mut world = World::new(10 * MINUTE).await;
    world.register("long", &[("fabric.timeout", "1h")]).await;
    world.functions.script("long", async |_, _| {
        sleep(Duration::from_secs(90)).await;
        Ok(StatusCode::OK)
    });
    world.post_many("long", 10).await;
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    world.tree.drain();
    assert_eq!((&mut world.ending).await, Ok(Ending::Drained));
    assert_eq!(start.elapsed().as_secs(), 89);
    assert_eq!(world.functions.asked("long").len(), 10);
    assert!(world.broker.backlog(&Queue::default()).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_what_runs_is_given_back_at_once() {
    let mut world = World::new(Duration::from_secs(5)).await;
    world.register("long", &[("fabric.timeout", "1h")]).await;
    world.functions.script("long", async |_, _| pending().await);
    world.post_many("long", 10).await;
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    world.tree.drain();
    assert_eq!((&mut world.ending).await, Ok(Ending::Drained));
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(world.functions.running.load(Ordering::SeqCst), 0);
    let lane = LaneKey::new(Queue::default(), Function::parse("long").unwrap());
    let lane = world.broker.lane(&lane, Terms::default()).await.unwrap();
    let given_back: Vec<_> =
        futures_util::TryStreamExt::try_collect::<Vec<_>>(lane.pull(NonZeroU32::new(99).unwrap(), Duration::ZERO))
            .await
            .unwrap();
    assert_eq!(given_back.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_does_not_wait() {
    let mut world = World::new(60 * MINUTE).await;
    world.register("long", &[("fabric.timeout", "1h")]).await;
    world.functions.script("long", async |_, _| pending().await);
    world.post("long").await;
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    world.tree.drain();
    sleep(Duration::from_secs(3)).await;
    world.tree.drain();
    assert_eq!((&mut world.ending).await, Ok(Ending::Drained));
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_part_that_keeps_failing_ends_the_process_with_its_cause() {
    let broken = Listener {
        name: "broken",
        run: Arc::new(|_| Box::pin(std::future::ready(Err("no such port".into())))),
        until_last: false,
    };
    let mut world = World::with(MINUTE, 64, vec![broken]).await;
    let ending = (&mut world.ending).await;
    assert_eq!(ending, Ok(Ending::Failed("listener broken failed: no such port".into())));
}
