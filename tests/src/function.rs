//! Functions and a callback receiver in the test's own process, with a ledger of everything they were asked.

use std::collections::HashSet;
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
}

impl Seen {
    /// A header as text, empty if it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What happens to a request, by the first part of its path:
/// `/ok`, `/status/<code>`, `/sleep/<milliseconds>`, `/hold` (until [`Server::release`]), `/fail-first/<code>`
/// (that status at a call's first attempt, then 200).
pub struct Server {
    base: String,
    ledger: Arc<Ledger>,
    released: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Ledger {
    seen: Mutex<Vec<Seen>>,
    running: AtomicUsize,
    running_max: AtomicUsize,
}

impl Server {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let ledger = Arc::<Ledger>::default();
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

    /// How many run now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.ledger.running.load(Ordering::SeqCst)
    }

    /// Lets every request to `/hold` go on, now and from now on.
    pub fn release(&self) {
        self.released.send_replace(true);
    }
}

/// Counts a request for as long as it runs, also if its caller goes away.
struct Running(Arc<Ledger>);

impl Running {
    fn new(ledger: Arc<Ledger>) -> Self {
        let now = ledger.running.fetch_add(1, Ordering::SeqCst) + 1;
        ledger.running_max.fetch_max(now, Ordering::SeqCst);
        Self(ledger)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
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
    let seen = Seen { method: head.method, uri: uri.clone(), headers: head.headers, body: body.clone() };
    ledger.seen.lock().unwrap().push(seen);
    let _running = Running::new(ledger);

    let mut parts = head.uri.path().trim_start_matches('/').split('/');
    let (verb, argument) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut status = StatusCode::OK;
    match verb {
        "status" => status = argument.parse().unwrap(),
        "fail-first" if attempt == "1" => status = argument.parse().unwrap(),
        "sleep" => tokio::time::sleep(Duration::from_millis(argument.parse().unwrap())).await,
        "hold" => drop(hold.wait_for(|released| *released).await),
        _ => {}
    }
    let mut response = Response::new(Full::new(Bytes::from(format!("answer to {}", String::from_utf8_lossy(&body)))));
    *response.status_mut() = status;
    response.headers_mut().insert("x-from-the-function", http::HeaderValue::from_static("yes"));
    Ok(response)
}
