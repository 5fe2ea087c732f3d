//! Where calls come in.
//!
//! | path | what happens |
//! |---|---|
//! | `POST /async-function/{name}[/path][?query]` | stored, then `202` ([`enqueue`]) |
//! | `DELETE /async-function/{id}` | cancelled, as by `DELETE /calls/{id}` |
//! | `/calls/{id}` | how a call is, and its cancellation ([`calls`]) |
//! | `GET /calls/{id}/explain` | why it does not start, and when it may ([`explain`]) |
//! | `/function/{name}[/path][?query]` | streamed to the function and back ([`forward`]) |
//! | `/system/…` | the control plane, if this listener shows it ([`system`]) |

pub mod accept;
pub mod answer;
mod backlog;
mod bodies;
pub mod calls;
mod elsewhere;
pub mod enqueue;
pub mod explain;
pub mod forward;
pub mod meter;
pub mod namespaces;
pub mod refusal;
pub mod rotation;
pub mod route;
pub mod system;
mod trace;

use std::sync::Arc;

use actors::call::recorder::Recorder;
use actors::cancel::Canceller;
use actors::directory::Directory;
use actors::membership::Membership;
use actors::parts::Run;
use actors::port::{Broker, Clock, Survey};
use actors::trace::Tracing;
use http::{Method, Request};
use hyper::body::Incoming;
use proto::{CallId, Function, FunctionSpec, Refusal, path};
use tokio::sync::watch;

use self::accept::Accept;
use self::answer::Answer;
use self::backlog::Backlogs;
use self::bodies::Bodies;
use self::forward::Forward;
use self::meter::Meter;
use self::route::Route;
use crate::audit::Audited;
use crate::identity::{Authenticator, Identity};
use crate::listener::{self, Bound, host};

/// What a gateway needs.
#[derive(Clone)]
pub struct Ports {
    /// Where calls are stored.
    pub broker: Arc<dyn Broker>,
    /// Where functions are registered.
    pub records: Audited,
    /// Who is who.
    pub authenticator: Authenticator,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// The functions.
    pub directory: watch::Receiver<Arc<Directory>>,
    /// Who else is alive.
    pub membership: watch::Receiver<Arc<Membership>>,
    /// Whether this process wants to be sent requests.
    pub ready: watch::Receiver<bool>,
    /// What tells how calls are.
    pub recorder: Recorder,
    /// Asks everybody how they are.
    pub survey: Arc<dyn Survey>,
    /// What is counted.
    pub meter: Arc<Meter>,
    /// Who traces.
    pub tracing: Tracing,
}

/// How a gateway behaves.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The largest body of an asynchronous call, in bytes.
    pub body_len_max: usize,
    /// How many calls of a function may wait for their time; the broker bounds those that are due.
    pub function_backlog: u64,
    /// How much of such bodies is held at once while they come in and are stored, in bytes.
    pub bodies_len_max: usize,
    /// Whether the public listener answers `/system/…`.
    pub expose_system: bool,
}

/// The gateway; clones share everything.
#[derive(Clone)]
pub struct Gateway {
    ports: Ports,
    settings: Settings,
    accept: Accept,
    backlogs: Backlogs,
    bodies: Bodies,
    canceller: Canceller,
    forward: Forward,
}

impl Gateway {
    /// A gateway.
    #[must_use]
    pub fn new(ports: Ports, settings: Settings) -> Self {
        let accept = Accept::new(ports.membership.clone());
        let (broker, clock, recorder) = (ports.broker.clone(), ports.clock.clone(), ports.recorder.clone());
        let canceller = Canceller { broker, clock, recorder };
        let bodies = Bodies::new(settings.bodies_len_max, settings.body_len_max);
        Self { ports, settings, accept, backlogs: Backlogs::default(), bodies, canceller, forward: Forward::new() }
    }

