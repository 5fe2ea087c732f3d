//! Requests passed on to a program that serves HTTP by itself, streamed both ways.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Uri, Version, header};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use proto::header::drop_hop_by_hop;
use tokio::time::{Sleep, sleep_until};
use url::Url;

use super::answer::{self, Answer};
use super::body::{Body, kept};
use super::fault::Fault;
use super::limits::{Deadline, Limits};
use super::slots::Slot;
use crate::http_client;

/// The way to the program.
#[derive(Clone)]
pub(super) struct Proxy {
    base: Url,
    /// Whether bodies of requests are whole before they are passed on, for servers that insist on their length.
    whole: bool,
    client: Client<HttpConnector, Cut<Body>>,
}

impl Proxy {
    pub(super) fn new(base: Url, whole: bool) -> Self {
        Self { base, whole, client: http_client::plain() }
    }

    /// Passes a request on. Who drops this future, or the body of its answer, drops the request.
    pub(super) async fn answer(&self, request: Request<Body>, limits: Limits, slot: Slot) -> Answer {
        match self.pass(request, limits, slot).await {
            Ok(answer) => answer,
            Err(fault) => {
                tracing::warn!(%fault, "a request came to nothing");
                answer::failed(&fault)
            }
        }
    }

    async fn pass(&self, request: Request<Body>, limits: Limits, slot: Slot) -> Result<Answer, Fault> {
        let (mut head, mut body) = request.into_parts();
        if self.whole {
            body = kept(body, limits).await?;
        }
        head.uri = self.below(&head.uri)?;
        head.version = Version::HTTP_11;
        drop_hop_by_hop(&mut head.headers);
        // Our server has answered it by reading the body.
        head.headers.remove(header::EXPECT);
        if self.whole {
            head.headers.remove(header::CONTENT_LENGTH);
        }
        let body = Cut::at(body, limits.read, None);
        let answer = tokio::select! {
            answer = self.client.request(Request::from_parts(head, body)) => answer,
            after = limits.whole.passed() => return Err(Fault::TimedOut(after)),
        };
        let answer =
            answer.map_err(|error| match limits.read.at.is_some_and(|at| at <= tokio::time::Instant::now()) {
                true => Fault::SlowRequest(limits.read.after),
                false => Fault::Unreachable(error.source().map_or_else(|| error.to_string(), ToString::to_string)),
            })?;
        let (mut head, body) = answer.into_parts();
        head.version = Version::HTTP_11;
        drop_hop_by_hop(&mut head.headers);
        Ok(Answer::from_parts(head, Cut::<Incoming>::at(body, limits.whole, Some(slot)).boxed_unsync()))
    }

    /// The same path and query there.
    fn below(&self, uri: &Uri) -> Result<Uri, Fault> {
        let path = uri.path_and_query().map_or("/", |it| it.as_str());
        let base = self.base.path().trim_end_matches('/');
        let whole = format!("http://{}{base}{path}", self.base.authority());
        whole.parse().map_err(|error| Fault::Unreachable(format!("its path cannot be passed on: {error}")))
    }
}

/// A body that breaks off at a time.
struct Cut<B> {
    body: B,
    deadline: Deadline,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Of whom it is, until all of it is sent.
    _slot: Option<Slot>,
}

impl<B> Cut<B> {
    fn at(body: B, deadline: Deadline, slot: Option<Slot>) -> Self {
        Self { body, deadline, sleep: deadline.at.map(|at| Box::pin(sleep_until(at))), _slot: slot }
    }
}

impl<B> HttpBody for Cut<B>
where
    B: HttpBody<Data = Bytes, Error = hyper::Error> + Unpin,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        ready!(sleep.as_mut().poll(cx));
        self.sleep = None;
        Poll::Ready(Some(Err(io::Error::other(Fault::TimedOut(self.deadline.after)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
