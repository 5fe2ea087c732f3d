//! A world: workers on one broker, callers, and what goes wrong between them.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::call::recorder::Recorder;
use actors::call::{Callbacks, Desk};
use actors::directory::Directory;
use actors::luck::Luck;
use actors::membership::{Membership, Serves};
use actors::memory::{Memory, Settings as MemorySettings, SteadyClock};
use actors::parts::{Parts, Settings};
use actors::port::control::Expected;
use actors::port::{Clock, Control};
use actors::trace::Tracing;
use actors::tree::{self, Ending, Handle};
use proto::{Function, FunctionSpec, Timestamp, retry};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::callers::Callers;
use crate::faults::Fault;
use crate::functions::{Functions, RECEIVER, Reach};
use crate::ledger::{Event, Ledger};
use crate::plan::Plan;
use crate::ports::Remote;
use crate::wire::{Weather, Wire};

/// How long a world may last: longer means that something hangs.
const LASTS: Duration = Duration::from_secs(30 * 60);
/// How long a record is kept: longer than any world lasts.
pub(crate) const RECORDS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// After this with nothing to do every part of a worker is at rest, and no trouble lasts longer.
const AT_REST: Duration = Duration::from_secs(75);

/// A time of day that may jump.
struct Jumpy {
    steady: SteadyClock,
    off_by: AtomicI64,
}

impl Clock for Jumpy {
    fn now(&self) -> Timestamp {
        let off_by = self.off_by.load(Ordering::SeqCst);
        Timestamp::from_unix_nanos(self.steady.now().unix_nanos() + off_by * 1_000_000)
    }
}

struct Worker {
    wire: Arc<Wire>,
    clock: Arc<Jumpy>,
    tree: Handle,
    /// Turns true when it has ended.
    ended: watch::Receiver<bool>,
}

/// Everything there is.
pub(crate) struct World {
    plan: Arc<Plan>,
    memory: Memory,
    clock: SteadyClock,
    ledger: Arc<Ledger>,
    functions: Arc<Functions>,
    callers: Arc<Callers>,
    /// Those that are up and were not told to go.
    workers: Mutex<Vec<Worker>>,
    started: Mutex<usize>,
    /// How many were killed and are to be up again.
    away: AtomicUsize,
    /// What goes on by itself.
    tasks: Mutex<JoinSet<()>>,
}

/// Lives through a plan, until all calls have ended or an invariant is broken.
pub(crate) async fn live(plan: Plan, loud: bool) -> Arc<Ledger> {
    let world = Arc::new(World::new(plan, loud));
    let ledger = world.ledger.clone();
    tokio::select! {
        biased;
        () = ledger.alarm.notified() => {}
        over = timeout(LASTS, world.history()) => match over {
            Ok(()) => ledger.close(),
            Err(_) => ledger.accuse("every call ends", world.callers.unfinished().await),
        },
    }
    ledger
}

impl World {
    fn new(plan: Plan, loud: bool) -> Self {
        let plan = Arc::new(plan);
        let clock = SteadyClock::default();
        let memory = Memory::new(MemorySettings::default(), Arc::new(clock));
        let ledger = Arc::new(Ledger::new(&plan, loud));
        let functions = Arc::new(Functions::new(plan.clone()));
        let callers = Arc::new(Callers::new(functions.clone(), memory.clone(), clock, ledger.clone()));
        let (workers, started, tasks) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { plan, memory, clock, ledger, functions, callers, workers, started, away: AtomicUsize::new(0), tasks }
    }

    async fn history(self: &Arc<Self>) {
        for function in &self.plan.functions {
            self.memory.put((&spec(function)).into(), Expected::Whatever).await.unwrap();
        }
        for _ in 0..self.plan.workers {
            self.start().await;
        }
        let began = Instant::now();
        let (mut calls, mut faults) =
            (self.plan.calls.iter().enumerate().peekable(), self.plan.faults.iter().peekable());
        loop {
            let call_at = calls.peek().map(|(_, (at, _))| *at);
            let fault_at = faults.peek().map(|(at, _)| *at);
            let Some(at) = call_at.into_iter().chain(fault_at).min() else { break };
            sleep_until(began + at).await;
            if fault_at == Some(at)
                && let Some((_, fault)) = faults.next()
            {
                self.go_wrong(*fault).await;
            } else if let Some((index, (_, call))) = calls.next() {
                let (callers, index) = (self.callers.clone(), u32::try_from(index).unwrap());
                callers.call(index, *call).await;
                if let Some(after) = call.cancel {
                    self.spawn(async move {
                        sleep(after).await;
                        callers.cancel(index).await;
                    });
                }
            }
        }
        self.settle().await;
    }

