//! Connections that are kept while nothing goes over them.
//!
//! Whoever uses a connection drives it: hyper's half of an exchange runs in the task that waits for the answer, so that
//! nothing is handed to another task and back, which costs a short call more than its bytes do. A connection that is kept
//! is driven by nobody; whether the other side has closed it is seen when it is to be used, at the latest when its time
//! is up.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri, response};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::rt::{Read, Write};
use tokio::task::JoinSet;
use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Instant, sleep};
use tower_service::Service;

/// Why there is no answer, or no more of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL names nothing to connect to.
    #[error("the URL names no host")]
    NoHost,
    /// There is no connection.
    #[error("{0}")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There was one.
    #[error(transparent)]
    Exchange(#[from] hyper::Error),
    /// The connection ended without a word on the exchange.
    #[error("the connection ended")]
    Ended,
}

/// What a connection is made with, and what the connection is.
pub trait Connect: Service<Uri, Response: Io, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Clone {}

impl<C> Connect for C where C: Service<Uri, Response: Io, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Clone {}

/// What goes over a connection goes through this.
pub trait Io: Read + Write + Unpin + Send + 'static {}

impl<T: Read + Write + Unpin + Send + 'static> Io for T {}

/// Connections by where they lead to.
pub struct Pool<C: Connect> {
    connector: C,
    protocol: Builder,
    shelf: Arc<Shelf<C::Response>>,
}

/// Where a connection leads to.
type Origin = (Scheme, Authority);

/// The connections over which nothing goes.
struct Shelf<I: Io> {
    kept: Mutex<Kept<I>>,
    keep_for: Duration,
    keep_max: usize,
}

struct Kept<I: Io> {
    /// Of each origin the oldest first: the youngest is used again, and the others grow old.
    idle: HashMap<Origin, Vec<Idle<I>>>,
    /// How many of all origins.
    count: usize,
    is_swept: bool,
    sweeping: JoinSet<()>,
}

/// A connection, and since when nothing goes over it.
type Idle<I> = (Instant, Box<Link<I>>);

/// Both ends of hyper's half of a connection.
struct Link<I: Io> {
    requests: SendRequest<Full<Bytes>>,
    connection: Connection<I, Full<Bytes>>,
}

/// An answer, of which the head has come.
pub struct Answer<I: Io> {
    /// Its status and headers.
    pub head: response::Parts,
    body: Incoming,
    /// Until it is at its end.
    link: Option<(Box<Link<I>>, Origin)>,
    shelf: Arc<Shelf<I>>,
}

impl<C: Connect> Pool<C> {
    /// Connections made by `connector`, spoken over by `protocol`, and kept for so long, at most so many at once.
    pub fn new(connector: C, protocol: Builder, keep_for: Duration, keep_max: usize) -> Self {
        let kept = Mutex::new(Kept { idle: HashMap::new(), count: 0, is_swept: false, sweeping: JoinSet::new() });
        Self { connector, protocol, shelf: Arc::new(Shelf { kept, keep_for, keep_max }) }
    }

    /// Sends a request, which names its host in a header, and answers the head of what comes back. Dropping the future,
    /// or the answer before its end, closes the connection.
    ///
    /// # Errors
    /// [`Error`]. A request that a kept connection was closed in front of is sent over another one.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Answer<C::Response>, Error> {
        let uri = std::mem::take(request.uri_mut());
        let origin = origin(&uri)?;
        *request.uri_mut() = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")).into();
        while let Some(link) = self.shelf.take(&origin) {
            request = match link.send(request).await {
                Ok((response, link)) => return Ok(self.answer(response, link, origin)),
                Err((_, Some(unsent))) => *unsent,
                Err((error, None)) => return Err(error),
            };
        }
        let link = self.connect(uri).await?;
        let (response, link) = link.send(request).await.map_err(|(error, _)| error)?;
        Ok(self.answer(response, link, origin))
    }

    async fn connect(&self, uri: Uri) -> Result<Box<Link<C::Response>>, Error> {
        let mut connector = self.connector.clone();
        let failed = |error: C::Error| Error::Connect(error.into());
        poll_fn(|cx| connector.poll_ready(cx)).await.map_err(failed)?;
        let io = connector.call(uri).await.map_err(failed)?;
        let (requests, connection) = self.protocol.handshake(io).await?;
        Ok(Box::new(Link { requests, connection }))
    }

    fn answer(
        &self,
        response: Response<Incoming>,
        link: Box<Link<C::Response>>,
        origin: Origin,
    ) -> Answer<C::Response> {
        let (head, body) = response.into_parts();
        let mut answer = Answer { head, body, link: Some((link, origin)), shelf: self.shelf.clone() };
        if answer.body.is_end_stream() {
            answer.end();
        }
        answer
    }
}

fn origin(uri: &Uri) -> Result<Origin, Error> {
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Err(Error::NoHost) };
    Ok((scheme.clone(), authority.clone()))
}

