//! A TCP port that speaks HTTP/1.1, and HTTP/2 to who begins with it: accept, bound what a peer may take, end gracefully.

mod framing;
pub mod host;
mod peers;
mod stream;
mod traffic;

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Response, Version, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

pub use self::framing::Framing;
use self::peers::Peers;
use self::stream::Stream;
use self::traffic::Traffic;

/// How long a connection may be idle. Shorter, and clients that pool connections would meet closed ones. A head that has
/// begun has less time: see [`stream`].
const IDLE_WITHIN: Duration = Duration::from_secs(75);
/// The largest head of a request, in bytes, and the most headers in it.
const HEAD_LEN_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 128;
/// Requests at once over a connection of HTTP/2.
const STREAMS_MAX: u32 = 128;
/// How much of the bodies of one request, and of all of a connection, comes in before somebody reads it, in bytes; and how
/// much of an answer is held until it can go out. HTTP/2 only: with HTTP/1 there is one buffer of [`HEAD_LEN_MAX`].
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const SEND_BUFFER: usize = 64 * 1024;
/// Requests of HTTP/2 that were taken back before anybody looked at them, and that were ended here for what is wrong with
/// them: with more of either the connection ends.
const RESETS_PENDING_MAX: usize = 32;
const RESETS_LOCAL_MAX: usize = 256;
/// A peer that speaks HTTP/2 is asked whether it is still there, and has so long to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);
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

/// How much a port takes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more wait in the operating system's queue.
    pub connections: usize,
    /// Connections at once from one address; more are closed.
    pub per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 16 * 1024, per_address: 4 * 1024 }
    }
}

/// A bound port. It stays bound while its server is restarted, and is let go of when a drain begins.
#[derive(Debug)]
pub struct Bound {
    socket: Mutex<Option<std::net::TcpListener>>,
    addr: SocketAddr,
    limits: Limits,
}

