//! What becomes of a request: health and readiness are answered here, all else is the function's.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use proto::header::{X_CALL_ID, X_DURATION_SECONDS};
use tokio::time::Instant;

use super::answer::{self, Answer};
use super::body::Body;
use super::exec::Exec;
use super::health::Health;
use super::limits::Timeouts;
use super::meter::{Meter, Running};
use super::proxy::Proxy;
use super::slots::{Slot, Slots};

/// How the function is run.
#[derive(Clone)]
pub(super) enum Function {
    /// A process for each request.
    Exec(Box<Exec>),
    /// One that serves HTTP itself.
    Http(Box<Proxy>),
}

/// All that a request needs; clones are the same.
#[derive(Clone)]
pub(super) struct Service(Arc<Parts>);

pub(super) struct Parts {
    pub(super) function: Function,
    pub(super) timeouts: Timeouts,
    pub(super) slots: Slots,
    pub(super) health: Health,
    /// The path by which the function says itself whether it is ready.
    pub(super) ready_path: Option<PathAndQuery>,
    pub(super) meter: Meter,
}

impl Service {
    pub(super) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(super) async fn handle(self, request: Request<Incoming>) -> Answer {
        match (request.uri().path(), request.method()) {
            ("/_/health", &Method::GET) if self.0.health.is_good() => answer::text(StatusCode::OK, "OK"),
            ("/_/health", &Method::GET) => answer::text(StatusCode::SERVICE_UNAVAILABLE, ""),
            ("/_/ready", &Method::GET) => self.readiness(request).await,
            ("/_/health" | "/_/ready", _) => {
                let mut answer = answer::text(StatusCode::METHOD_NOT_ALLOWED, "");
                answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
                answer
            }
            _ => self.call(request).await,
        }
    }

    async fn readiness(&self, request: Request<Incoming>) -> Answer {
        let status = if !self.0.health.is_good() {
            StatusCode::SERVICE_UNAVAILABLE
        } else if self.0.slots.are_taken() {
            StatusCode::TOO_MANY_REQUESTS
        } else {
            match &self.0.ready_path {
                Some(path) => return self.asked(path, &request).await,
                None => StatusCode::OK,
            }
        };
        answer::text(status, "")
    }

    /// What the function says of itself: by the way of a call, but taking no slot from one.
    async fn asked(&self, path: &PathAndQuery, request: &Request<Incoming>) -> Answer {
        let mut asking = Request::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
        *asking.uri_mut() = Uri::from(path.clone());
        asking.headers_mut().clone_from(request.headers());
        let Some(slot) = Slots::new(0).take() else { return answer::text(StatusCode::TOO_MANY_REQUESTS, "") };
        self.run(asking, slot).await
    }

    async fn call(&self, request: Request<Incoming>) -> Answer {
        let mut story = Story::begin(self.0.meter.clone(), &request);
        let mut answer = match self.0.slots.take() {
            Some(slot) => self.run(request.map(BodyExt::boxed_unsync), slot).await,
            None => answer::busy(self.0.slots.most().unwrap_or_default()),
        };
        story.status = answer.status();
        let seconds = format!("{:.6}", story.began.elapsed().as_secs_f64());
        answer.headers_mut().extend(HeaderValue::try_from(seconds).ok().map(|it| (X_DURATION_SECONDS, it)));
        answer.map(|body| Told { body, _story: story }.boxed_unsync())
    }

    async fn run(&self, request: Request<Body>, slot: Slot) -> Answer {
        let limits = self.0.timeouts.of(request.headers(), Instant::now());
        match &self.0.function {
            Function::Exec(exec) => Box::pin(exec.answer(request, limits, slot)).await,
            Function::Http(proxy) => Box::pin(proxy.answer(request, limits, slot)).await,
        }
    }
}

/// What is told of a request once it is over, however that was.
struct Story {
    meter: Meter,
    method: Method,
    path: String,
    call: Option<String>,
    /// Whether it was sent by an orchestrator, again and again.
    is_probe: bool,
    status: StatusCode,
    began: Instant,
    _running: Running,
}

impl Story {
    fn begin(meter: Meter, request: &Request<Incoming>) -> Self {
        let text = |name| request.headers().get(name).and_then(|it: &HeaderValue| it.to_str().ok());
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            call: text(X_CALL_ID).map(ToOwned::to_owned),
            is_probe: text(header::USER_AGENT).is_some_and(|agent| agent.starts_with("kube-probe")),
            // Until there is an answer: the caller did not wait for it. Nginx tells it so.
            status: StatusCode::from_u16(499).unwrap_or_default(),
            began: Instant::now(),
            _running: meter.begin(),
            meter,
        }
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        let Self { method, path, call, status, began, .. } = self;
        self.meter.ended(status.as_u16(), method, began.elapsed());
        if !self.is_probe {
            let (status, seconds) = (status.as_u16(), format!("{:.4}", began.elapsed().as_secs_f64()));
            tracing::info!(status, seconds, call, "{method} {path}");
        }
    }
}

/// A body with its story, which is told when the body is over.
struct Told<B> {
    body: B,
    _story: Story,
}

impl<B: HttpBody<Data = Bytes, Error = io::Error> + Unpin> HttpBody for Told<B> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