impl<I: Io> Answer<I> {
    /// The next piece of its body; nothing at its end, from where on its connection is free for others.
    pub async fn frame(&mut self) -> Option<Result<Frame<Bytes>, Error>> {
        let (link, _) = self.link.as_mut()?;
        let body = &mut self.body;
        let next = pin!(unconstrained(poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx))));
        let frame = match drive(&mut link.connection, next).await {
            Some(frame) => frame.map(|frame| frame.map_err(Error::from)),
            None => Some(Err(Error::Ended)),
        };
        match &frame {
            None => self.end(),
            Some(Err(_)) => self.link = None,
            Some(Ok(_)) if self.body.is_end_stream() => self.end(),
            Some(Ok(_)) => {}
        }
        frame
    }

    fn end(&mut self) {
        if let Some((link, origin)) = self.link.take() {
            self.shelf.keep(link, origin);
        }
    }
}

impl<I: Io> Link<I> {
    /// The answer's head; or why there is none, and the request if nothing of it has been sent.
    async fn send(
        mut self: Box<Self>,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Box<Self>), (Error, Option<Box<Request<Full<Bytes>>>>)> {
        let mut answer = pin!(unconstrained(self.requests.try_send_request(request)));
        let failed = match drive(&mut self.connection, answer.as_mut()).await {
            Some(Ok(response)) => return Ok((response, self)),
            Some(Err(error)) => Some(error),
            None => {
                // What the connection had not begun to send comes back when it is dropped.
                drop(self);
                answer.now_or_never().and_then(Result::err)
            }
        };
        let Some(mut error) = failed else { return Err((Error::Ended, None)) };
        let unsent = error.take_message().map(Box::new);
        Err((error.into_error().into(), unsent))
    }

    /// Whether a request can be sent at once. Nobody is woken for it.
    fn is_free(&mut self) -> bool {
        let is_open = Pin::new(&mut self.connection).poll(&mut Context::from_waker(Waker::noop())).is_pending();
        is_open && self.requests.is_ready()
    }
}

/// Does what waits for nothing but this connection, and drives the connection until it is done. Nothing if the
/// connection ends before.
///
/// Nothing but the connection moves the work on, so it need not be woken: it is looked at whenever the connection was. It
/// must not be told to wait for another reason either, as the runtime does with tasks that take long.
async fn drive<I: Io, T>(
    connection: &mut Connection<I, Full<Bytes>>,
    mut work: Pin<&mut Unconstrained<impl Future<Output = T>>>,
) -> Option<T> {
    let mut look = move || match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    };
    if let Some(done) = look() {
        return Some(done);
    }
    poll_fn(|cx| {
        let is_over = Pin::new(&mut *connection).poll(cx).is_ready();
        match look() {
            Some(done) => Poll::Ready(Some(done)),
            None if is_over => Poll::Ready(None),
            None => Poll::Pending,
        }
    })
    .await
}

impl<I: Io> Shelf<I> {
    fn kept(&self) -> MutexGuard<'_, Kept<I>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that is still open, as far as can be seen.
    fn take(&self, origin: &Origin) -> Option<Box<Link<I>>> {
        let now = Instant::now();
        loop {
            let (since, mut link) = self.kept().take(origin)?;
            if now.duration_since(since) < self.keep_for && link.is_free() {
                return Some(link);
            }
        }
    }

    /// Keeps a connection for the next request, if it can take one.
    fn keep(self: &Arc<Self>, mut link: Box<Link<I>>, origin: Origin) {
        if !link.requests.is_ready() && !link.is_free() {
            return;
        }
        // Closed when the lock is free again.
        let _old;
        let mut kept = self.kept();
        _old = (kept.count >= self.keep_max).then(|| kept.thin());
        kept.idle.entry(origin).or_default().push((Instant::now(), link));
        kept.count += 1;
        if !std::mem::replace(&mut kept.is_swept, true) {
            while kept.sweeping.try_join_next().is_some() {}
            kept.sweeping.spawn(sweep(Arc::downgrade(self), self.keep_for));
        }
    }
}

impl<I: Io> Kept<I> {
    /// The youngest one.
    fn take(&mut self, origin: &Origin) -> Option<Idle<I>> {
        let youngest = self.idle.get_mut(origin)?.pop()?;
        self.count -= 1;
        Some(youngest)
    }

    /// Takes out those over which nothing has gone since then.
    fn take_older(&mut self, than: Instant) -> Vec<Idle<I>> {
        let mut old = Vec::new();
        self.idle.retain(|_, links| {
            let count = links.partition_point(|(since, _)| *since <= than);
            old.extend(links.drain(..count));
            !links.is_empty()
        });
        self.count -= old.len();
        old
    }

    /// Takes out the older half: one at a time, each would be looked for among all.
    fn thin(&mut self) -> Vec<Idle<I>> {
        let mut all: Vec<Instant> = self.idle.values().flatten().map(|(since, _)| *since).collect();
        let Some(middle) = (all.len() / 2).checked_sub(1) else { return Vec::new() };
        let (_, median, _) = all.select_nth_unstable(middle);
        self.take_older(*median)
    }
}

/// Closes connections whose time is up, for as long as there are any.
async fn sweep<I: Io>(shelf: Weak<Shelf<I>>, keep_for: Duration) {
    loop {
        sleep(keep_for / 4).await;
        let Some(shelf) = shelf.upgrade() else { return };
        // Closed when the lock is free again.
        let _old;
        let mut kept = shelf.kept();
        _old = Instant::now().checked_sub(keep_for).map(|then| kept.take_older(then));
        kept.is_swept = !kept.idle.is_empty();
        if !kept.is_swept {
            return;
        }
    }
}
