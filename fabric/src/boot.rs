//! Wires the parts that a role has. The only file that knows them all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actors::call::recorder::Recorder;
use actors::call::{Callbacks, Desk};
use actors::directory::Directory;
use actors::luck::Luck;
use actors::membership::{Member, Membership, Serves};
use actors::meter::Meter;
use actors::parts::{self, Listener, Parts, QueueSettings};
use actors::permit::share::Standing;
use actors::port::broker::{Quotas, Terms};
use actors::port::{Broker, Clock, Control, Intake, Presence, Survey};
use actors::redrive::Redriver;
use actors::survey;
use actors::tree::{self, Ending};
use anyhow::{Context, bail};
use proto::Queue;
use proto::host::{Hosts, Pattern};
use proto::upstream::Template;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use crate::audit::{Audit, Audited, Trail};
use crate::clock::SystemClock;
use crate::embedded::Embedded;
use crate::gateway::{self, Gateway};
use crate::invoke::{self, HttpInvoker};
use crate::jetstream::{self, JetStream};
use crate::metrics::{Connection, Metrics, Sources};
use crate::telemetry::Log;
use crate::telemetry::traces::{self, Traces};
use crate::{admin, cli, identity, listener, open_files, signal};

/// The largest payload that a broker keeps, in bytes. The same in every process, because each must be able to store
/// again what another has accepted; what gateways accept and what callbacks carry is set by flags, below it.
const PAYLOAD_LEN_MAX: usize = 1024 * 1024 * 1024;

/// What a process is to be.
#[derive(Debug)]
pub struct Plan {
    /// Where calls are kept.
    pub store: Store,
    /// Where calls are accepted, if they are.
    pub public: Option<SocketAddr>,
    /// Where health and the admin API are.
    pub admin: SocketAddr,
    /// Who is to say who he is, and how.
    pub authentication: identity::settings::Settings,
    /// Where changes are told, beside the log.
    pub audit_stream: Option<String>,
    /// How many connections each listener takes.
    pub limits: listener::Limits,
    /// The largest body of an asynchronous call, in bytes.
    pub max_body: usize,
    /// How much of such bodies is held at once, in bytes.
    pub bodies: usize,
    /// How long the record of a call is kept after its end.
    pub keep_calls: Duration,
    /// Where functions answer that do not say so.
    pub upstream_template: Option<Template>,
    /// What is traced, and where to.
    pub traces: traces::settings::Settings,
    /// Which calls of an OpenFaaS gateway are run here, if any.
    pub openfaas: Option<cli::OpenFaas>,
    /// Which queues are served.
    pub serve: Serves,
    /// How they are served.
    pub work: Work,
    /// Where callbacks may go.
    pub callbacks: invoke::rules::Rules,
    /// The largest result that a callback carries, in bytes.
    pub max_result: usize,
    /// How long a drain is announced before it begins.
    pub pre_stop: Duration,
    /// How long calls in flight may take in a drain; as long as the longest may, if absent.
    pub grace: Option<Duration>,
    /// How many functions have metrics of their own.
    pub metrics_functions: usize,
    /// What is logged.
    pub log: Log,
}

/// Where calls are kept.
#[derive(Debug)]
pub enum Store {
    /// In JetStream.
    JetStream(Box<jetstream::Settings>),
    /// In a directory.
    Embedded(PathBuf, Quotas),
}

impl Store {
    /// How much may wait there.
    fn quotas(&self) -> Quotas {
        match self {
            Self::JetStream(settings) => settings.quotas,
            Self::Embedded(_, quotas) => *quotas,
        }
    }
}

impl TryFrom<cli::Broker> for Store {
    type Error = jetstream::Error;

