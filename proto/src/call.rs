//! The envelope: what was asked of which function, by whom, when, and how often it was tried.

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::{CallId, Function, Timestamp};

/// One accepted call, as it travels through the broker.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Who it is: `X-Call-Id`.
    pub id: CallId,
    /// The function called; for a callback, the function whose result it carries.
    pub function: Function,
    /// When the gateway accepted it: `X-Start-Time`.
    pub accepted_at: Timestamp,
    /// How often the function has run *and answered* so far. A crash, a drain or a busy function leaves it alone.
    pub attempts: u32,
    /// How often it came back because the function was busy or away.
    pub throttles: u32,
    /// Where the request goes.
    pub target: Target,
    /// What is sent.
    pub request: Request,
    /// Where the result goes: `X-Callback-Url`, an absolute http or https URL.
    pub callback: Option<String>,
}

impl Call {
    /// A fresh call of a function.
    #[must_use]
    pub fn new(id: CallId, function: Function, accepted_at: Timestamp, request: Request) -> Self {
        Self { id, function, accepted_at, attempts: 0, throttles: 0, target: Target::Function, request, callback: None }
    }

    /// What makes storing it twice the same as storing it once: a turn of a call, not a call, because a retry is
    /// stored anew.
    #[must_use]
    pub fn message_id(&self) -> String {
        format!("{}/{}/{}.{}", self.function, self.id, self.attempts, self.throttles)
    }

    /// The number of the next attempt, 1 for the first: `X-Attempt`.
    #[must_use]
    pub fn next_attempt(&self) -> u32 {
        self.attempts.saturating_add(1)
    }
}

/// Where a call's request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the function, wherever its specification says it is by then.
    Function,
    /// To this absolute URL: a callback.
    Url(String),
}

/// The HTTP request of a call, hop-by-hop headers already dropped.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path below the function, percent-encoding untouched; empty or beginning with `/`.
    pub path: String,
    /// The raw query, without `?`.
    pub query: Option<String>,
    /// The headers, in order, repeated ones kept.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}