    /// Answers one request of the public listener.
    pub async fn handle(&self, mut request: Request<Incoming>) -> Answer {
        if let Err(refusal) = host::check(&request) {
            return answer::refuse_and_close(&refusal);
        }
        let authenticator = &self.ports.authenticator;
        let (need, is_call, checked) = {
            let route = Route::of(request.uri().path());
            let is_call = matches!(route, Route::Enqueue(_)) && *request.method() != Method::DELETE;
            let checked = match route {
                Route::System => authenticator.check_page(&request),
                _ => authenticator.check_page_that_calls(&request),
            };
            (route.need(request.method()), is_call, checked)
        };
        let admitted = match checked {
            Ok(()) => authenticator.admit(&mut request, need).await,
            Err(refusal) => Err(refusal),
        };
        let answer = match admitted {
            Ok(identity) => self.answer(request, &identity).await,
            Err(refusal) => Err(refusal),
        };
        answer.unwrap_or_else(|refusal| {
            if is_call {
                self.ports.meter.refuse(&refusal);
            }
            answer::refuse(&refusal)
        })
    }

    async fn answer(&self, request: Request<Incoming>, by: &Identity) -> Result<Answer, Refusal> {
        match Route::of(request.uri().path()) {
            Route::Enqueue(target) | Route::Forward(target) if path::escapes(target.path) => Err(Refusal::Path),
            Route::Health => Ok(answer::text("ok\n")),
            // An id has the shape of a name, and nobody calls a function by DELETE later.
            Route::Enqueue(target) if request.method() == Method::DELETE => {
                Box::pin(self.cancel_by(target.name, by)).await
            }
            Route::Call(id) => Box::pin(self.call(id, &request, by)).await,
            Route::Explain(id) if matches!(*request.method(), Method::GET | Method::HEAD) => {
                Box::pin(self.explain_call(id, by)).await
            }
            Route::Explain(_) => Err(Refusal::Method { allow: "GET" }),
            Route::Enqueue(target) => self.enqueue(target.into_owned(), request, by).await,
            Route::Forward(target) => Box::pin(self.forward(target.into_owned(), request, by)).await,
            Route::System if self.settings.expose_system => Box::pin(self.system(request)).await,
            Route::Root => Ok(answer::text(answer::WELCOME)),
            Route::System | Route::Unknown => Err(Refusal::NoRoute),
        }
    }

    /// What it needs, for those who need the same.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// What cancels calls.
    #[must_use]
    pub fn canceller(&self) -> &Canceller {
        &self.canceller
    }

    async fn cancel_by(&self, id: &str, by: &Identity) -> Result<Answer, Refusal> {
        self.cancel(&CallId::parse(id)?, by).await
    }

    /// A function that somebody calls. Before the first snapshot nobody knows whether it exists.
    fn function(&self, name: &str, by: &Identity) -> Result<Arc<FunctionSpec>, Refusal> {
        self.registered(own(Function::parse(name)?, by)?)
    }

    fn registered(&self, function: Function) -> Result<Arc<FunctionSpec>, Refusal> {
        let directory = self.ports.directory.borrow();
        match directory.get(&function) {
            Some(_) if directory.leaving().contains_key(&function) => Err(Refusal::Deleting(function)),
            Some(spec) => Ok(spec.clone()),
            None if directory.current => Err(Refusal::UnknownFunction(function)),
            None => Err(Refusal::BrokerAway),
        }
    }
}

/// A function, if whoever asks may know of it.
pub(crate) fn own(function: Function, by: &Identity) -> Result<Function, Refusal> {
    if by.sees(function.namespace()) { Ok(function) } else { Err(Refusal::UnknownFunction(function)) }
}

/// Says that somebody may not have a function wait in the queue that it names.
///
/// # Errors
/// [`Refusal::Forbidden`].
pub(crate) fn may_queue(spec: &FunctionSpec, directory: &Directory, by: &Identity) -> Result<(), Refusal> {
    let is_limited = by.namespaces().namespaces().is_some();
    if !is_limited || directory.lets_into(&spec.function, &spec.queue) {
        return Ok(());
    }
    Err(Refusal::Forbidden(format!(
        "queue {} is not for namespace {}: whoever may for the whole fabric sets the queue up, or lists it in \
         fabric.queues of the namespace",
        spec.queue,
        spec.function.namespace()
    )))
}

/// The public listener as a service of the tree.
#[must_use]
pub fn run(bound: Bound, gateway: Gateway) -> Run {
    let (bound, gateway) = (Arc::new(bound), Arc::new(gateway));
    Arc::new(move |drain| {
        let (bound, gateway) = (bound.clone(), gateway.clone());
        Box::pin(async move {
            let handle = move |request| {
                let gateway = gateway.clone();
                async move { gateway.handle(request).await }
            };
            Ok(listener::serve(&bound, handle, drain).await?)
        })
    })
}
