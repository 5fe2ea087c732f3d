//! The workers, and those who keep them busy.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actors::call::plan::message;
use actors::call::recorder::Recorder;
use actors::call::{Callbacks, Desk};
use actors::directory::Directory;
use actors::luck::Luck;
use actors::membership::{Member, Membership, Serves};
use actors::memory::{Memory, Settings as MemorySettings, SteadyClock};
use actors::parts::{Parts, Settings};
use actors::port::broker::{Error, Quotas};
use actors::port::control::{self, Change, Changes, Expected, Key, Record};
use actors::port::presence::Sign;
use actors::port::{BoxFuture, BoxStream, Broker, Clock, Control, Presence};
use actors::trace::Tracing;
use actors::tree::{self, Ending, Handle};
use futures_util::{StreamExt, stream};
use proto::{Call, CallId, FunctionSpec, Request};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::Size;
use super::load::{Load, queue};

/// How long calls in flight may take to finish in a drain: no call takes longer.
pub(crate) const GRACE: Duration = Duration::from_secs(3);

/// What all workers share.
struct Crowd {
    size: Size,
    memory: Memory,
    clock: Arc<SteadyClock>,
    load: Arc<Load>,
    functions: watch::Sender<Arc<Directory>>,
}

/// Runs all calls; what was seen of them.
pub(crate) async fn live(size: Size) -> Arc<Load> {
    let (tell, next) = mpsc::unbounded_channel();
    let load = Arc::new(Load::new(size, tell));
    let clock = Arc::new(SteadyClock::default());
    let quotas = Quotas { queue: u64::MAX, function: u64::MAX };
    let memory = Memory::new(MemorySettings { quotas, ..MemorySettings::default() }, clock.clone());
    let functions = watch::Sender::new(Arc::new(directory(size)));
    let crowd = Arc::new(Crowd { size, memory, clock, load: load.clone(), functions });
    let mut workers = Vec::new();
    for number in 0..size.workers {
        workers.push((number, crowd.start(number).await));
    }
    sleep(Duration::from_secs(1)).await;
    load.idle();
    let mut tasks = JoinSet::new();
    let feeder = crowd.clone();
    tasks.spawn(async move { feeder.feed(next).await });
    crowd.go_and_come(workers).await;
    while load.runs() < size.calls() as u64 || !crowd.is_empty().await {
        sleep(Duration::from_secs(5)).await;
    }
    load
}

/// Every function, known to all.
fn directory(size: Size) -> Directory {
    let mut directory = Directory::default();
    directory.current = true;
    for function in 0..size.functions {
        let lane = size.lane(function);
        let mut deployment =
            FunctionSpec::at(&lane.function, &format!("http://f{function}")).unwrap().deployment.open();
        let annotations =
            [("com.openfaas.queue", lane.queue.to_string()), ("fabric.concurrency", size.limit().to_string())];
        deployment.annotations.extend(annotations.map(|(name, value)| (name.to_owned(), value)));
        directory.insert(Arc::new(FunctionSpec::compile(deployment).unwrap()));
    }
    directory
}

type Worker = (Handle, oneshot::Receiver<Ending>);

impl Crowd {
    async fn start(&self, number: usize) -> Worker {
        let membership = Arc::new(watch::Sender::new(Arc::new(Membership::default())));
        let broker: Arc<dyn Broker> = Arc::new(self.memory.clone());
        let desk = Arc::new(Desk {
            broker: broker.clone(),
            invoker: self.load.clone(),
            clock: self.clock.clone(),
            directory: self.functions.subscribe(),
            membership: membership.subscribe(),
            rates: Arc::default(),
            luck: Luck::of(number as u64),
            tracing: Tracing::default(),
            recorder: Recorder::new(broker, Duration::ZERO),
            marks: Arc::default(),
            meter: Arc::default(),
            callbacks: Callbacks::default(),
        });
        let parts = Parts {
            desk,
            control: Arc::new(Settled),
            directory: Arc::default(),
            presence: Arc::new(Settled),
            id: format!("w{number}"),
            gateway: false,
            membership,
            ready: Arc::new(watch::Sender::new(false)),
            listeners: Vec::new(),
            intakes: Vec::new(),
            serve: Serves::Queues(BTreeSet::from([queue(number % self.size.queues)])),
        };
        let max_inflight = u32::try_from(self.size.permits).unwrap();
        let settings = Settings { max_inflight, pre_stop: Duration::ZERO, grace: Some(GRACE), ..Settings::default() };
        tree::start(parts, settings).await.unwrap()
    }

