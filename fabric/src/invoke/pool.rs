//! Connections that are used again, call after call.
//!
//! Whoever uses a connection drives it: hyper's half of an exchange runs in the task that waits for the answer, so that
//! nothing is handed to another task and back, which costs a short call more than its bytes do. A connection that is kept
//! is driven by nobody; whether the other side has closed it is seen when it is to be used, at the latest when its time
//! is up.

mod shelf;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::uri::PathAndQuery;
use http::{Request, Response, Uri, response};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::rt::{Read, Write};
use tokio::task::coop::{Unconstrained, unconstrained};
use tower_service::Service;

use self::shelf::{Found, Lent, Origin, Reused, Shelf, Use};

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
    shelf: Arc<Shelf<Box<Link<C::Response>>>>,
}

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
    link: Option<Lent<Box<Link<I>>>>,
}

impl<C: Connect> Pool<C> {
    /// Connections made by `connector`, spoken over by `protocol`, and kept for so long, at most so many at once.
    pub fn new(connector: C, protocol: Builder, keep_for: Duration, keep_max: usize) -> Self {
        Self { connector, protocol, shelf: Arc::new(Shelf::new(keep_for, keep_max)) }
    }

    /// Sends a request, which names its host in a header, and answers the head of what comes back. Where there is no
    /// connection, it may wait for one that others use, for as long as it has `patience`, before it makes one.
    /// Dropping the future, or the answer before its end, closes the connection.
    ///
    /// # Errors
    /// [`Error`]. A request that a kept connection was closed in front of is sent over another one.
    pub async fn send(
        &self,
        mut request: Box<Request<Full<Bytes>>>,
        mut patience: Duration,
    ) -> Result<Answer<C::Response>, Error> {
        let uri = std::mem::take(request.uri_mut());
        let origin = origin(&uri)?;
        *request.uri_mut() = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")).into();
        loop {
            let (link, used) = match self.shelf.find(&origin, !patience.is_zero()) {
                Found::Kept(lent) => lent,
                Found::Soon(line) => match Box::pin(line.wait(std::mem::take(&mut patience))).await {
                    Some(found) => found,
                    None => continue,
                },
                Found::Nothing(used) => {
                    let link = Box::pin(self.connect(uri)).await?;
                    let (response, link) = link.send(request).await.map_err(|(error, _)| error)?;
                    return Ok(answer(response, link, used));
                }
            };
            request = match link.send(request).await {
                Ok((response, link)) => return Ok(answer(response, link, used)),
                Err((_, Some(unsent))) => unsent,
                Err((error, None)) => return Err(error),
            };
        }
    }

    async fn connect(&self, uri: Uri) -> Result<Box<Link<C::Response>>, Error> {
        let mut connector = self.connector.clone();
        let failed = |error: C::Error| Error::Connect(error.into());
        poll_fn(|cx| connector.poll_ready(cx)).await.map_err(failed)?;
        let io = connector.call(uri).await.map_err(failed)?;
        let (requests, connection) = self.protocol.handshake(io).await?;
        Ok(Box::new(Link { requests, connection }))
    }
}

fn answer<I: Io>(response: Response<Incoming>, link: Box<Link<I>>, used: Use<Box<Link<I>>>) -> Answer<I> {
    let (head, body) = response.into_parts();
    let mut answer = Answer { head, body, link: Some((link, used)) };
    if answer.body.is_end_stream() {
        answer.end();
    }
    answer
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
        if let Some((mut link, used)) = self.link.take()
            && (link.requests.is_ready() || link.is_free())
        {
            used.keep(link);
        }
    }
}

impl<I: Io> Link<I> {
    /// The answer's head; or why there is none, and the request if nothing of it has been sent.
    async fn send(
        mut self: Box<Self>,
        request: Box<Request<Full<Bytes>>>,
    ) -> Result<(Response<Incoming>, Box<Self>), (Error, Option<Box<Request<Full<Bytes>>>>)> {
        let mut answer = pin!(unconstrained(self.requests.try_send_request(*request)));
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
}

impl<I: Io> Reused for Box<Link<I>> {
    /// Nobody is woken for it.
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
