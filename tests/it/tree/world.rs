//! A tree with a scripted world around it: functions that answer as told, a broker whose doors can be shut.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::call::plan::message;
use actors::call::{Callbacks, Desk};
use actors::directory::Directory;
use actors::membership::{Member, Membership, Serves};
use actors::memory::{Memory, Settings as MemorySettings, SteadyClock};
use actors::parts::{Listener, Parts, Settings};
use actors::port::broker::{Backlog, Error as BrokerError, Message, Stored, Terms};
use actors::port::control::{Change, Key, Record};
use actors::port::invoker::{Answer, Destination, Error, Invocation};
use actors::port::presence::Sign;
use actors::port::{BoxFuture, BoxStream, Broker, Clock, Control, Delivery, Invoker, Lane, Lease, Presence};
use actors::tree::{self, Ending, Handle};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, StatusCode};
use proto::{Call, CallId, Dead, Function, FunctionSpec, LaneKey, Queue, Request, Timestamp};
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

pub(super) type Reply = Result<Said, Error>;

/// What a function answers.
pub(super) struct Said {
    status: StatusCode,
    headers: HeaderMap,
}

impl From<StatusCode> for Said {
    fn from(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new() }
    }
}

impl From<(StatusCode, HeaderMap)> for Said {
    fn from((status, headers): (StatusCode, HeaderMap)) -> Self {
        Self { status, headers }
    }
}

type Script = Box<dyn Fn(String, u32) -> BoxFuture<'static, Reply> + Send + Sync>;

/// Answers by script, and remembers what it was asked.
#[derive(Default)]
pub(super) struct Functions {
    scripts: Mutex<HashMap<String, Arc<Script>>>,
    asked: Mutex<Vec<(String, String, HeaderMap)>>,
    pub(super) running: AtomicUsize,
    /// What names resolve to.
    pub(super) addresses: Mutex<HashMap<String, Vec<IpAddr>>>,
}

pub(super) struct Running<'a>(pub(super) &'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Functions {
    /// `host` answers so to a call's id and attempt.
    pub(super) fn script<F>(&self, host: &str, script: impl Fn(String, u32) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let script: Script = Box::new(move |id, attempt| Box::pin(script(id, attempt)));
        self.scripts.lock().unwrap().insert(host.into(), Arc::new(script));
    }

    /// The ids that `host` was asked for, in order.
    pub(super) fn asked(&self, host: &str) -> Vec<String> {
        self.asked.lock().unwrap().iter().filter(|it| it.0 == host).map(|it| it.1.clone()).collect()
    }
}

impl Invoker for Functions {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'_, Result<Vec<SocketAddr>, Error>> {
        let addresses = self.addresses.lock().unwrap().get(host).cloned().unwrap_or_default();
        Box::pin(async move { Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()) })
    }

    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Answer, Error>> {
        let (Destination::Function { url, .. } | Destination::Callback(url)) = invocation.destination;
        let host = url.host_str().unwrap().to_owned();
        let text = |name: &str| invocation.headers[name].to_str().unwrap().to_owned();
        let (id, attempt) = (text("x-call-id"), text("x-attempt").parse().unwrap());
        self.asked.lock().unwrap().push((host.clone(), id.clone(), invocation.headers.clone()));
        let script = self.scripts.lock().unwrap().get(&host).cloned();
        self.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(&self.running);
        Box::pin(async move {
            let _running = running;
            let said = match script {
                Some(script) => tokio::time::timeout(invocation.timeout, script(id, attempt))
                    .await
                    .unwrap_or(Err(Error::TimedOut(invocation.timeout)))?,
                None => StatusCode::OK.into(),
            };
            Ok(Answer { status: said.status, headers: said.headers, body: Bytes::new(), omitted: None })
        })
    }
}

/// The in-memory broker, with doors that can be shut.
pub(super) struct Shutters {
    pub(super) memory: Memory,
    /// Lanes that cannot be opened.
    pub(super) refused: Mutex<Vec<Function>>,
    /// Whether leases can be neither extended nor settled.
    pub(super) deaf: Arc<AtomicBool>,
    /// How long the control plane takes to tell what is there.
    pub(super) unread_for: Duration,
}

impl Control for Shutters {
    fn watch(&self) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, BrokerError>>, BrokerError>> {
        Box::pin(async {
            sleep(self.unread_for).await;
            self.memory.watch().await
        })
    }
    fn put(&self, record: Record) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.memory.put(record)
    }
    fn delete(&self, key: &Key) -> BoxFuture<'_, Result<bool, BrokerError>> {
        self.memory.delete(key)
    }
}

/// A lane whose leases go by [`Shutters::deaf`].
struct ShutterLane(Arc<dyn Lane>, Arc<AtomicBool>);

impl Lane for ShutterLane {
    fn pull(&self, max: NonZeroU32, wait: Duration) -> BoxStream<'static, Result<Delivery, BrokerError>> {
        let deaf = self.1.clone();
        let shutter = move |mut delivery: Delivery| {
            delivery.lease = Arc::new(ShutterLease(delivery.lease.clone(), deaf.clone()));
            delivery
        };
        self.0.pull(max, wait).map_ok(shutter).boxed()
    }
    fn waiting(&self) -> BoxFuture<'_, Result<u64, BrokerError>> {
        self.0.waiting()
    }
    fn set_limit(&self, limit: Option<NonZeroU32>) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.0.set_limit(limit)
    }
}

struct ShutterLease(Arc<dyn Lease>, Arc<AtomicBool>);

impl ShutterLease {
    /// An in-memory lease acts when it is called: it is called only if it is heard.
    fn heard<'a>(
        &'a self,
        act: impl FnOnce(&'a dyn Lease) -> BoxFuture<'a, Result<(), BrokerError>>,
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        if self.1.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(BrokerError::Away("deaf".into()))));
        }
        act(&*self.0)
    }
}