    /// Makes the calls of some functions of each tenant, and of another one whenever one is through.
    async fn feed(&self, mut next: mpsc::UnboundedReceiver<usize>) {
        let mut begun = vec![0; self.size.tenants];
        for tenant in 0..self.size.tenants {
            for _ in 0..self.size.active_each() {
                self.call_next(tenant, &mut begun).await;
            }
        }
        while let Some(tenant) = next.recv().await {
            self.call_next(tenant, &mut begun).await;
        }
    }

    async fn call_next(&self, tenant: usize, begun: &mut [usize]) {
        let nth = begun.get_mut(tenant).unwrap();
        let function = *nth * self.size.tenants + tenant;
        if function >= self.size.functions {
            return self.load.ran_dry(tenant);
        }
        *nth += 1;
        let lane = self.size.lane(function);
        for call in 0..self.size.calls_each {
            let id = CallId::parse(&format!("c{function}-{call}")).unwrap();
            let call = Call::new(id, lane.function.clone(), self.clock.now(), Request::default());
            self.memory.publish(message(lane.clone(), &call)).await.unwrap();
        }
    }

    /// One worker after the other goes, and another comes in its place.
    async fn go_and_come(&self, mut workers: Vec<(usize, Worker)>) {
        for (started, drain) in (self.size.workers..).zip(0..self.size.drains) {
            let share = (drain + 1) * self.size.calls() / (self.size.drains + 2);
            while self.load.runs() < share as u64 {
                sleep(Duration::from_millis(500)).await;
            }
            let (number, (tree, ending)) = workers.remove(drain * 7 % workers.len());
            // In the queue that the other leaves.
            let successor = started * self.size.queues + number % self.size.queues;
            workers.push((successor, self.start(successor).await));
            let began = Instant::now();
            tree.drain();
            assert_eq!(ending.await, Ok(Ending::Drained));
            self.load.drained(began.elapsed());
        }
    }

    async fn is_empty(&self) -> bool {
        for number in 0..self.size.queues {
            if !self.memory.backlog(&queue(number)).await.unwrap().is_empty() {
                return false;
            }
        }
        true
    }
}

/// A control plane that has told everything, and a presence in which nobody says anything.
struct Settled;

impl Control for Settled {
    fn watch(&self) -> BoxFuture<'_, Result<Changes, Error>> {
        let told = stream::iter([Ok(Change::Current)]).chain(stream::pending()).boxed();
        Box::pin(std::future::ready(Ok(told)))
    }

    fn get(&self, _: &Key) -> BoxFuture<'_, Result<Option<(Record, u64)>, actors::port::control::Error>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn put(&self, _: Record, _: Expected) -> BoxFuture<'_, Result<u64, control::Error>> {
        Box::pin(std::future::ready(Ok(1)))
    }

    fn delete(&self, _: &Key, _: Expected) -> BoxFuture<'_, Result<bool, control::Error>> {
        Box::pin(std::future::ready(Ok(false)))
    }
}

impl Presence for Settled {
    fn announce(&self, _: &str, _: &Member) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn leave(&self, _: &str) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn signs(&self) -> BoxFuture<'_, Result<BoxStream<'static, Sign>, Error>> {
        Box::pin(std::future::ready(Ok(stream::pending().boxed())))
    }
}