    /// Nothing goes wrong any more: everything ends, and every part comes to rest.
    async fn settle(self: &Arc<Self>) {
        while self.away.load(Ordering::SeqCst) > 0 || !self.callers.all_ended().await {
            sleep(Duration::from_millis(500)).await;
        }
        sleep(AT_REST).await;
        let trees: Vec<Handle> = self.workers.lock().unwrap().iter().map(|worker| worker.tree.clone()).collect();
        for tree in trees {
            let view = tree.view(None).await;
            let home = view.as_ref().is_some_and(|view| view.permits == view.permits_free);
            let idle = view.as_ref().is_some_and(|view| view.queues.iter().all(|queue| queue.subscribers.is_empty()));
            if !home || !idle {
                self.ledger.accuse("every permit comes home", format!("{view:?}"));
            }
        }
        let workers = std::mem::take(&mut *self.workers.lock().unwrap());
        for mut worker in workers {
            self.tell_to_go(&worker, self.plan.grace);
            drop(worker.ended.wait_for(|ended| *ended).await);
        }
        self.callers.testify().await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().unwrap().spawn(task);
    }

    fn after(self: &Arc<Self>, delay: Duration, act: impl FnOnce(&Self) + Send + 'static) {
        let world = self.clone();
        self.spawn(async move {
            sleep(delay).await;
            act(&world);
        });
    }

    /// A worker starts.
    async fn start(self: &Arc<Self>) {
        let number = {
            let mut started = self.started.lock().unwrap();
            *started += 1;
            *started - 1
        };
        let wire = Arc::new(Wire::new(number, self.memory.clone(), self.ledger.clone(), self.plan.clone()));
        let clock = Arc::new(Jumpy { steady: self.clock, off_by: AtomicI64::new(0) });
        let reach = Reach { functions: self.functions.clone(), wire: wire.clone() };
        let parts = parts(number, &wire, reach, clock.clone(), self.plan.seed);
        let settings = Settings {
            max_inflight: self.plan.permits,
            pre_stop: Duration::ZERO,
            grace: Some(self.plan.grace),
            ..Settings::default()
        };
        let (tree, ending) = tree::start(parts, settings).await.unwrap();
        self.ledger.tell(&Event::Up { worker: number });
        let (tell, ended) = watch::channel(false);
        let wired = wire.clone();
        self.spawn(async move {
            let failed = match ending.await {
                Ok(Ending::Drained) => None,
                Ok(Ending::Failed(cause)) => Some(cause),
                Err(_) => Some("its root is gone".into()),
            };
            wired.tell(&Event::Gone { worker: number, failed });
            tell.send_replace(true);
        });
        self.workers.lock().unwrap().push(Worker { wire, clock, tree, ended });
    }

    fn tell_to_go(&self, worker: &Worker, within: Duration) {
        let by = self.ledger.now() + within;
        worker.wire.tell(&Event::Draining { worker: worker.wire.worker, by });
        worker.tree.drain();
    }

