//! How connections to functions and receivers are made and kept.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// How long an idle connection is kept: less than the five seconds after which Node closes its end, so that no
/// request meets a closing connection.
pub const IDLE_WITHIN: Duration = Duration::from_secs(4);
/// How many idle connections are kept at most: calls of a thousand functions, twenty at a time of each, would leave
/// 20,000 within that time, each with a file descriptor here and there and its buffers. It is four for each of a
/// thousand, as many as they need where [calls take turns](crate::invoke::pool) with one.
const IDLE_MAX: usize = 4096;
/// Of the files that a process may open each pool keeps no more than one in so many: there are two, and who is to be let in
/// needs some as well.
const FILES_PER_IDLE: u64 = 4;
/// The largest head of an answer, in bytes, and the most headers in it.
const HEAD_LEN_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 128;
/// How long connecting may take.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A client that passes bodies through.
#[must_use]
pub fn streaming() -> Client<HttpsConnector<HttpConnector>, Incoming> {
    builder().build(https(tcp()))
}

/// A client for requests whose bodies are at hand.
#[must_use]
pub fn buffered() -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
    builder().build(https(tcp()))
}

/// How many idle connections a pool keeps in a process that may have so many `files` open, if they are limited.
#[must_use]
pub fn idle_max(files: Option<u64>) -> usize {
    let within = files.and_then(|files| usize::try_from(files / FILES_PER_IDLE).ok());
    within.map_or(IDLE_MAX, |within| within.min(IDLE_MAX))
}

/// How HTTP/1.1 is spoken over a connection.
#[must_use]
pub fn protocol() -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol.max_buf_size(HEAD_LEN_MAX).max_headers(HEADERS_MAX);
    protocol
}

/// A client for what is on this machine: no TLS, bodies of any kind.
#[must_use]
pub fn plain<B>() -> Client<HttpConnector, B>
where
    B: Body<Data: Send> + Send,
{
    builder().build(tcp())
}

/// TLS, where the URL asks for it, over `connector`.
#[must_use]
pub fn https<C>(connector: C) -> HttpsConnector<C> {
    // The roots of this machine; where it has none, https ends in a certificate error that says so.
    let roots = HttpsConnectorBuilder::new().with_native_roots();
    match roots {
        Ok(builder) => builder.https_or_http().enable_http1().wrap_connector(connector),
        Err(error) => {
            tracing::warn!(%error, "this machine's root certificates cannot be read: every https request will fail");
            let none = rustls::ClientConfig::builder()
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            HttpsConnectorBuilder::new().with_tls_config(none).https_or_http().enable_http1().wrap_connector(connector)
        }
    }
}

/// TCP, without waiting to fill packets.
#[must_use]
pub fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_WITHIN));
    tcp
}

fn builder() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.http1_max_buf_size(HEAD_LEN_MAX).http1_max_headers(HEADERS_MAX);
    builder.pool_idle_timeout(IDLE_WITHIN).pool_timer(TokioTimer::new()).timer(TokioTimer::new());
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_few_files_may_be_open_few_idle_connections_are_kept() {
        let kept = [Some(256), Some(1024), Some(65_536), Some(u64::MAX), None].map(idle_max);
        assert_eq!(kept, [64, 256, 4096, 4096, 4096]);
    }
}
