//! The admin listener: health, readiness, metrics, the admin API, the dashboard and the control plane as OpenFaaS knows
//! it.

mod activity;
mod calls;
mod condition;
mod dead;
mod events;
mod foreign;
mod functions;
mod log;
mod namespaces;
mod problem;
mod processes;
mod query;
mod queues;
mod registry;
pub mod route;
mod workers;

use std::sync::{Arc, OnceLock};

use actors::parts::Run;
use actors::purge::Purger;
use actors::redrive::Redriver;
use actors::tree;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use proto::Refusal;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use self::calls::Calls;
use self::dead::DeadLetters;
use self::functions::Functions;
use self::namespaces::Namespaces;
use self::problem::Problem;
use self::queues::Queues;
use self::registry::Registry;
use self::route::{BASE, Operation, Route};
use crate::gateway::Gateway;
use crate::gateway::answer::{self, Answer};
use crate::gateway::enqueue::read;
use crate::listener::{self, Bound};
use crate::metrics::Metrics;
use crate::telemetry::Log;
use crate::ui;

/// The tree's handle, known once the tree has started, which the admin listener is part of.
pub type TreeCell = Arc<OnceLock<tree::Handle>>;

/// The API's OpenAPI document.
pub const DOCUMENT: &str = include_str!("../../docs/openapi.json");

/// The largest body of a request, in bytes.
const BODY_LEN_MAX: usize = 1024 * 1024;

/// Turns into a deadline when the listener drains.
type Draining = watch::Receiver<Option<Instant>>;

#[derive(Clone)]
struct Admin {
    gateway: Gateway,
    ready: watch::Receiver<bool>,
    tree: TreeCell,
    functions: Functions,
    namespaces: Namespaces,
    queues: Queues,
    calls: Calls,
    dead_letters: DeadLetters,
    metrics: Metrics,
    log: Log,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
}

impl Admin {
    async fn handle(&self, request: Request<Incoming>, drain: Draining) -> Answer {
        let path = request.uri().path().to_owned();
        if foreign::is_foreign(request.method(), request.headers()) {
            return Problem::Foreign.answer(&path);
        }
        if let Some(below) = path.strip_prefix(BASE) {
            return Box::pin(self.api(below, request, drain)).await.unwrap_or_else(|problem| problem.answer(&path));
        }
        let answer = match (&*path, request.method()) {
            (path, method) if ui::has(path) => ui::answer(method, path, request.headers()),
            ("/readyz", &Method::GET | &Method::HEAD) => Ok(self.readiness()),
            ("/metrics", &Method::GET | &Method::HEAD) => Ok(self.metrics.answer(request.headers()).await),
            ("/readyz" | "/metrics", _) => Err(Refusal::Method { allow: "GET" }),
            _ => Box::pin(self.gateway.system(request)).await,
        };
        answer.unwrap_or_else(|refusal| answer::refuse(&refusal))
    }

