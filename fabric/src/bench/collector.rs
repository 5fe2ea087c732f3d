//! Who spans are sent to: takes them and forgets them, until it is killed.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// A collector.
pub(super) struct Collector {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
}

impl Collector {
    /// Listens on a free port.
    pub(super) async fn start() -> anyhow::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Listens where one was before.
    pub(super) async fn start_at(address: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.context("no port for the collector")?;
        let address = listener.local_addr()?;
        let (asked, mut tasks) = (Arc::<AtomicUsize>::default(), JoinSet::new());
        let count = asked.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let count = count.clone();
                let answer = service_fn(move |request| answer(request, count.clone()));
                connections.spawn(async move {
                    // Who sends spans may end at any time.
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
                });
            }
        });
        Ok(Self { address, asked, tasks })
    }

    /// Where it is.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until spans have come; fails if none come for `patience`.
    pub(super) async fn asked(&self, patience: Duration) -> anyhow::Result<()> {
        let since = Instant::now();
        while self.asked.load(Ordering::Relaxed) == 0 {
            if since.elapsed() > patience {
                bail!("no spans have come for {patience:?}");
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Ends it without a word to anybody; where it was.
    pub(super) async fn kill(mut self) -> SocketAddr {
        self.tasks.shutdown().await;
        self.address
    }
}

/// An empty message is an answer that says that all were taken.
async fn answer(request: Request<Incoming>, count: Arc<AtomicUsize>) -> Result<Response<Full<Bytes>>, Infallible> {
    drop(request.into_body().collect().await);
    count.fetch_add(1, Ordering::Relaxed);
    let mut response = Response::default();
    let kind = http::HeaderValue::from_static("application/x-protobuf");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    Ok(response)
}
