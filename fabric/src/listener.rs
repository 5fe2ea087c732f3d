//! A TCP port that speaks HTTP/1.1: accept, bound what a peer may take, end gracefully.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

/// How long a connection may wait for the next whole head of a request: for hyper, a peer that sends it slowly and one
/// that keeps an idle connection open are the same. Shorter, and clients that pool connections would meet closed ones.
const HEAD_WITHIN: Duration = Duration::from_secs(75);
/// The largest head of a request, in bytes, and the most headers in it.
const HEAD_LEN_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 128;
/// Connections at once; more wait in the operating system's queue.
const CONNECTIONS_MAX: usize = 16 * 1024;
/// The pause after the operating system refused a connection, for lack of descriptors perhaps.
const AFTER_A_REFUSAL: Duration = Duration::from_millis(100);

/// Why a listener does not listen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be had.
    #[error("cannot listen on {addr}: {source}; choose another address with {flag}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The socket cannot be handed to the runtime.
    #[error("the listener on {addr} cannot be used: {source}")]
    Socket {
        /// The address.
        addr: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

/// A bound port. It stays bound while its server is restarted, and is let go of when a drain begins.
#[derive(Debug)]
pub struct Bound {
    socket: Mutex<Option<std::net::TcpListener>>,
    addr: SocketAddr,
}

/// Who sent a request, among its extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Binds `addr`; port 0 takes any free one. `flag` is what a person would change.
///
/// # Errors
/// [`Error::Bind`].
pub fn bind(addr: SocketAddr, flag: &'static str) -> Result<Bound, Error> {
    let bind = || {
        let socket = std::net::TcpListener::bind(addr)?;
        socket.set_nonblocking(true)?;
        let addr = socket.local_addr()?;
        Ok(Bound { socket: Mutex::new(Some(socket)), addr })
    };
    bind().map_err(|source| Error::Bind { addr, flag, source })
}

impl Bound {
    /// The address, with the port that was chosen.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn listen(&self) -> Result<TcpListener, Error> {
        let listen = || {
            let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
            let socket = socket.as_ref().ok_or_else(|| std::io::Error::other("it was let go of"))?;
            TcpListener::from_std(socket.try_clone()?)
        };
        listen().map_err(|source| Error::Socket { addr: self.addr, source })
    }

    /// With the last socket gone the operating system refuses connections; before, it would take them for nobody.
    fn let_go(&self) {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Serves until `drain` turns into a deadline; then accepts no more, finishes the requests in progress, and ends at
/// the deadline whatever is left.
///
/// # Errors
/// [`Error::Socket`]: the port cannot be served at all.
pub async fn serve<H, F, B>(bound: &Bound, handle: H, mut drain: watch::Receiver<Option<Instant>>) -> Result<(), Error>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Error: std::error::Error + Send + Sync, Data: Send> + Send + 'static,
{
    let listener = bound.listen()?;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let deadline = loop {
        let accept = async {
            // Never closed: a place comes free when a connection ends.
            let place = places.clone().acquire_owned().await;
            (listener.accept().await, place)
        };
        tokio::select! {
            deadline = wanted(&mut drain) => break deadline,
            Some(_) = connections.join_next() => {}
            (accepted, place) = accept => match accepted {
                Ok((stream, peer)) => {
                    let connection = graceful.watch(connection(stream, Peer(peer.ip()), handle.clone()));
                    connections.spawn(async move {
                        let _place = place;
                        if let Err(error) = connection.await {
                            tracing::debug!(%error, "a connection ended early");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, addr = %bound.addr, "a connection could not be accepted");
                    sleep(AFTER_A_REFUSAL).await;
                }
            },
        }
    };
    drop(listener);
    bound.let_go();
    if timeout_at(deadline, graceful.shutdown()).await.is_err() {
        tracing::warn!(addr = %bound.addr, "requests were cut off at the deadline of the drain");
    }
    Ok(())
}

/// The deadline, once there is one. A sender that is gone means that nobody waits for a graceful end.
async fn wanted(drain: &mut watch::Receiver<Option<Instant>>) -> Instant {
    match drain.wait_for(Option::is_some).await {
        Ok(deadline) => deadline.unwrap_or_else(Instant::now),
        Err(_) => Instant::now(),
    }
}

fn connection<H, F, B>(
    stream: TcpStream,
    peer: Peer,
    handle: H,
) -> http1::Connection<
    TokioIo<TcpStream>,
    impl hyper::service::HttpService<Incoming, ResBody = B, Error = Infallible, Future: Send> + Send,
>
where
    H: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Error: std::error::Error + Send + Sync> + 'static,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let response = handle(request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_LEN_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service)
}