    /// A request for what comes after [`BASE`].
    async fn api(&self, path: &str, request: Request<Incoming>, drain: Draining) -> Result<Answer, Problem> {
        let (operation, name) = match Route::of(request.method(), path) {
            Route::To(operation, name) => (operation, name),
            Route::Method(allow) => return Err(Problem::Method(allow)),
            Route::Nowhere => return Err(Refusal::NoRoute.into()),
        };
        let (head, mut body) = request.into_parts();
        let body = read(&mut body, BODY_LEN_MAX).await?;
        let (headers, query) = (&head.headers, head.uri.query().unwrap_or_default());
        let answer = match operation {
            Operation::Document => Ok(answer::document(DOCUMENT)),
            Operation::ListFunctions => self.functions.list(query),
            Operation::GetFunction => self.functions.get(name).await,
            Operation::PutFunction => self.functions.put(name, headers, &body).await,
            Operation::PatchFunction => self.functions.patch(name, headers, &body).await,
            Operation::DeleteFunction => self.functions.delete(name, headers, query).await,
            Operation::ExplainFunction => self.gateway.explain_function(name).await,
            Operation::ListNamespaces => self.namespaces.list(query),
            Operation::GetNamespace => self.namespaces.get(name).await,
            Operation::PutNamespace => self.namespaces.put(name, headers, &body).await,
            Operation::DeleteNamespace => self.namespaces.delete(name, headers).await,
            Operation::ListQueues => self.queues.list(query),
            Operation::GetQueue => self.queues.get(name).await,
            Operation::PutQueue => self.queues.put(name, headers, &body).await,
            Operation::DeleteQueue => self.queues.delete(name, headers).await,
            Operation::PauseQueue => self.queues.pause(name, headers, true).await,
            Operation::ResumeQueue => self.queues.pause(name, headers, false).await,
            Operation::PurgeQueue => self.queues.purge(name, query).await,
            Operation::ListCalls => self.calls.list(query).await,
            Operation::GetCall => self.calls.get(name).await,
            Operation::CancelCall => self.calls.cancel(name).await,
            Operation::ExplainCall => self.gateway.explain_call(name).await,
            Operation::ListLetters => self.dead_letters.list(query).await,
            Operation::PurgeLetters => self.dead_letters.purge(None, query).await,
            Operation::RedriveLetters => self.dead_letters.redrive(None, query).await,
            Operation::GetLetter => self.dead_letters.show(name).await,
            Operation::PurgeLetter => self.dead_letters.purge(Some(name), query).await,
            Operation::RedriveLetter => self.dead_letters.redrive(Some(name), query).await,
            Operation::ListWorkers => workers::list(&self.gateway.ports().membership.borrow().clone(), query),
            Operation::Activity => activity::show(self.gateway.ports(), query).await,
            Operation::ListProcesses => processes::list(self.gateway.ports()).await,
            Operation::Events => events::follow(&self.gateway, query, drain).await,
            Operation::Tree => self.tree().await,
            Operation::GetLog => Ok(log::get(&self.log)),
            Operation::PutLog => log::put(&self.log, &body),
            Operation::Drain => self.drain(),
        };
        Ok(answer?)
    }

    fn readiness(&self) -> Answer {
        let ready = *self.ready.borrow();
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        answer::json(status, &Readiness { ready })
    }

    async fn tree(&self) -> Result<Answer, Refusal> {
        let tree = self.tree.get().ok_or(Refusal::Draining)?;
        let view = tree.view(None).await.ok_or(Refusal::Draining)?;
        Ok(answer::json(StatusCode::OK, &view))
    }

    fn drain(&self) -> Result<Answer, Refusal> {
        self.tree.get().ok_or(Refusal::Draining)?.drain();
        Ok(answer::empty(StatusCode::ACCEPTED))
    }
}

/// The admin listener as a service of the tree.
#[must_use]
pub fn run(
    bound: Bound,
    gateway: Gateway,
    redriver: Redriver,
    ready: watch::Receiver<bool>,
    tree: TreeCell,
    metrics: Metrics,
    log: Log,
) -> Run {
    let bound = Arc::new(bound);
    let ports = gateway.ports();
    let (control, directory, clock) = (ports.control.clone(), ports.directory.clone(), ports.clock.clone());
    let registry = Registry { control, directory, clock };
    let purger = Purger { canceller: gateway.canceller().clone() };
    let admin = Admin {
        ready,
        tree,
        functions: Functions(registry.clone()),
        namespaces: Namespaces(registry.clone()),
        queues: Queues { registry, purger },
        calls: Calls(gateway.clone()),
        dead_letters: DeadLetters::new(redriver),
        metrics,
        log,
        gateway,
    };
    Arc::new(move |drain| {
        let (bound, admin) = (bound.clone(), admin.clone());
        let ending = drain.clone();
        Box::pin(async move {
            let handle = move |request| {
                let (admin, drain) = (admin.clone(), ending.clone());
                async move { admin.handle(request, drain).await }
            };
            Ok(listener::serve(&bound, handle, drain).await?)
        })
    })
}
