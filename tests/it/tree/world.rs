//! A tree with a scripted world around it: functions that answer as told, a broker whose doors can be shut.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::call::plan::message;
use actors::call::recorder::Recorder;
use actors::call::{Callbacks, Desk};
use actors::cancel::Canceller;
use actors::directory::Directory;
use actors::luck::Luck;
use actors::membership::{Membership, Serves};
use actors::memory::{Memory, Settings as MemorySettings, SteadyClock};
use actors::parts::{Listener, Parts, Settings};
use actors::port::broker::Quotas;
use actors::port::control::{Expected, Record};
use actors::port::invoker::{Answer, Destination, Error, Invocation};
use actors::port::{BoxFuture, Broker, Clock, Control, Intake, Invoker, Records};
use actors::trace::Tracing;
use actors::tree::{self, Ending, Handle};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use proto::record::State;
use proto::upstream::Template;
use proto::{Call, CallId, Function, FunctionSpec, LaneKey, Queue, Request};
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use super::shutters::Shutters;

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
    patience: Mutex<HashMap<String, Vec<Duration>>>,
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

    /// How patient the calls of `host` were, in order.
    pub(super) fn patience(&self, host: &str) -> Vec<Duration> {
        self.patience.lock().unwrap().get(host).cloned().unwrap_or_default()
    }
}

