//! The invoker: HTTP requests to functions, and to callback receivers by stricter rules.

pub mod address;
pub mod guard;
pub mod pool;
pub mod redirect;
pub mod resolve;
pub mod rules;

use std::collections::BTreeSet;
use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use actors::port::invoker::{Answer, Destination, Error, Invocation};
use actors::port::{BoxFuture, Invoker};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use proto::host::Hosts;
use tokio::time::timeout;
use url::Url;

use self::guard::Guarded;
use self::pool::{Connect, Io, Pool};
use self::redirect::Hop;
use self::resolve::Resolve;
use self::rules::Rules;
use crate::{http_client, open_files};

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("fabric/", env!("CARGO_PKG_VERSION")));

/// How much of a receiver's answer is read, in bytes: only its status counts, and it may send for as long as it likes.
const RECEIVER_LEN_MAX: u64 = 64 * 1024;

/// Sends requests over pooled HTTP/1.1 connections.
pub struct HttpInvoker {
    functions: Pool<HttpsConnector<HttpConnector>>,
    callbacks: Pool<HttpsConnector<Guarded>>,
}

impl HttpInvoker {
    /// An invoker whose callbacks go where `rules` allow it, names being what `resolver` says.
    #[must_use]
    pub fn new(rules: Rules, resolver: Arc<dyn Resolve>) -> Self {
        let guarded = Guarded::new(rules, resolver);
        Self { functions: pool(http_client::tcp()), callbacks: pool(guarded) }
    }

    async fn to_function(
        &self,
        request: Box<Request<Full<Bytes>>>,
        patience: Duration,
        keep_up_to: Option<usize>,
    ) -> Result<Answer, Error> {
        keep(exchange(&self.functions, request, patience).await?, keep_up_to).await
    }

    async fn to_receiver(&self, mut url: Url, only: Option<Hosts>, parcel: Parcel) -> Result<Answer, Error> {
        for hop in 0.. {
            let mut request = request(url.clone(), parcel.clone())?;
            name_host(&mut request);
            confine(request.uri_mut(), only.as_ref())?;
            let response = exchange(&self.callbacks, request, Duration::ZERO).await?;
            match redirect::next(&url, response.head.status, &response.head.headers, hop)? {
                Hop::Stay => return skim(response).await,
                Hop::Follow(next) => url = next,
            }
        }
        Err(Error::Forbidden("it redirects for ever".into()))
    }
}

/// What is sent, wherever it goes.
#[derive(Clone)]
struct Parcel {
    method: Method,
    headers: HeaderMap,
    body: Bytes,
}

impl Invoker for HttpInvoker {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Answer, Error>> {
        let Invocation { destination, method, headers, body, timeout, patience, keep } = invocation;
        let parcel = Parcel { method, headers, body };
        match destination {
            Destination::Function { url, host } => {
                let request = request_to_function(url, host, parcel);
                Box::pin(async move { within(timeout, pin!(self.to_function(request?, patience, keep))).await })
            }
            Destination::Callback { url, only } => {
                Box::pin(async move { within(timeout, pin!(self.to_receiver(url, only, parcel))).await })
            }
        }
    }

    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'_, Result<Vec<SocketAddr>, Error>> {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, port)).await;
            let found = found.map_err(|error| Error::Broken { what: "cannot resolve", source: error.into() })?;
            // In one order, whatever the resolver's: workers that see the same addresses divide them alike.
            Ok(found.collect::<BTreeSet<_>>().into_iter().collect())
        })
    }
}

/// What is there in time. It stays where it is: it is large, and would be moved into the timeout.
async fn within(
    limit: Duration,
    attempt: Pin<&mut impl Future<Output = Result<Answer, Error>>>,
) -> Result<Answer, Error> {
    timeout(limit, attempt).await.unwrap_or(Err(Error::TimedOut(limit)))
}

/// The request to a function, which is told that it is `host`, or what it is in `url`.
fn request_to_function(url: Url, host: Option<String>, parcel: Parcel) -> Result<Box<Request<Full<Bytes>>>, Error> {
    let mut request = request(url, parcel)?;
    match host {
        // A host name is a header value by construction.
        Some(host) => {
            request.headers_mut().extend(HeaderValue::try_from(host).ok().map(|host| (header::HOST, host)));
        }
        None => name_host(&mut request),
    }
    Ok(request)
}

