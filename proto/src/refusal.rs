//! Every way to say no: one status, one code for programs, one sentence for people.

use std::time::Duration;

use http::StatusCode;

use crate::fault::Faults;
use crate::{CallId, Function, KeyId, Namespace, Queue, name};

/// A request that was not taken, and nothing of it kept.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The path leads nowhere.
    #[error("no such path; calls go to /async-function/<name> or /function/<name>")]
    NoRoute,
    /// The path would leave the function's own.
    #[error("the path holds '.' or '..' as a segment, or a backslash: it could leave the function's own path")]
    Path,
    /// The body stopped coming.
    #[error("no more of the body came for {0:?}")]
    Stalled(Duration),
    /// The path takes other methods.
    #[error("this path takes {allow} only")]
    Method {
        /// The value of `Allow`.
        allow: &'static str,
    },
    /// A name in the request is not one.
    #[error("{0}")]
    Name(#[from] name::Error),
    /// A header, the query or the body cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// The function's specification is not usable.
    #[error("{0}")]
    Spec(#[from] Faults),
    /// Nobody registered the function.
    #[error("function {0} is not registered; PUT /system/functions registers it")]
    UnknownFunction(Function),
    /// It is being deleted, and takes no more calls.
    #[error("function {0} is being deleted; PUT /system/functions takes that back")]
    Deleting(Function),
    /// Nothing is known of the namespace.
    #[error("namespace {0} has no functions, and nothing is set for it")]
    UnknownNamespace(Namespace),
    /// Nothing is known of the queue.
    #[error("queue {0} is not known: no function names it, no worker was told to serve it, and nothing is set for it")]
    UnknownQueue(Queue),
    /// Nothing is known of the call.
    #[error("call {0} is not known: it was never accepted, ended too long ago, or its function keeps no records")]
    UnknownCall(CallId),
    /// There is no such dead letter.
    #[error("there is no dead letter {0}; it may have been redriven or removed")]
    UnknownLetter(u64),
    /// There is no such API key.
    #[error("there is no key {0}")]
    UnknownKey(KeyId),
    /// The call is at an end.
    #[error("call {0} is {1} already")]
    Ended(CallId, &'static str),
    /// The body, or the body and headers together, are larger than a message may be.
    #[error("the request is larger than the {limit} bytes that a call may have")]
    TooLarge {
        /// In bytes.
        limit: usize,
    },
    /// A backlog quota is used up.
    #[error("{scope} holds as many calls as its quota allows; try again later")]
    BacklogFull {
        /// Whose quota: the queue or the function.
        scope: String,
    },
    /// More calls than a rate allows.
    #[error("more calls for {scope} than its accept rate allows; try again later")]
    RateExceeded {
        /// Whose rate: the function's or the namespace's.
        scope: String,
        /// When there is room again.
        after: Duration,
    },
    /// Who sent the request is not known.
    #[error("{0}; send a key as Authorization: Bearer fab_…")]
    Unauthenticated(String),
    /// Who sent the request is known, and may not do that.
    #[error("{0}")]
    Forbidden(String),
    /// A web page had a browser send the request.
    #[error("{0}")]
    Foreign(&'static str),
    /// The request is for a name that others could have lead here, where nobody has to say who he is.
    #[error(
        "{0} could be a web page's own name that leads here, and anybody may do everything: ask for localhost or an IP \
         address, or start this with keys (--admin-key-file, --auth), or with --insecure-no-auth if the name is meant"
    )]
    StrangeHost(String),
    /// The OpenID provider that could say who sent the request does not answer.
    #[error("the OpenID provider does not answer, and its keys are not known here; try again later")]
    IssuerAway,
    /// The broker cannot be reached or did not answer in time; whether it stored the call is not known.
    #[error("the broker did not confirm the call; repeat it with the same X-Call-Id to be safe from running it twice")]
    BrokerAway,
    /// Workers are alive, and none of them has said how it is since this process has been asked.
    #[error("none of {workers} workers has said yet how much it takes; ask again")]
    WorkersSilent {
        /// How many.
        workers: usize,
    },
    /// The broker does not let this process do that, or has no place for it: it will not tomorrow either.
    #[error("the broker refuses what this process asked of it; its log says what, and fabric doctor what to do")]
    BrokerRefuses,
    /// The broker has no room on disk.
    #[error("the broker has no storage left")]
    StorageFull,
    /// The bodies that are on their way take all the memory that there is for them.
    #[error("the bodies of calls to {scope} that are on their way take all the memory that they may; try again later")]
    BodiesFull {
        /// Whose: the gateway's or the namespace's.
        scope: String,
    },
    /// This process is shutting down.
    #[error("this gateway is shutting down; another one will take the call")]
    Draining,
    /// The function cannot be reached (synchronous calls only).
    #[error("function {0} cannot be reached: {1}")]
    Unreachable(Function, String),
    /// The function gave an answer that nobody could read as one (synchronous calls only).
    #[error("the answer of function {0} cannot be passed on: {1}")]
    BadAnswer(Function, String),
    /// The function did not answer in time (synchronous calls only).
    #[error("function {0} did not answer within {1:?}")]
    TimedOut(Function, Duration),
    /// The request contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// A record is not as whoever changes it expected it to be.
    #[error("{what} is not as it was expected to be: {}; read it again", .present.map_or_else(|| "there is none".into(), |it| format!("it is at revision {it}")))]
    Changed {
        /// Whose record.
        what: String,
        /// The revision of what is there; nothing, if nothing is.
        present: Option<u64>,
    },
    /// OpenFaaS's API has it, and it is somebody else's here: whose, and what to do.
    #[error("{0}")]
    Elsewhere(&'static str),
}

impl Refusal {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoRoute
            | Self::UnknownFunction(_)
            | Self::Deleting(_)
            | Self::UnknownNamespace(_)
            | Self::UnknownCall(_)
            | Self::UnknownLetter(_)
            | Self::UnknownKey(_)
            | Self::UnknownQueue(_) => StatusCode::NOT_FOUND,
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::Foreign(_) | Self::StrangeHost(_) => StatusCode::FORBIDDEN,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Name(_) | Self::Path | Self::Malformed(_) | Self::Spec(_) => StatusCode::BAD_REQUEST,
            Self::Stalled(_) => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BacklogFull { .. } | Self::RateExceeded { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::BrokerAway
            | Self::StorageFull
            | Self::BodiesFull { .. }
            | Self::Draining
            | Self::IssuerAway
            | Self::WorkersSilent { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable(..) | Self::BadAnswer(..) | Self::BrokerRefuses => StatusCode::BAD_GATEWAY,
            Self::TimedOut(..) => StatusCode::GATEWAY_TIMEOUT,
            Self::Conflict(_) | Self::Ended(..) => StatusCode::CONFLICT,
            Self::Changed { .. } => StatusCode::PRECONDITION_FAILED,
            Self::Elsewhere(_) => StatusCode::NOT_IMPLEMENTED,
        }
    }

    /// The word that programs compare.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::Method { .. } => "method_not_allowed",
            Self::Name(_) => "bad_name",
            Self::Path => "bad_path",
            Self::Malformed(_) => "bad_request",
            Self::Stalled(_) => "stalled",
            Self::Spec(_) => "bad_spec",
            Self::UnknownFunction(_) => "unknown_function",
            Self::Deleting(_) => "deleting",
            Self::UnknownNamespace(_) => "unknown_namespace",
            Self::UnknownCall(_) => "unknown_call",
            Self::UnknownLetter(_) => "unknown_letter",
            Self::UnknownKey(_) => "unknown_key",
            Self::UnknownQueue(_) => "unknown_queue",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::Forbidden(_) => "forbidden",
            Self::Foreign(_) => "foreign",
            Self::StrangeHost(_) => "strange_host",
            Self::IssuerAway => "issuer_away",
            Self::Ended(..) => "call_ended",
            Self::TooLarge { .. } => "too_large",
            Self::BacklogFull { .. } => "backlog_full",
            Self::RateExceeded { .. } => "rate_exceeded",
            Self::BrokerAway => "broker_away",
            Self::WorkersSilent { .. } => "workers_silent",
            Self::BrokerRefuses => "broker_refuses",
            Self::StorageFull => "storage_full",
            Self::BodiesFull { .. } => "bodies_full",
            Self::Draining => "draining",
            Self::Unreachable(..) => "unreachable",
            Self::BadAnswer(..) => "bad_answer",
            Self::TimedOut(..) => "timed_out",
            Self::Conflict(_) => "conflict",
            Self::Changed { .. } => "changed",
            Self::Elsewhere(_) => "not_implemented",
        }
    }

    /// What to send as `Retry-After`: the same request may be taken then.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::BacklogFull { .. }
            | Self::BodiesFull { .. }
            | Self::BrokerAway
            | Self::WorkersSilent { .. }
            | Self::IssuerAway
            | Self::Draining => Some(Duration::from_secs(1)),
            Self::StorageFull => Some(Duration::from_secs(10)),
            Self::RateExceeded { after, .. } => Some(*after),
            _ => None,
        }
    }
}