impl Invoker for Functions {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'_, Result<Vec<SocketAddr>, Error>> {
        let addresses = self.addresses.lock().unwrap().get(host).cloned().unwrap_or_default();
        Box::pin(async move { Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()) })
    }

    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Answer, Error>> {
        let (Destination::Function { url, .. } | Destination::Callback { url, .. }) = invocation.destination;
        let host = url.host_str().unwrap().to_owned();
        let text = |name: &str| invocation.headers[name].to_str().unwrap().to_owned();
        let (id, attempt) = (text("x-call-id"), text("x-attempt").parse().unwrap());
        self.asked.lock().unwrap().push((host.clone(), id.clone(), invocation.headers.clone()));
        self.patience.lock().unwrap().entry(host.clone()).or_default().push(invocation.patience);
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

/// How a tree is started, and on what.
pub(super) struct Start {
    pub(super) grace: Duration,
    pub(super) permits: u32,
    pub(super) listeners: Vec<Listener>,
    /// How long the functions are not known.
    pub(super) unread_for: Duration,
    /// How many messages of one function may wait.
    pub(super) backlog: u64,
    /// Where functions answer that nobody registered.
    pub(super) template: Option<&'static str>,
    /// Where an OpenFaaS gateway leaves calls.
    pub(super) intakes: Vec<Arc<dyn Intake>>,
    /// The largest message.
    pub(super) payload_len_max: usize,
}

impl Default for Start {
    fn default() -> Self {
        let (grace, backlog) = (Duration::from_secs(60), Quotas::default().function);
        Self {
            grace,
            permits: 64,
            listeners: Vec::new(),
            unread_for: Duration::ZERO,
            backlog,
            template: None,
            intakes: Vec::new(),
            payload_len_max: MemorySettings::default().payload_len_max,
        }
    }
}

impl Start {
    async fn on(
        &self,
        id: &str,
        broker: &Arc<Shutters>,
        functions: &Arc<Functions>,
        clock: &Arc<dyn Clock>,
        recorder: &Recorder,
    ) -> (Handle, oneshot::Receiver<Ending>) {
        let template = self.template.map(|text| Template::parse(text).unwrap());
        let directory = Arc::new(watch::Sender::new(Arc::new(Directory::with_template(template))));
        let membership = Arc::new(watch::Sender::new(Arc::new(Membership::default())));
        let desk = Arc::new(Desk {
            broker: broker.clone(),
            invoker: functions.clone(),
            clock: clock.clone(),
            directory: directory.subscribe(),
            membership: membership.subscribe(),
            rates: Arc::default(),
            luck: Luck::default(),
            tracing: Tracing::default(),
            recorder: recorder.clone(),
            marks: Arc::default(),
            meter: Arc::default(),
            callbacks: Callbacks::default(),
        });
        let parts = Parts {
            desk,
            control: broker.clone(),
            directory,
            presence: broker.clone(),
            id: id.into(),
            gateway: false,
            membership,
            ready: Arc::new(watch::Sender::new(false)),
            listeners: self.listeners.clone(),
            intakes: self.intakes.clone(),
            serve: Serves::Everything,
        };
        let settings = Settings {
            max_inflight: self.permits,
            pre_stop: Duration::ZERO,
            grace: Some(self.grace),
            ..Settings::default()
        };
        tree::start(parts, settings).await.unwrap()
    }
}

pub(super) struct World {
    pub(super) broker: Arc<Shutters>,
    pub(super) functions: Arc<Functions>,
    pub(super) clock: Arc<dyn Clock>,
    recorder: Recorder,
    pub(super) tree: Handle,
    pub(super) ending: oneshot::Receiver<Ending>,
    start: Start,
    posted: AtomicUsize,
}

impl World {
    pub(super) async fn new(grace: Duration) -> Self {
        Self::with(grace, 64, Vec::new()).await
    }

    pub(super) async fn with(grace: Duration, permits: u32, listeners: Vec<Listener>) -> Self {
        Self::of(Start { grace, permits, listeners, ..Start::default() }).await
    }

    pub(super) async fn of(start: Start) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::default());
        let quotas = Quotas { function: start.backlog, ..Quotas::default() };
        let memory = Memory::new(MemorySettings { quotas, payload_len_max: start.payload_len_max }, clock.clone());
        let broker = Arc::new(Shutters::new(memory, start.unread_for));
        let functions = Arc::new(Functions::default());
        let recorder = Recorder::new(broker.clone(), Duration::from_secs(3600));
        let (tree, ending) = start.on("world", &broker, &functions, &clock, &recorder).await;
        Self { broker, functions, clock, recorder, tree, ending, start, posted: AtomicUsize::new(0) }
    }

    /// Another worker on the same broker, after the first has ended.
    pub(super) async fn start_again(&mut self) {
        (self.tree, self.ending) =
            self.start.on("world", &self.broker, &self.functions, &self.clock, &self.recorder).await;
    }

    /// Another worker on the same broker, beside the first.
    pub(super) async fn start_beside(&self, permits: u32) -> Handle {
        let start = Start { permits, ..Start::default() };
        start.on("beside", &self.broker, &self.functions, &self.clock, &self.recorder).await.0
    }

    /// A function `name` at `http://<name>/`.
    pub(super) async fn register(&self, name: &str, annotations: &[(&str, &str)]) {
        let function = Function::parse(name).unwrap();
        let mut deployment = FunctionSpec::at(&function, &format!("http://{name}")).unwrap().deployment.open();
        deployment.annotations.extend(annotations.iter().map(|&(name, value)| (name.into(), value.into())));
        self.broker.memory.put(Record::Function(function, Box::new(deployment)), Expected::Whatever).await.unwrap();
        sleep(Duration::from_millis(10)).await;
    }

    pub(super) async fn post(&self, name: &str) -> String {
        self.post_with(name, |_| ()).await
    }

    /// A call that is not like the others; told as a gateway would tell it.
    pub(super) async fn post_with(&self, name: &str, change: impl FnOnce(&mut Call)) -> String {
        let id = CallId::parse(&format!("c{}", self.posted.fetch_add(1, Ordering::SeqCst))).unwrap();
        let function = Function::parse(name).unwrap();
        let mut call = Call::new(id.clone(), function.clone(), self.clock.now(), Request::default());
        call.callback = Some("http://caller/done".into());
        change(&mut call);
        let lane = LaneKey::new(Queue::default(), function);
        let stored = self.broker.publish(message(lane.clone(), &call)).await.unwrap();
        let ready = proto::Record::of(&call, &lane, State::Ready, call.accepted_at);
        self.recorder.note(&proto::Record { place: stored.place(), ..ready }, 0).await;
        id.to_string()
    }

    /// What is on record of a call.
    pub(super) async fn record(&self, id: &str) -> proto::Record {
        self.broker.record(&CallId::parse(id).unwrap()).await.unwrap().unwrap().record
    }

    /// What cancels calls, as a gateway would.
    pub(super) fn canceller(&self) -> Canceller {
        let (broker, clock, recorder) = (self.broker.clone(), self.clock.clone(), self.recorder.clone());
        Canceller { broker, clock, recorder }
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
        let view = self.tree.view(None).await.unwrap();
        assert_eq!(view.permits, view.permits_free, "{view:?}");
        for queue in &view.queues {
            assert!(queue.subscribers.is_empty() && queue.children.is_empty(), "{queue:?}");
            let backlog = self.broker.backlog(&Queue::parse(&queue.name).unwrap()).await.unwrap();
            assert!(backlog.is_empty(), "{backlog:?}");
        }
        assert_eq!(self.functions.running.load(Ordering::SeqCst), 0);
    }
}
