//! The admin listener: health, readiness, the tree, and the control plane.

use std::sync::{Arc, OnceLock};

use actors::parts::Run;
use actors::tree;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use proto::Refusal;
use serde::Serialize;
use tokio::sync::watch;

use crate::gateway::Gateway;
use crate::gateway::answer::{self, Answer};
use crate::listener::{self, Bound};

/// The tree's handle, known once the tree has started, which the admin listener is part of.
pub type TreeCell = Arc<OnceLock<tree::Handle>>;

#[derive(Clone)]
struct Admin {
    gateway: Gateway,
    ready: watch::Receiver<bool>,
    tree: TreeCell,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
}

impl Admin {
    async fn handle(&self, request: Request<Incoming>) -> Answer {
        let answer = match (request.uri().path(), request.method()) {
            ("/readyz", &Method::GET | &Method::HEAD) => Ok(self.readiness()),
            ("/admin/v1/tree", &Method::GET) => self.tree().await,
            ("/admin/v1/drain", &Method::POST) => self.drain(),
            ("/readyz" | "/admin/v1/tree", _) => Err(Refusal::Method { allow: "GET" }),
            ("/admin/v1/drain", _) => Err(Refusal::Method { allow: "POST" }),
            _ => self.gateway.system(request).await,
        };
        answer.unwrap_or_else(|refusal| answer::refuse(&refusal))
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

/// The admin listener as a service of the tree.
#[must_use]
pub fn run(bound: Bound, gateway: Gateway, ready: watch::Receiver<bool>, tree: TreeCell) -> Run {
    let bound = Arc::new(bound);
    let admin = Admin { gateway, ready, tree };
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