impl Lease for ShutterLease {
    fn ack(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.heard(|lease| lease.ack())
    }
    fn extend(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.heard(|lease| lease.extend())
    }
    fn give_back(&self, delay: Option<Duration>) -> BoxFuture<'_, Result<(), BrokerError>> {
        // Over a network it takes a moment.
        Box::pin(async move {
            sleep(Duration::from_millis(10)).await;
            self.heard(|lease| lease.give_back(delay)).await
        })
    }
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
        let (lane, deaf) = (lane.clone(), self.deaf.clone());
        Box::pin(async move {
            let lane: Arc<dyn Lane> = Arc::new(ShutterLane(self.memory.lane(&lane, terms).await?, deaf));
            Ok(lane)
        })
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

impl Presence for Shutters {
    fn announce(&self, id: &str, member: &Member) -> BoxFuture<'_, Result<(), BrokerError>> {
        if self.deaf.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(BrokerError::Away("deaf".into()))));
        }
        self.memory.announce(id, member)
    }
    fn leave(&self, id: &str) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.memory.leave(id)
    }
    fn signs(&self) -> BoxFuture<'_, Result<BoxStream<'static, Sign>, BrokerError>> {
        self.memory.signs()
    }
}

pub(super) struct World {
    pub(super) broker: Arc<Shutters>,
    pub(super) functions: Arc<Functions>,
    clock: Arc<dyn Clock>,
    pub(super) tree: Handle,
    pub(super) ending: oneshot::Receiver<Ending>,
    posted: AtomicUsize,
}

impl World {
    pub(super) async fn new(grace: Duration) -> Self {
        Self::with(grace, 64, Vec::new()).await
    }

    pub(super) async fn with(grace: Duration, permits: u32, listeners: Vec<Listener>) -> Self {
        Self::unread(grace, permits, listeners, Duration::ZERO).await
    }

    /// One whose functions are not known for a while.
    pub(super) async fn unread(grace: Duration, permits: u32, listeners: Vec<Listener>, unread_for: Duration) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::default());
        let memory = Memory::new(MemorySettings::default(), clock.clone());
        let broker = Arc::new(Shutters { memory, refused: Mutex::default(), deaf: Arc::default(), unread_for });
        let functions = Arc::new(Functions::default());
        let directory = Arc::new(watch::Sender::new(Arc::new(Directory::default())));
        let membership = Arc::new(watch::Sender::new(Arc::new(Membership::default())));
        let desk = Arc::new(Desk {
            broker: broker.clone(),
            invoker: functions.clone(),
            clock: clock.clone(),
            directory: directory.subscribe(),
            membership: membership.subscribe(),
            rates: Arc::default(),
            callbacks: Callbacks::default(),
        });
        let parts = Parts {
            desk,
            control: broker.clone(),
            directory,
            presence: broker.clone(),
            id: "world".into(),
            gateway: false,
            membership,
            ready: Arc::new(watch::Sender::new(false)),
            listeners,
            serve: Serves::Everything,
        };
        let settings = Settings { max_inflight: permits, pre_stop: Duration::ZERO, grace, ..Settings::default() };
        let (tree, ending) = tree::start(parts, settings).await.unwrap();
        Self { broker, functions, clock, tree, ending, posted: AtomicUsize::new(0) }
    }

    /// A function `name` at `http://<name>/`.
    pub(super) async fn register(&self, name: &str, annotations: &[(&str, &str)]) {
        let function = Function::parse(name).unwrap();
        let mut deployment = FunctionSpec::at(&function, &format!("http://{name}")).unwrap().deployment;
        deployment.annotations.extend(annotations.iter().map(|&(name, value)| (name.into(), value.into())));
        self.broker.memory.put(Record::Function(function, Box::new(deployment))).await.unwrap();
        sleep(Duration::from_millis(10)).await;
    }

    pub(super) async fn post(&self, name: &str) -> String {
        let id = CallId::parse(&format!("c{}", self.posted.fetch_add(1, Ordering::SeqCst))).unwrap();
        let function = Function::parse(name).unwrap();
        let mut call = Call::new(id.clone(), function.clone(), self.clock.now(), Request::default());
        call.callback = Some("http://caller/done".into());
        self.broker.publish(message(LaneKey::new(Queue::default(), function), &call)).await.unwrap();
        id.to_string()
    }

    pub(super) async fn post_many(&self, name: &str, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.post(name).await);
        }
        ids
    }

    /// The status that each call's callback told, by id.
    pub(super) fn told(&self) -> HashMap<String, String> {
        let asked = self.functions.asked.lock().unwrap();
        let callbacks = asked.iter().filter(|it| it.0 == "caller");
        callbacks.map(|it| (it.1.clone(), it.2["x-function-status"].to_str().unwrap().to_owned())).collect()
    }

    /// So many calls have succeeded, and none ended otherwise.
    pub(super) fn assert_settled(&self, count: usize) {
        let told = self.told();
        assert_eq!((told.len(), told.values().filter(|status| *status == "200").count()), (count, count));
    }

    /// Nothing runs, nothing waits, every permit is home.
    pub(super) async fn assert_at_rest(&self) {
        let view = self.tree.view().await.unwrap();
        assert_eq!(view.permits, view.permits_free, "{view:?}");
        for queue in &view.queues {
            assert!(queue.subscribers.is_empty() && queue.children.is_empty(), "{queue:?}");
            let backlog = self.broker.backlog(&Queue::parse(&queue.name).unwrap()).await.unwrap();
            assert!(backlog.is_empty(), "{backlog:?}");
        }
        assert_eq!(self.functions.running.load(Ordering::SeqCst), 0);
    }
}