    async fn go_wrong(self: &Arc<Self>, fault: Fault) {
        match fault {
            Fault::Kill { worker, again_after } => {
                let Some(worker) = self.take(worker) else { return };
                let number = worker.wire.worker;
                self.ledger.tell(&Event::Wrong { worker: number, lasts: again_after });
                worker.wire.turn(Weather::Dead);
                self.ledger.tell(&Event::Killed { worker: number });
                // Nothing it does has any effect; its tasks are taken away all the same.
                worker.tree.drain();
                worker.tree.drain();
                // What else goes wrong does not wait for it.
                let world = self.clone();
                self.away.fetch_add(1, Ordering::SeqCst);
                self.spawn(async move {
                    sleep(again_after).await;
                    world.start().await;
                    world.away.fetch_sub(1, Ordering::SeqCst);
                });
            }
            Fault::Drain { worker, hurry } => {
                let Some(worker) = self.take(worker) else { return };
                self.start().await;
                self.tell_to_go(&worker, self.plan.grace);
                self.after(hurry, move |world| {
                    if !*worker.ended.borrow() {
                        world.tell_to_go(&worker, Duration::ZERO);
                    }
                });
            }
            Fault::Unheard { worker, lasts } => self.turn(worker, Weather::Unheard, lasts),
            Fault::Unanswered { worker, lasts } => self.turn(worker, Weather::Unanswered, lasts),
            Fault::Lossy { worker, one_in, lasts } => self.turn(worker, Weather::Lossy(one_in), lasts),
            Fault::Slow { worker, by, lasts } => self.turn(worker, Weather::Slow(by), lasts),
            Fault::Redeliver { worker } => {
                let Some(wire) = self.with(worker, |worker| worker.wire.clone()) else { return };
                self.ledger.tell(&Event::Wrong { worker: wire.worker, lasts: Duration::ZERO });
                wire.forget_leases().await;
            }
            Fault::Jump { worker, millis } => {
                self.with(worker, |worker| worker.clock.off_by.fetch_add(millis, Ordering::SeqCst));
            }
            Fault::Down { function, lasts } => self.functions.down(function, lasts),
            Fault::NoReceiver { lasts } => self.functions.down(RECEIVER, lasts),
        }
    }

    /// The weather changes between a worker and the broker, for a while.
    fn turn(self: &Arc<Self>, worker: usize, weather: Weather, lasts: Duration) {
        let Some(wire) = self.with(worker, |worker| worker.wire.clone()) else { return };
        self.ledger.tell(&Event::Wrong { worker: wire.worker, lasts });
        let change = wire.turn(weather);
        self.after(lasts, move |_| wire.clear(change));
    }

    fn with<T>(&self, worker: usize, act: impl FnOnce(&Worker) -> T) -> Option<T> {
        let workers = self.workers.lock().unwrap();
        let index = worker.checked_rem(workers.len())?;
        workers.get(index).map(act)
    }

    fn take(&self, worker: usize) -> Option<Worker> {
        let mut workers = self.workers.lock().unwrap();
        let index = worker.checked_rem(workers.len())?;
        Some(workers.remove(index))
    }
}

fn spec(function: &crate::plan::Function) -> FunctionSpec {
    let name = Function::parse(&function.name).unwrap();
    let mut deployment = FunctionSpec::at(&name, &format!("http://{}", function.host())).unwrap().deployment.open();
    let timeout = format!("{}s", function.timeout.as_secs());
    let mut annotate = |name: &str, value: String| drop(deployment.annotations.insert(name.into(), value));
    annotate("fabric.timeout", timeout);
    annotate("com.openfaas.retry.attempts", function.attempts.to_string());
    annotate("com.openfaas.retry.max_wait", "10s".into());
    if let Some(limit) = function.limit {
        annotate("fabric.concurrency", limit.to_string());
    }
    FunctionSpec::compile(deployment).unwrap()
}

fn parts(number: usize, wire: &Arc<Wire>, reach: Reach, clock: Arc<Jumpy>, seed: u64) -> Parts {
    let remote = Arc::new(Remote(wire.clone()));
    let directory = Arc::new(watch::Sender::new(Arc::new(Directory::default())));
    let membership = Arc::new(watch::Sender::new(Arc::new(Membership::default())));
    let retry = retry::Policy { attempts: 50, cap: Duration::from_secs(5), ..Callbacks::default().retry };
    let desk = Arc::new(Desk {
        broker: remote.clone(),
        invoker: Arc::new(reach),
        clock,
        directory: directory.subscribe(),
        membership: membership.subscribe(),
        rates: Arc::default(),
        luck: Luck::of(seed.wrapping_add(number as u64)),
        tracing: Tracing::default(),
        recorder: Recorder::new(remote.clone(), RECORDS_KEPT),
        marks: Arc::default(),
        meter: Arc::default(),
        callbacks: Callbacks { retry, ..Callbacks::default() },
    });
    Parts {
        desk,
        control: remote.clone(),
        directory,
        presence: remote,
        id: format!("w{number}"),
        gateway: false,
        membership,
        ready: Arc::new(watch::Sender::new(false)),
        listeners: Vec::new(),
        intakes: Vec::new(),
        serve: Serves::Everything,
    }
}
