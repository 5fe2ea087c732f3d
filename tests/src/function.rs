//! Functions and a callback receiver in the test's own process, with a ledger of everything they were asked.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::eventually;

/// One request that came in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// The path and query.
    pub uri: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// When.
    pub at: Instant,
}

impl Seen {
    /// A header as text, empty if it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What happens to a request, by the first part of its path:
/// `/ok`, `/status/<code>`, `/sleep/<milliseconds>`, `/slots/<slots>/<milliseconds>` (the same for so many at once, a
/// concurrency limiter's 429 for more), `/hold` (until [`Server::release`]), `/fail-first/<code>[/<attempts>]`
/// (that status at a call's first attempt, or its first ones, then 200).
pub struct Server {
    base: String,
    ledger: Arc<Ledger>,
    released: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Ledger {
    /// Whether requests are only counted.
    quiet: bool,
    counts: Mutex<HashMap<String, usize>>,
    seen: Mutex<Vec<Seen>>,
    running: AtomicUsize,
    running_max: AtomicUsize,
    turned_away: AtomicUsize,
    work: Mutex<Work>,
}

/// When the first request began, when the last one ended, and how long all of them took together.
#[derive(Default)]
struct Work {
    began: Option<Instant>,
    ended: Option<Instant>,
    total: Duration,
}

impl Server {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        Self::with(false).await
    }

    /// One that only counts, and so is fast.
    pub async fn quiet() -> Self {
        Self::with(true).await
    }

    async fn with(quiet: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let ledger = Arc::new(Ledger { quiet, ..Ledger::default() });
        let (released, hold) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let accepting = ledger.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (ledger, hold) = (accepting.clone(), hold.clone());
                let service = service_fn(move |request| answer(request, ledger.clone(), hold.clone()));
                connections.spawn(async move {
                    // A peer that is killed breaks its connection: that is what some tests are about.
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self { base, ledger, released, _tasks: tasks }
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Every request so far whose path begins with `path`.
    #[must_use]
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        self.ledger.seen.lock().unwrap().iter().filter(|seen| seen.uri.starts_with(path)).cloned().collect()
    }

    /// How many requests so far whose path begins with `path`.
    #[must_use]
    pub fn count(&self, path: &str) -> usize {
        self.ledger.counts.lock().unwrap().iter().filter(|(uri, _)| uri.starts_with(path)).map(|(_, count)| count).sum()
    }

    /// When the call with this id first came to a path that begins with `path`.
    #[must_use]
    pub fn reached_at(&self, path: &str, id: &str) -> Option<Instant> {
        let seen = self.ledger.seen.lock().unwrap();
        seen.iter().rev().find(|seen| seen.uri.starts_with(path) && seen.header("x-call-id") == id).map(|seen| seen.at)
    }

    /// The call ids among them.
    #[must_use]
    pub fn calls(&self, path: &str) -> HashSet<String> {
        self.seen(path).iter().map(|seen| seen.header("x-call-id").to_owned()).collect()
    }

    /// The most requests that ever ran at once.
    #[must_use]
    pub fn running_max(&self) -> usize {
        self.ledger.running_max.load(Ordering::SeqCst)
    }

    /// How many requests ran at once on average, from the first to the last.
    #[must_use]
    pub fn running_mean(&self) -> f64 {
        let work = self.ledger.work.lock().unwrap();
        work.total.as_secs_f64() / (work.ended.unwrap() - work.began.unwrap()).as_secs_f64()
    }

    /// How long it was from the first request to the end of the last.
    #[must_use]
    pub fn span(&self) -> Duration {
        let work = self.ledger.work.lock().unwrap();
        work.ended.unwrap() - work.began.unwrap()
    }

    /// How many requests were turned away for want of a slot.
    #[must_use]
    pub fn turned_away(&self) -> usize {
        self.ledger.turned_away.load(Ordering::SeqCst)
    }

    /// How many run now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.ledger.running.load(Ordering::SeqCst)
    }

    /// Waits until so many run.
    pub async fn running_is(&self, count: usize) {
        eventually(async || {
            let running = self.running();
            if running == count { Ok(()) } else { Err(format!("{running} run")) }
        })
        .await;
    }

    /// Lets every request to `/hold` go on, now and from now on.
    pub fn release(&self) {
        self.released.send_replace(true);
    }
}

/// Counts a request for as long as it runs, also if its caller goes away.
struct Running {
    ledger: Arc<Ledger>,
    began: Instant,
    /// How many ran, this one included.
    count: usize,
}

impl Running {
    fn new(ledger: Arc<Ledger>) -> Self {
        let count = ledger.running.fetch_add(1, Ordering::SeqCst) + 1;
        ledger.running_max.fetch_max(count, Ordering::SeqCst);
        let began = Instant::now();
        ledger.work.lock().unwrap().began.get_or_insert(began);
        Self { ledger, began, count }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ledger.running.fetch_sub(1, Ordering::SeqCst);
        let now = Instant::now();
        let mut work = self.ledger.work.lock().unwrap();
        work.total += now - self.began;
        work.ended = Some(now);
    }
}

async fn answer(
    request: Request<Incoming>,
    ledger: Arc<Ledger>,
    mut hold: watch::Receiver<bool>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let uri = head.uri.to_string();
    let attempt = head.headers.get("x-attempt").and_then(|it| it.to_str().ok()).unwrap_or("1").to_owned();
    *ledger.counts.lock().unwrap().entry(uri.clone()).or_default() += 1;
    if !ledger.quiet {
        let at = Instant::now();
        let seen = Seen { method: head.method, uri: uri.clone(), headers: head.headers, body: body.clone(), at };
        ledger.seen.lock().unwrap().push(seen);
    }
    let running = Running::new(ledger);

    let mut parts = head.uri.path().trim_start_matches('/').split('/');
    let (verb, argument) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let times = parts.clone().next().and_then(|it| it.parse().ok()).unwrap_or(1);
    let mut status = StatusCode::OK;
    match verb {
        "status" => status = argument.parse().unwrap(),
        "fail-first" if attempt.parse::<u32>().unwrap() <= times => status = argument.parse().unwrap(),
        "sleep" => tokio::time::sleep(Duration::from_millis(argument.parse().unwrap())).await,
        "slots" if running.count > argument.parse().unwrap() => {
            running.ledger.turned_away.fetch_add(1, Ordering::SeqCst);
            status = StatusCode::TOO_MANY_REQUESTS;
        }
        "slots" => {
            let call = parts.next().unwrap_or_default().parse().unwrap();
            tokio::time::sleep(Duration::from_millis(call)).await;
        }
        "hold" => drop(hold.wait_for(|released| *released).await),
        _ => {}
    }
    let mut response = Response::new(Full::new(Bytes::from(format!("answer to {}", String::from_utf8_lossy(&body)))));
    *response.status_mut() = status;
    response.headers_mut().insert("x-from-the-function", http::HeaderValue::from_static("yes"));
    if status == StatusCode::TOO_MANY_REQUESTS && verb == "slots" {
        response.headers_mut().insert("x-openfaas-internal", http::HeaderValue::from_static("faas-middleware"));
    }
    Ok(response)
}