/// Who sent a request, among its extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Binds `addr`; port 0 takes any free one. `flag` is what a person would change.
///
/// # Errors
/// [`Error::Bind`].
pub fn bind(addr: SocketAddr, limits: Limits, flag: &'static str) -> Result<Bound, Error> {
    let bind = || {
        let socket = std::net::TcpListener::bind(addr)?;
        socket.set_nonblocking(true)?;
        let addr = socket.local_addr()?;
        Ok(Bound { socket: Mutex::new(Some(socket)), addr, limits })
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

/// Serves until `drain` turns into a deadline; then accepts no more, finishes the requests in progress, ends connections
/// without one, and at the deadline whatever is left.
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
    let places = Arc::new(Semaphore::new(bound.limits.connections));
    let peers = Peers::new(bound.limits.per_address);
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
                    let Some(guest) = peers.admit(peer.ip()) else {
                        tracing::debug!(peer = %peer.ip(), "a connection was closed: there are too many from there");
                        continue;
                    };
                    let traffic = Traffic::default();
                    let rests = rests(traffic.clone(), drain.clone());
                    let connection = connection(stream, Peer(peer.ip()), handle.clone(), traffic);
                    let connection = graceful.watch(connection);
                    connections.spawn(async move {
                        let _held = (place, guest);
                        tokio::select! {
                            ended = connection => if let Err(error) = ended {
                                tracing::debug!(%error, "a connection ended early");
                            },
                            () = rests => tracing::debug!("the drain ended a connection without an open request"),
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

/// Ends when nothing goes on over a connection in a drain. Hyper asks a peer to come to an end, and waits for it: for the
/// rest of a head, or for what HTTP/2 has to be told by both.
async fn rests(traffic: Traffic, mut drain: watch::Receiver<Option<Instant>>) {
    wanted(&mut drain).await;
    traffic.rest().await;
}

fn connection<H, F, B>(
    stream: TcpStream,
    peer: Peer,
    handle: H,
    traffic: Traffic,
) -> impl GracefulConnection<Error = Box<dyn std::error::Error + Send + Sync>> + Send + 'static
where
    H: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Error: std::error::Error + Send + Sync, Data: Send> + Send + 'static,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let stream = Stream::new(stream, traffic.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        let open = traffic.begin();
        request.extensions_mut().insert(peer);
        if request.version() == Version::HTTP_2 {
            name_host(&mut request);
            join_cookies(request.headers_mut());
        }
        let response = handle(request);
        async move {
            // It is open until nobody needs its answer any more.
            let with_it = |body: B| {
                body.map_err(move |error| {
                    let _still = &open;
                    error
                })
            };
            Ok::<_, Infallible>(response.await.map(with_it))
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_WITHIN)
        .max_buf_size(HEAD_LEN_MAX)
        .max_headers(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_LEN_MAX as u32)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(RESETS_LOCAL_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN);
    builder.serve_connection(TokioIo::new(stream), service).into_owned()
}

/// HTTP/2 names the host beside the headers, and what comes after this looks for it there (RFC 9113, 8.3.1).
fn name_host<B>(request: &mut Request<B>) {
    let authority = request.uri().authority().filter(|_| !request.headers().contains_key(header::HOST));
    let host = authority.and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    request.headers_mut().extend(host.map(|host| (header::HOST, host)));
}

/// HTTP/2 may send cookies one by one, HTTP/1 may not (RFC 9113, 8.2.3), and functions are called by HTTP/1.
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        // What was the value of a header, is one with "; " in between.
        && let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, whole);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    use super::*;

    const GRACE: Duration = Duration::from_secs(60);
    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    /// How long the drain takes of a listener over which connections have sent these bytes, and what the last of them is
    /// answered in it.
    async fn drained(sent: &[&[u8]], release: impl Future<Output = ()>) -> (Duration, String) {
        let bound = bind(([127, 0, 0, 1], 0).into(), Limits::default(), "--listen").unwrap();
        let (drain, draining) = watch::channel(None);
        let held = Arc::new(Notify::new());
        let waits = held.clone();
        let handle = move |request: Request<Incoming>| {
            let waits = waits.clone();
            async move {
                if request.uri().path() == "/held" {
                    waits.notified().await;
                }
                Response::new(Full::<Bytes>::default())
            }
        };
        let address = bound.addr();
        let client = async {
            let mut peers = Vec::new();
            for sent in sent {
                let mut peer = TcpStream::connect(address).await.unwrap();
                peer.write_all(GET).await.unwrap();
                // It is known to the listener before the drain begins; HTTP/2 has to be first.
                if *sent == HTTP_2 {
                    peer = TcpStream::connect(address).await.unwrap();
                    peer.write_all(sent).await.unwrap();
                } else {
                    assert!(peer.read(&mut [0; 1024]).await.unwrap() > 0);
                    peer.write_all(sent).await.unwrap();
                }
                peers.push(peer);
            }
            sleep(Duration::from_millis(100)).await;
            drain.send_replace(Some(Instant::now() + GRACE));
            let began = Instant::now();
            release.await;
            held.notify_waiters();
            let mut answer = Vec::new();
            if let Some(last) = peers.last_mut() {
                drop(last.read_to_end(&mut answer).await);
            }
            (began, String::from_utf8_lossy(&answer).into_owned())
        };
        let (served, (began, answer)) = tokio::join!(serve(&bound, handle, draining), client);
        served.unwrap();
        (began.elapsed(), answer)
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_does_not_wait_for_who_has_no_request_open() {
        for sent in [&[HTTP_2][..], &[b"GET / HTTP/1.1\r\nhost"], &[b""], &[b"\r\n", HTTP_2, b"P"]] {
            let (took, _) = drained(sent, std::future::ready(())).await;
            assert!(took <= Duration::from_secs(2), "{took:?} for {sent:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_who_has_one() {
        let asked = b"GET /held HTTP/1.1\r\nhost: x\r\n\r\n";
        let (took, answer) = drained(&[HTTP_2, asked], sleep(Duration::from_secs(30))).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
        assert!((29..40).contains(&took.as_secs()), "{took:?}");
    }

    #[test]
    fn crumbs_of_cookies_are_one_header() {
        let mut headers: HeaderMap =
            ["a=1", "b=2"].iter().map(|crumb| (header::COOKIE, HeaderValue::from_static(crumb))).collect();
        join_cookies(&mut headers);
        assert_eq!(headers.get_all(header::COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }
}
