//! The admin listener: health, readiness, the tree, dead letters, queues, and the control plane.

mod dead;
mod queues;

use std::sync::{Arc, OnceLock};

use actors::parts::Run;
use actors::redrive::Redriver;
use actors::tree;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use proto::Refusal;
use serde::Serialize;
use tokio::sync::watch;

use self::dead::DeadLetters;
use self::queues::Queues;
use crate::gateway::Gateway;
use crate::gateway::answer::{self, Answer};
use crate::gateway::enqueue::read;
use crate::listener::{self, Bound};

/// The tree's handle, known once the tree has started, which the admin listener is part of.
pub type TreeCell = Arc<OnceLock<tree::Handle>>;

/// Where the dead letters are.
const DEAD_LETTERS: &str = "/admin/v1/dead-letters";
/// Where the queues are.
const QUEUES: &str = "/admin/v1/queues";

/// The largest record of a queue, in bytes.
const QUEUE_LEN_MAX: usize = 64 * 1024;

#[derive(Clone)]
struct Admin {
    gateway: Gateway,
    ready: watch::Receiver<bool>,
    tree: TreeCell,
    dead_letters: DeadLetters,
    queues: Queues,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
}

impl Admin {
    async fn handle(&self, request: Request<Incoming>) -> Answer {
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        let answer = match (path, request.method()) {
            (path, method) if let Some(path) = below(DEAD_LETTERS, path) => {
                self.dead_letters.handle(method, path, query).await
            }
            (path, _) if below(QUEUES, path).is_some() => self.queues(request).await,
            ("/readyz", &Method::GET | &Method::HEAD) => Ok(self.readiness()),
            ("/admin/v1/tree", &Method::GET) => self.tree().await,
            ("/admin/v1/drain", &Method::POST) => self.drain(),
            ("/readyz" | "/admin/v1/tree", _) => Err(Refusal::Method { allow: "GET" }),
            ("/admin/v1/drain", _) => Err(Refusal::Method { allow: "POST" }),
            _ => self.gateway.system(request).await,
        };
        answer.unwrap_or_else(|refusal| answer::refuse(&refusal))
    }

    async fn queues(&self, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let (head, mut body) = request.into_parts();
        let body = read(&mut body, QUEUE_LEN_MAX).await?;
        self.queues.handle(&head.method, below(QUEUES, head.uri.path()).unwrap_or_default(), body).await
    }

    fn readiness(&self) -> Answer {
        let ready = *self.ready.borrow();
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        answer::json(status, &Readiness { ready })
    }

    async fn tree(&self) -> Result<Answer, Refusal> {
        let tree = self.tree.get().ok_or(Refusal::Draining)?;
        let view = tree.view().await.ok_or(Refusal::Draining)?;
        Ok(answer::json(StatusCode::OK, &view))
    }

    fn drain(&self) -> Result<Answer, Refusal> {
        self.tree.get().ok_or(Refusal::Draining)?.drain();
        Ok(answer::empty(StatusCode::ACCEPTED))
    }
}

/// What of a path is below another.
fn below<'a>(parent: &str, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(parent).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The admin listener as a service of the tree.
#[must_use]
pub fn run(bound: Bound, gateway: Gateway, redriver: Redriver, ready: watch::Receiver<bool>, tree: TreeCell) -> Run {
    let bound = Arc::new(bound);
    let dead_letters = DeadLetters::new(redriver);
    let (control, directory) = gateway.control_plane();
    let queues = Queues::new(control, directory);
    let admin = Admin { gateway, ready, tree, dead_letters, queues };
    Arc::new(move |drain| {
        let (bound, admin) = (bound.clone(), admin.clone());
        Box::pin(async move {
            let handle = move |request| {
                let admin = admin.clone();
                async move { admin.handle(request).await }
            };
            Ok(listener::serve(&bound, handle, drain).await?)
        })
    })
}