/// The request for `url`, whose credentials, if any, travel as `Authorization`.
fn request(mut url: Url, Parcel { method, headers, body }: Parcel) -> Result<Box<Request<Full<Bytes>>>, Error> {
    let invalid = |error: &dyn std::fmt::Display| Error::Forbidden(format!("the URL cannot be requested: {error}"));
    url.set_fragment(None);
    let credentials = if url.authority().contains('@') { credentials(&mut url) } else { None };
    let uri: Uri = url.as_str().parse().map_err(|error: http::uri::InvalidUri| invalid(&error))?;
    // Two parsers read it. Where they disagree about the host, one of them would be asked and the other one checked.
    if uri.host() != url.host_str() {
        return Err(invalid(&"it can be read in two ways"));
    }
    // RFC 9110, 8.6: of a request that could have a body it is said that it has none; some servers insist.
    let is_bare = body.is_empty() && [Method::POST, Method::PUT, Method::PATCH].contains(&method);
    let mut request = Box::new(Request::new(Full::new(body)));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    let headers = request.headers_mut();
    headers.remove(header::HOST);
    if !headers.contains_key(header::USER_AGENT) {
        headers.insert(header::USER_AGENT, USER_AGENT);
    }
    if is_bare {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    if let Some(credentials) = credentials {
        headers.insert(header::AUTHORIZATION, credentials);
    }
    Ok(request)
}

/// Says whose host it is: what is in the way of that in the authority is nobody's business.
fn name_host<B>(request: &mut Request<B>) {
    let host = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    request.headers_mut().extend(host.map(|host| (header::HOST, host)));
}

/// Has the request use connections only that were made by the same list.
fn confine(uri: &mut Uri, only: Option<&Hosts>) -> Result<(), Error> {
    let too_long = |error: &dyn std::fmt::Display| Error::Forbidden(format!("fabric.callback-hosts: {error}"));
    let mut parts = std::mem::take(uri).into_parts();
    let confined = parts.authority.as_ref().map(|authority| guard::pooled(authority, only)).transpose();
    parts.authority = confined.map_err(|error| too_long(&error))?;
    *uri = Uri::from_parts(parts).map_err(|error| too_long(&error))?;
    Ok(())
}

/// Takes `user:password` out of a URL, as Basic authentication (RFC 7617).
fn credentials(url: &mut Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [decode(url.username()), decode(url.password().unwrap_or_default())].join(&b':');
    // Both only fail for URLs without a host, which are never requested.
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    let mut value = HeaderValue::from_str(&format!("Basic {}", data_encoding::BASE64.encode(&pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn pool<C>(connector: C) -> Pool<HttpsConnector<C>>
where
    HttpsConnector<C>: Connect,
{
    let keep_max = http_client::idle_max(open_files::most());
    Pool::new(http_client::https(connector), http_client::protocol(), http_client::IDLE_WITHIN, keep_max)
}

async fn exchange<C: Connect>(
    pool: &Pool<C>,
    request: Box<Request<Full<Bytes>>>,
    patience: Duration,
) -> Result<pool::Answer<C::Response>, Error> {
    let to = request.uri().authority().cloned();
    let bare = |to: http::uri::Authority| to.as_str().rsplit('@').next().unwrap_or_default().to_owned();
    pool.send(request, patience).await.map_err(|error| read_error(error, to.map(bare).unwrap_or_default()))
}

/// What a pool's error means: refused, not allowed, or broken.
fn read_error(error: pool::Error, to: String) -> Error {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(guard::Refused(why)) = inner.downcast_ref() {
            return Error::Forbidden(why.clone());
        }
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            if io.kind() == io::ErrorKind::ConnectionRefused {
                return Error::Refused(to);
            }
            // An error of our own connector travels inside an io::Error.
            if let Some(guard::Refused(why)) = io.get_ref().and_then(|inner| inner.downcast_ref()) {
                return Error::Forbidden(why.clone());
            }
        }
        cause = inner.source();
    }
    let what = match error {
        pool::Error::NoHost | pool::Error::Connect(_) => "cannot connect",
        pool::Error::Exchange(_) | pool::Error::Ended => "the exchange broke",
    };
    Error::Broken { what, source: error.into() }
}

/// A receiver's answer, of which only the head counts. A short body is read to its end, so that its connection can be
/// used again; whoever sends more is not listened to.
async fn skim<I: Io>(mut answer: pool::Answer<I>) -> Result<Answer, Error> {
    let mut length: u64 = 0;
    while let Some(frame) = answer.frame().await {
        let frame = frame.map_err(|error| Error::Broken { what: "the answer broke off", source: error.into() })?;
        length += frame.data_ref().map_or(0, |data| data.len() as u64);
        if length > RECEIVER_LEN_MAX {
            break;
        }
    }
    let pool::Answer { head, .. } = answer;
    Ok(Answer { status: head.status, headers: head.headers, body: Bytes::new(), omitted: None })
}

/// The answer, read to its end, so that its connection can be used again; the body only if it is wanted and fits.
async fn keep<I: Io>(mut answer: pool::Answer<I>, limit: Option<usize>) -> Result<Answer, Error> {
    let mut kept = BytesMut::new();
    let mut length: u64 = 0;
    while let Some(frame) = answer.frame().await {
        let frame = frame.map_err(|error| Error::Broken { what: "the answer broke off", source: error.into() })?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len() as u64;
        match limit {
            Some(limit) if length <= limit as u64 => kept.extend_from_slice(&data),
            _ => kept.clear(),
        }
    }
    let omitted = limit.filter(|&limit| length > limit as u64).map(|_| length);
    let body = if omitted.is_some() { Bytes::new() } else { kept.freeze() };
    let pool::Answer { head, .. } = answer;
    Ok(Answer { status: head.status, headers: head.headers, body, omitted })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(method: Method, body: &'static str) -> Option<HeaderValue> {
        let url: Url = "http://f.example/".parse().unwrap();
        let parcel = Parcel { method, headers: HeaderMap::new(), body: body.into() };
        request(url, parcel).unwrap().headers().get(header::CONTENT_LENGTH).cloned()
    }

    #[test]
    fn a_post_without_a_body_says_so() {
        assert_eq!(length(Method::POST, ""), Some(HeaderValue::from_static("0")));
        assert_eq!(length(Method::POST, "x"), None, "hyper says how long a body is");
        assert_eq!(length(Method::GET, ""), None);
    }
}
