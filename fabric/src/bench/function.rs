//! The function that is called: answers at once, or after a time, and notes when it was called and for how long.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// A call that came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    /// The number that its body begins with.
    pub(super) number: usize,
    /// How long its path asks it to take.
    pub(super) takes: Duration,
    /// When it began.
    pub(super) began: Instant,
    /// When it ended, if it has.
    pub(super) ended: Option<Instant>,
}

type Hits = Arc<Mutex<Vec<Hit>>>;

/// `/<milliseconds>` takes so long.
pub(super) struct Function {
    base: String,
    hits: Hits,
    _tasks: JoinSet<()>,
}

/// The same function at many addresses, as many functions are: no two share a connection.
pub(super) struct Apart {
    /// Where a call is answered at once.
    pub(super) urls: Vec<String>,
    _tasks: JoinSet<()>,
}

impl Function {
    /// Listens on a free port.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let (hits, mut tasks) = (Hits::default(), JoinSet::new());
        let base = listen(&hits, &mut tasks).await?;
        Ok(Self { base, hits, _tasks: tasks })
    }

    /// Listens on so many more, for as long as what is answered here is kept.
    pub(super) async fn apart(&self, addresses: usize) -> anyhow::Result<Apart> {
        let (mut urls, mut tasks) = (Vec::new(), JoinSet::new());
        for _ in 0..addresses {
            urls.push(listen(&self.hits, &mut tasks).await? + "/0");
        }
        Ok(Apart { urls, _tasks: tasks })
    }

    /// Where a call takes so many milliseconds.
    pub(super) fn url(&self, milliseconds: u64) -> String {
        format!("{}/{milliseconds}", self.base)
    }

    /// Forgets all calls.
    pub(super) fn forget(&self) {
        lock(&self.hits).clear();
    }

    /// All calls since.
    pub(super) fn hits(&self) -> Vec<Hit> {
        lock(&self.hits).clone()
    }

    /// Waits until so many calls have come; fails when none has come for `patience`.
    pub(super) async fn reached(&self, count: usize, patience: Duration) -> anyhow::Result<Vec<Hit>> {
        self.counted(count, <[Hit]>::len, patience).await
    }

    /// The same of some of them, as they are counted.
    pub(super) async fn counted(
        &self,
        count: usize,
        of: impl Fn(&[Hit]) -> usize,
        patience: Duration,
    ) -> anyhow::Result<Vec<Hit>> {
        let (mut before, mut since) = (0, Instant::now());
        loop {
            let now = of(&lock(&self.hits));
            if now >= count {
                return Ok(self.hits());
            }
            if now > before {
                (before, since) = (now, Instant::now());
            } else if since.elapsed() > patience {
                bail!("{now} of {count} calls have come, and none for {patience:?}");
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Fails if a call has come more than once.
pub(super) fn once_each(hits: &[Hit]) -> anyhow::Result<()> {
    let numbers: HashSet<usize> = hits.iter().map(|hit| hit.number).collect();
    anyhow::ensure!(numbers.len() == hits.len(), "{} calls ran twice", hits.len() - numbers.len());
    Ok(())
}

/// Calls a second, from the first to the last.
pub(super) fn rate(hits: &[Hit]) -> f64 {
    let began = || hits.iter().map(|hit| hit.began);
    match (began().min(), began().max()) {
        (Some(first), Some(last)) if last > first => (hits.len() - 1) as f64 / (last - first).as_secs_f64(),
        _ => 0.0,
    }
}

/// Serves a free port; answers where that is.
async fn listen(hits: &Hits, tasks: &mut JoinSet<()>) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for the function")?;
    let base = format!("http://{}", listener.local_addr()?);
    let ledger = hits.clone();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream.set_nodelay(true));
            let ledger = ledger.clone();
            let answer = service_fn(move |request| answer(request, ledger.clone()));
            connections.spawn(async move {
                // A caller that hangs up is its own affair.
                drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
            });
            while connections.try_join_next().is_some() {}
        }
    });
    Ok(base)
}

fn lock(hits: &Mutex<Vec<Hit>>) -> MutexGuard<'_, Vec<Hit>> {
    hits.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(request: Request<Incoming>, ledger: Hits) -> Result<Response<Full<Bytes>>, Infallible> {
    let began = Instant::now();
    let takes = request.uri().path().trim_start_matches('/').parse().map(Duration::from_millis).unwrap_or_default();
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let number = body.split(|byte| !byte.is_ascii_digit()).next();
    let number = number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(usize::MAX);
    let index = {
        let mut hits = lock(&ledger);
        hits.push(Hit { number, takes, began, ended: None });
        hits.len() - 1
    };
    if !takes.is_zero() {
        sleep(takes).await;
        if let Some(hit) = lock(&ledger).get_mut(index).filter(|hit| hit.began == began) {
            hit.ended = Some(Instant::now());
        }
    }
    Ok(Response::default())
}