    fn try_from(args: cli::Broker) -> Result<Self, Self::Error> {
        let cli::Streams { prefix, replicas, shards, queue_backlog, function_backlog } = args.streams;
        let quotas = Quotas { queue: queue_backlog, function: function_backlog };
        Ok(match (args.place.broker, args.place.data_dir) {
            (Some(url), _) => Self::JetStream(Box::new(jetstream::Settings {
                access: args.access.to(&url)?,
                url,
                subjects: prefix,
                replicas,
                shards,
                quotas,
                payload_len_max: PAYLOAD_LEN_MAX,
            })),
            (None, dir) => Self::Embedded(dir.unwrap_or_default(), quotas),
        })
    }
}

/// How queues are served.
#[derive(Clone, Debug, Default)]
pub struct Work {
    max_inflight: u32,
    standings: BTreeMap<Queue, Standing>,
    queue: QueueSettings,
}

impl From<&cli::Work> for Work {
    fn from(args: &cli::Work) -> Self {
        let terms = Terms { lease: args.lease, ..Terms::default() };
        let mut standings = BTreeMap::<Queue, Standing>::new();
        for (queue, weight) in &args.queue_weights {
            standings.entry(queue.clone()).or_default().weight = *weight;
        }
        for (queue, most) in &args.queue_inflight {
            standings.entry(queue.clone()).or_default().cap = Some(*most);
        }
        let queue = QueueSettings { terms, ..QueueSettings::default() };
        Self { max_inflight: args.max_inflight, standings, queue }
    }
}

/// Where the command line lets callbacks go.
///
/// # Errors
/// When a list is too long.
pub fn callbacks(args: &cli::Callbacks) -> anyhow::Result<invoke::rules::Rules> {
    let list =
        |patterns: &[Pattern], flag| Hosts::try_from(patterns.to_vec()).map_err(|why| anyhow::anyhow!("{flag}: {why}"));
    let (allow, deny) = (list(&args.allow, "--callback-allow")?, list(&args.deny, "--callback-deny")?);
    Ok(invoke::rules::Rules { allow_private: args.allow_private_callbacks, allow, deny })
}

/// Which queues the command line asks to serve.
#[must_use]
pub fn serve(args: &cli::Work) -> Serves {
    if args.queues.is_empty() { Serves::Everything } else { Serves::Queues(args.queues.iter().cloned().collect()) }
}

/// A process at work.
pub struct Running {
    /// The supervision tree.
    pub tree: tree::Handle,
    /// How it ends.
    pub ending: oneshot::Receiver<Ending>,
    /// The control plane.
    pub control: Arc<dyn Control>,
    /// Where calls are accepted.
    pub public: Option<SocketAddr>,
    /// Where health and the admin API are.
    pub admin: SocketAddr,
    store: Opened,
    traces: Traces,
}

impl Running {
    /// Says where this process listens: the lines that people and scripts look for.
    ///
    /// # Errors
    /// When they cannot be said.
    pub fn announce(&self, say: impl Fn(String) -> anyhow::Result<()>) -> anyhow::Result<()> {
        if let Some(public) = self.public {
            say(format!("listening: public http://{public}"))?;
        }
        say(format!("listening: admin http://{}", self.admin))
    }

    /// Lets go of the store, everything written, and of who is told of calls.
    pub async fn close(&self) {
        self.traces.close().await;
        match &self.store {
            Opened::JetStream(store) => store.close().await,
            Opened::Embedded(store) => store.close().await,
        }
    }
}

/// One store in all its parts.
struct Ports {
    broker: Arc<dyn Broker>,
    control: Arc<dyn Control>,
    presence: Arc<dyn Presence>,
    survey: Arc<dyn Survey>,
}

enum Opened {
    JetStream(Arc<JetStream>),
    Embedded(Embedded),
}

impl Opened {
    async fn open(store: Store, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Ok(match store {
            Store::JetStream(settings) => Self::JetStream(Arc::new(JetStream::connect(*settings).await?)),
            Store::Embedded(dir, quotas) => {
                let settings = actors::memory::Settings { quotas, payload_len_max: PAYLOAD_LEN_MAX };
                Self::Embedded(Embedded::open(&dir, settings, clock)?)
            }
        })
    }

