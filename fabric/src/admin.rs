//! The admin listener: health, readiness, metrics, the admin API, the dashboard and the control plane as OpenFaaS knows
//! it.

mod activity;
mod calls;
mod condition;
mod dead;
mod events;
mod functions;
mod keys;
mod log;
mod lookout;
mod namespaces;
mod problem;
mod processes;
mod query;
mod queues;
mod registry;
pub mod route;
mod scale;
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
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use self::calls::Calls;
use self::dead::DeadLetters;
use self::functions::Functions;
use self::keys::Keys;
use self::lookout::Lookout;
use self::namespaces::Namespaces;
use self::problem::Problem;
use self::queues::Queues;
use self::registry::Registry;
use self::route::{Operation, Part, Route};
use crate::gateway::Gateway;
use crate::gateway::answer::{self, Answer};
use crate::gateway::enqueue::read;
use crate::identity::Identity;
use crate::listener::{self, Bound, host};
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
    keys: Keys,
    calls: Calls,
    dead_letters: DeadLetters,
    lookout: Lookout,
    metrics: Metrics,
    log: Log,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
}

impl Admin {
    async fn handle(&self, mut request: Request<Incoming>, drain: Draining) -> Answer {
        if let Err(refusal) = host::check(&request) {
            return answer::refuse_and_close(&refusal);
        }
        let path = request.uri().path().to_owned();
        let part = Part::of(&path);
        let authenticator = &self.gateway.ports().authenticator;
        let (need, is_open) = (part.need(request.method()), part == Part::Readiness || path == "/healthz");
        let admitted = match authenticator.check_page(&request) {
            Err(refusal) if !is_open => Err(refusal),
            _ => authenticator.admit(&mut request, need).await,
        };
        let by = match (admitted, part) {
            (Ok(by), Part::Api(below)) => {
                let answer = Box::pin(self.api(below, request, drain, &by)).await;
                return answer.unwrap_or_else(|problem| problem.answer(&path));
            }
            (Err(refusal), Part::Api(_)) => return Problem::from(refusal).answer(&path),
            (admitted, _) => admitted.map(drop),
        };
        let answer = match (by, part, request.method()) {
            (Err(refusal), ..) => Err(refusal),
            (_, Part::Dashboard, method) => ui::answer(method, &path, request.headers()),
            (_, Part::Readiness, &Method::GET | &Method::HEAD) => Ok(self.readiness()),
            (_, Part::Metrics, &Method::GET | &Method::HEAD) => Ok(self.metrics.answer(request.headers()).await),
            (_, Part::Readiness | Part::Metrics, _) => Err(Refusal::Method { allow: "GET" }),
            _ => Box::pin(self.gateway.system(request)).await,
        };
        answer.unwrap_or_else(|refusal| answer::refuse(&refusal))
    }

    /// A request for what comes after [`BASE`](route::BASE), by somebody who has what it needs.
    async fn api(
        &self,
        path: &str,
        request: Request<Incoming>,
        drain: Draining,
        by: &Identity,
    ) -> Result<Answer, Problem> {
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
            Operation::Whoami => Ok(keys::whoami(by)),
            Operation::ListFunctions => self.functions.list(query, by),
            Operation::GetFunction => self.functions.get(name, by).await,
            Operation::PutFunction => self.functions.put(name, headers, &body, by).await,
            Operation::PatchFunction => self.functions.patch(name, headers, &body, by).await,
            Operation::DeleteFunction => self.functions.delete(name, headers, query, by).await,
            Operation::ExplainFunction => self.gateway.explain_function(name, by).await,
            Operation::ListNamespaces => self.namespaces.list(query, by),
            Operation::GetNamespace => self.namespaces.get(name, by).await,
            Operation::PutNamespace => self.namespaces.put(name, headers, &body, by).await,
            Operation::DeleteNamespace => self.namespaces.delete(name, headers, by).await,
            Operation::ListQueues => self.queues.list(query, by),
            Operation::GetQueue => self.queues.get(name, by).await,
            Operation::PutQueue => self.queues.put(name, headers, &body, by).await,
            Operation::DeleteQueue => self.queues.delete(name, headers, by).await,
            Operation::PauseQueue => self.queues.pause(name, headers, true, by).await,
            Operation::ResumeQueue => self.queues.pause(name, headers, false, by).await,
            Operation::PurgeQueue => self.queues.purge(name, query, by).await,
            Operation::ListKeys => self.keys.list(query, by),
            Operation::CreateKey => self.keys.create(&body, by).await,
            Operation::GetKey => self.keys.get(name, by).await,
            Operation::RevokeKey => self.keys.revoke(name, headers, by).await,
            Operation::DeleteKey => self.keys.delete(name, headers, by).await,
            Operation::ListCalls => self.calls.list(query, by).await,
            Operation::GetCall => self.calls.get(name, by).await,
            Operation::CancelCall => self.calls.cancel(name, by).await,
            Operation::ExplainCall => self.gateway.explain_call(name, by).await,
            Operation::ListLetters => self.dead_letters.list(query, by).await,
            Operation::PurgeLetters => self.dead_letters.purge(None, query, by).await,
            Operation::RedriveLetters => self.dead_letters.redrive(None, query, by).await,
            Operation::GetLetter => self.dead_letters.show(name, by).await,
            Operation::PurgeLetter => self.dead_letters.purge(Some(name), query, by).await,
            Operation::RedriveLetter => self.dead_letters.redrive(Some(name), query, by).await,
            Operation::ListWorkers => workers::list(&self.gateway.ports().membership.borrow().clone(), query),
            Operation::Activity => activity::show(&self.lookout, self.gateway.ports(), query, by).await,
            Operation::Scale => scale::list(&self.lookout, self.gateway.ports(), query, by).await,
            Operation::ScaleFunction => scale::function(&self.lookout, self.gateway.ports(), name, by).await,
            Operation::ScaleQueue => scale::queue(&self.lookout, self.gateway.ports(), name, by).await,
            Operation::ScaleWorkers => scale::workers(&self.lookout, self.gateway.ports(), query, by).await,
            Operation::ListProcesses => processes::list(self.gateway.ports()).await,
            Operation::Events => events::follow(&self.gateway, query, drain, by).await,
            Operation::Tree => self.tree().await,
            Operation::GetLog => Ok(log::get(&self.log)),
            Operation::PutLog => log::put(&self.log, &body, self.gateway.ports().records.audit(), by).await,
            Operation::Drain => self.drain(by).await,
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

    async fn drain(&self, by: &Identity) -> Result<Answer, Refusal> {
        let tree = self.tree.get().ok_or(Refusal::Draining)?;
        self.gateway.ports().records.audit().tell(by, "drain this process", &Value::Null, &Value::Null).await;
        tree.drain();
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
    let (records, directory, clock) = (ports.records.clone(), ports.directory.clone(), ports.clock.clone());
    let registry = Registry { records: records.clone(), directory, clock };
    let purger = Purger { canceller: gateway.canceller().clone() };
    let admin = Admin {
        ready,
        tree,
        functions: Functions(registry.clone()),
        namespaces: Namespaces(registry.clone()),
        keys: Keys(registry.clone()),
        queues: Queues { registry, purger },
        calls: Calls(gateway.clone()),
        dead_letters: DeadLetters::new(redriver, records.audit().clone()),
        lookout: Lookout::default(),
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
