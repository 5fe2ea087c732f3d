//! One HTTP request to a function or a callback receiver.

use core::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use proto::host::Hosts;
use proto::outcome::Reply;
use url::Url;

use super::BoxFuture;

/// Sends a request and reads the answer.
pub trait Invoker: Send + Sync + 'static {
    /// One attempt: no retry, no queueing. Dropping the future aborts the request.
    ///
    /// # Errors
    /// [`Error`] if there was no complete answer.
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Answer, Error>>;

    /// The addresses of a host name, each with `port`.
    ///
    /// # Errors
    /// [`Error::Broken`] if they cannot be found out now.
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'_, Result<Vec<SocketAddr>, Error>>;
}

/// Where an invocation goes, and so by which rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A function: trusted, because an operator registered it.
    Function {
        /// Its own URL, path and query included.
        url: Url,
        /// The host that the request names, if it is not the URL's.
        host: Option<String>,
    },
    /// A caller's callback URL: redirects are followed with method and body kept, and addresses inside the network
    /// are refused unless the configuration allows them.
    Callback {
        /// The URL.
        url: Url,
        /// The hosts that its namespace allows, if it does not allow all.
        only: Option<Hosts>,
    },
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Where to.
    pub destination: Destination,
    /// The method.
    pub method: Method,
    /// The headers, hop-by-hop ones already dropped.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long it may take, from now to the last byte of the answer.
    pub timeout: Duration,
    /// How long it rather waits for a connection that others use than have one made.
    pub patience: Duration,
    /// How much of the answer's body is wanted, in bytes; none of it if absent. A body that is longer is read and
    /// thrown away.
    pub keep: Option<usize>,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, if it was wanted and was not too long.
    pub body: Bytes,
    /// How long the body was, if it was wanted and too long.
    pub omitted: Option<u64>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens there: nothing was sent.
    #[error("connection refused by {0}")]
    Refused(String),
    /// It took too long.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The connection broke, or the answer was not HTTP.
    #[error("{what}: {source}")]
    Broken {
        /// What was being done.
        what: &'static str,
        /// The cause.
        source: super::broker::Cause,
    },
    /// The destination is not allowed.
    #[error("{0}")]
    Forbidden(String),
}

impl Error {
    /// What this means for the outcome.
    #[must_use]
    pub fn reply(&self) -> Reply<'static> {
        match self {
            Self::Refused(_) => Reply::Refused,
            Self::TimedOut(_) | Self::Broken { .. } | Self::Forbidden(_) => Reply::Broken,
        }
    }

    /// The status that stands for it where a status must be shown: 504 after a time-out, else 503.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