    fn ports(&self) -> Ports {
        fn of<B: Broker + Control + Presence + Survey>(all: Arc<B>) -> Ports {
            Ports { broker: all.clone(), control: all.clone(), presence: all.clone(), survey: all }
        }
        match self {
            Self::JetStream(store) => of(store.clone()),
            Self::Embedded(store) => of(Arc::new(store.broker())),
        }
    }
}

impl Opened {
    /// How the connection to it is, whenever that is asked.
    fn connection(&self) -> Arc<dyn Fn() -> Connection + Send + Sync> {
        match self {
            Self::JetStream(store) => {
                let store = store.clone();
                Arc::new(move || Connection { is_up: store.is_connected(), reconnects: store.reconnects() })
            }
            // A file is always there.
            Self::Embedded(_) => Arc::new(|| Connection { is_up: true, reconnects: 0 }),
        }
    }

    fn intakes(&self, openfaas: Option<cli::OpenFaas>) -> anyhow::Result<Vec<Arc<dyn Intake>>> {
        let mut intakes = Vec::<Arc<dyn Intake>>::new();
        let Some(cli::OpenFaas { openfaas_subjects, openfaas_from }) = openfaas else { return Ok(intakes) };
        for subject in openfaas_subjects {
            match self {
                Self::Embedded(_) => {
                    bail!("--openfaas-subject {subject} needs --broker: OpenFaaS stores calls in NATS")
                }
                _ if intakes.iter().any(|it| it.subject() == subject) => {}
                Self::JetStream(store) if store.owns(&subject) => {
                    bail!(
                        "--openfaas-subject {subject} is Fabric's own, or the server's: name the one on which OpenFaaS's \
                         gateway stores calls"
                    )
                }
                Self::JetStream(store) => {
                    let begin = openfaas_from.map(|begin| match begin {
                        cli::Begin::All => jetstream::Begin::All,
                        cli::Begin::New => jetstream::Begin::New,
                    });
                    intakes.push(Arc::new(jetstream::Intake::new(store.clone(), subject, begin)));
                }
            }
        }
        Ok(intakes)
    }
}

impl Opened {
    /// Where changes are told, if that is wanted.
    async fn trail(&self, stream: Option<String>) -> anyhow::Result<Option<Arc<dyn Trail>>> {
        match (self, stream) {
            (_, None) => Ok(None),
            (Self::JetStream(store), Some(name)) => Ok(Some(Arc::new(jetstream::Trail::open(store, name).await?))),
            (Self::Embedded(_), Some(name)) => {
                bail!("--audit-stream {name} needs --broker: a directory has no streams")
            }
        }
    }
}

