//! Three functions to try Fabric on, and a receiver that prints callbacks: a real HTTP server on a port of its own.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use proto::header::{X_CALL_ID, X_DURATION_SECONDS, X_FUNCTION_NAME, X_FUNCTION_STATUS};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

use crate::listener;

/// The longest sleep, and the largest body that is echoed.
const SLEEP_MAX: Duration = Duration::from_secs(60 * 60);
const BODY_LEN_MAX: usize = 16 * 1024 * 1024;
/// How many calls `/flaky` remembers.
const REMEMBERED_MAX: usize = 10_000;

/// Prints a line.
pub type Say = Arc<dyn Fn(String) + Send + Sync>;

/// The demo functions at work; they end when this is dropped.
pub struct Demo {
    base: String,
    server: JoinHandle<()>,
    /// Dropping it would end the server gracefully; aborting ends it at once.
    _drain: watch::Sender<Option<tokio::time::Instant>>,
}

impl Demo {
    /// Starts them on a free port of this machine.
    ///
    /// # Errors
    /// When no port can be had.
    #[expect(clippy::unused_async, reason = "a runtime must be there to serve on")]
    pub async fn start(say: Say) -> Result<Self, listener::Error> {
        let bound =
            listener::bind(([127, 0, 0, 1], 0).into(), listener::Limits::default(), "another network namespace")?;
        let base = format!("http://{}", bound.addr());
        let functions = Arc::new(Functions { say, flaky: Mutex::default() });
        let handle = move |request| {
            let functions = functions.clone();
            async move { functions.handle(request).await }
        };
        let (drain, wanted) = watch::channel(None);
        #[expect(clippy::disallowed_methods, reason = "the handle is kept, and aborts the task when it is dropped")]
        let server = tokio::spawn(async move {
            if let Err(error) = listener::serve(&bound, handle, wanted).await {
                tracing::error!(%error, "the demo functions ended");
            }
        });
        Ok(Self { base, server, _drain: drain })
    }

    /// Each function's name and where it answers.
    #[must_use]
    pub fn functions(&self) -> Vec<(&'static str, Url)> {
        let url = |name: &'static str| Some((name, Url::parse(&format!("{}/{name}", self.base)).ok()?));
        ["echo", "sleep", "flaky"].into_iter().filter_map(url).collect()
    }

    /// Where callbacks are printed.
    #[must_use]
    pub fn callback_url(&self) -> String {
        format!("{}/callbacks", self.base)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Functions {
    say: Say,
    flaky: Mutex<Failures>,
}

/// How often each call has failed so far; the oldest is forgotten when there are too many.
#[derive(Default)]
struct Failures {
    by_call: HashMap<String, u32>,
    order: VecDeque<String>,
}

impl Functions {
    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let (name, argument) =
            path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
        match name {
            "echo" => echo(request).await,
            "sleep" => sleep(argument).await,
            "flaky" => self.flaky(argument, &call_id(&request)),
            "callbacks" => self.callback(request).await,
            _ => answer(StatusCode::NOT_FOUND, "echo, sleep/<seconds> or flaky/<failures>\n"),
        }
    }

    /// Fails so many times for each call, then succeeds.
    fn flaky(&self, failures: &str, call: &str) -> Response<Full<Bytes>> {
        let Ok(failures) = failures.parse::<u32>() else {
            return answer(StatusCode::BAD_REQUEST, "flaky/<failures>: how often to fail\n");
        };
        let failed = self.flaky.lock().unwrap_or_else(PoisonError::into_inner).fail(call, failures);
        match failed {
            Some(n) => answer(StatusCode::SERVICE_UNAVAILABLE, format!("failure {n} of {failures}\n")),
            None => answer(StatusCode::OK, format!("succeeded after {failures} failures\n")),
        }
    }

    async fn callback(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let field = |name| request.headers().get(name).and_then(|it| it.to_str().ok()).unwrap_or("-").to_owned();
        let [call, function, status] = [X_CALL_ID, X_FUNCTION_NAME, X_FUNCTION_STATUS].map(field);
        let seconds = field(X_DURATION_SECONDS);
        let body = body(request).await;
        let shown: String = String::from_utf8_lossy(&body).trim_end().chars().take(60).collect();
        (self.say)(format!("callback: {function} {call} status {status} after {seconds} s: {shown:?}"));
        answer(StatusCode::OK, "")
    }
}

impl Failures {
    /// Counts one more failure of `call`, unless it has had enough.
    fn fail(&mut self, call: &str, enough: u32) -> Option<u32> {
        let failed = self.by_call.get(call).copied().unwrap_or(0);
        if failed >= enough {
            self.by_call.remove(call);
            self.order.retain(|it| it != call);
            return None;
        }
        if failed == 0 {
            self.order.push_back(call.to_owned());
            if self.order.len() > REMEMBERED_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_call.remove(&oldest);
            }
        }
        self.by_call.insert(call.to_owned(), failed + 1);
        Some(failed + 1)
    }
}

async fn echo(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
    let mut response = answer(StatusCode::OK, body(request).await);
    let content_type = content_type.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

async fn sleep(seconds: &str) -> Response<Full<Bytes>> {
    let duration = seconds.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match duration.filter(|duration| *duration <= SLEEP_MAX) {
        Some(duration) => {
            tokio::time::sleep(duration).await;
            answer(StatusCode::OK, format!("slept {seconds} s\n"))
        }
        None => answer(StatusCode::BAD_REQUEST, "sleep/<seconds>: at most 3600\n"),
    }
}

fn call_id(request: &Request<Incoming>) -> String {
    request.headers().get(X_CALL_ID).and_then(|id| id.to_str().ok()).unwrap_or("none").to_owned()
}

/// The body; what is too long or breaks off is empty, as it is of no use to a demo.
async fn body(request: Request<Incoming>) -> Bytes {
    Limited::new(request.into_body(), BODY_LEN_MAX).collect().await.map(|it| it.to_bytes()).unwrap_or_default()
}

fn answer(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flaky_call_fails_as_often_as_it_was_told_and_no_other_does() {
        let mut failures = Failures::default();
        assert_eq!([1, 2].map(|_| failures.fail("a", 2)), [Some(1), Some(2)]);
        assert_eq!(failures.fail("b", 1), Some(1));
        assert_eq!(failures.fail("a", 2), None);
        assert_eq!(failures.fail("b", 1), None);
        assert!(failures.by_call.is_empty() && failures.order.is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let mut failures = Failures::default();
        for call in 0..2 * REMEMBERED_MAX {
            failures.fail(&call.to_string(), 5);
        }
        assert_eq!((failures.by_call.len(), failures.order.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    }
}