/// Opens the store, binds the listeners, starts the tree.
///
/// # Errors
/// When the store cannot be opened or an address cannot be bound.
pub async fn start(plan: Plan) -> anyhow::Result<Running> {
    signal::outlive_full_files().context("signals cannot be listened for")?;
    open_files::raise();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // Before anything is bound: a moment would do for whoever waits for it.
    plan.public.map_or(Ok(()), |addr| plan.authentication.check("--listen", addr))?;
    plan.authentication.check("--admin-listen", plan.admin)?;
    let public = plan.public.map(|addr| listener::bind(addr, plan.limits, "--listen")).transpose()?;
    let admin = listener::bind(plan.admin, plan.limits, "--admin-listen")?;
    let function_backlog = plan.store.quotas().function;
    let store = Opened::open(plan.store, clock.clone()).await?;
    let Ports { broker, control, presence, survey } = store.ports();
    let intakes = store.intakes(plan.openfaas)?;
    let audit = Audit::new(store.trail(plan.audit_stream).await?);

    let directory = Arc::new(watch::Sender::new(Arc::new(Directory::with_template(plan.upstream_template))));
    let ready = Arc::new(watch::Sender::new(false));
    let id = Uuid::now_v7().simple().to_string();
    let traces = Traces::start(&plan.traces, &id)?;
    let member = Member { gateway: plan.public.is_some(), serves: plan.serve.clone(), finishes: Serves::Nothing };
    let membership = Arc::new(watch::Sender::new(Arc::new(Membership::alone(id.clone(), member))));
    let invoker = HttpInvoker::new(plan.callbacks, Arc::new(invoke::resolve::System));
    let recorder = Recorder::new(broker.clone(), plan.keep_calls);
    let redriver = Redriver { broker: broker.clone(), clock: clock.clone(), recorder: recorder.clone() };
    let (meter, taken) = (Meter::new(plan.metrics_functions), gateway::meter::Meter::new(plan.metrics_functions));
    let (meter, taken) = (Arc::new(meter), Arc::new(taken));
    let metrics = Metrics::new(Sources {
        meter: meter.clone(),
        gateway: taken.clone(),
        directory: directory.subscribe(),
        membership: membership.subscribe(),
        ready: ready.subscribe(),
        clock: clock.clone(),
        spans: traces.tally(),
        connection: store.connection(),
    });
    let desk = Arc::new(Desk {
        broker: broker.clone(),
        invoker: Arc::new(invoker),
        clock: clock.clone(),
        directory: directory.subscribe(),
        membership: membership.subscribe(),
        rates: Arc::default(),
        luck: Luck::default(),
        tracing: traces.tracing(),
        recorder: recorder.clone(),
        marks: Arc::default(),
        meter: meter.clone(),
        callbacks: Callbacks { result_len_max: plan.max_result, ..Callbacks::default() },
    });

    let gateway = Gateway::new(
        gateway::Ports {
            broker,
            records: Audited::new(control.clone(), audit),
            authenticator: plan.authentication.authenticator(directory.subscribe(), clock.clone())?,
            clock,
            directory: directory.subscribe(),
            membership: membership.subscribe(),
            ready: ready.subscribe(),
            recorder,
            survey: survey.clone(),
            meter: taken.clone(),
            tracing: traces.tracing(),
        },
        gateway::Settings {
            body_len_max: plan.max_body,
            function_backlog,
            bodies_len_max: plan.bodies,
            expose_system: plan.public.is_some_and(|a| a.ip().is_loopback()),
        },
    );
    let (public_addr, admin_addr) = (public.as_ref().map(listener::Bound::addr), admin.addr());
    let view = Arc::new(std::sync::OnceLock::new());
    let accepts = Arc::new(move || taken.accepted_per_second());
    let answerer = survey::Answerer { id: id.clone(), tree: view.clone(), accepts };
    let mut listeners = vec![
        Listener {
            name: "admin",
            run: admin::run(admin, gateway.clone(), redriver, ready.subscribe(), view.clone(), metrics, plan.log),
            until_last: true,
        },
        Listener { name: "survey", run: survey::run(survey, answerer), until_last: true },
    ];
    if let Some(public) = public {
        listeners.push(Listener { name: "gateway", run: gateway::run(public, gateway), until_last: false });
    }

    let parts = Parts {
        desk,
        control: control.clone(),
        directory,
        presence,
        id,
        gateway: plan.public.is_some(),
        membership,
        ready,
        listeners,
        intakes,
        serve: plan.serve,
    };
    let Work { max_inflight, standings, queue } = plan.work;
    let settings = parts::Settings { max_inflight, standings, queue, pre_stop: plan.pre_stop, grace: plan.grace };
    let (tree, ending) = tree::start(parts, settings).await.context("the supervision tree could not be started")?;
    // Set once, here, before anybody can ask twice.
    drop(view.set(tree.clone()));
    Ok(Running { tree, ending, control, public: public_addr, admin: admin_addr, store, traces })
}
