//! The shape of what the watchdog answers, itself or for its function.

use std::io;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use proto::header::X_OPENFAAS_INTERNAL;

use super::fault::Fault;

/// An answer. Its body breaks off with an error where what was sent is not the whole.
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// Who says so, as OpenFaaS's workers know it: the watchdog, not the function.
const WATCHDOG: HeaderValue = HeaderValue::from_static("of-watchdog");
/// The same of its limiter: a 429 with this is no failure, but a function that is busy.
const LIMITER: HeaderValue = HeaderValue::from_static("faas-middleware");

/// Text.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(whole(text.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// More requests than are taken at once.
pub(super) fn busy(most: usize) -> Answer {
    let said = format!("Concurrent request limit exceeded. Max concurrent requests: {most}\n");
    let mut answer = text(StatusCode::TOO_MANY_REQUESTS, said);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer.headers_mut().insert(X_OPENFAAS_INTERNAL, LIMITER);
    answer
}

/// A request that came to nothing before anything was sent.
pub(super) fn failed(fault: &Fault) -> Answer {
    let mut answer = text(fault.status(), format!("{fault}\n"));
    if fault.is_ours() {
        answer.headers_mut().insert(X_OPENFAAS_INTERNAL, WATCHDOG);
    }
    answer
}

/// A body that is at hand.
pub(super) fn whole(bytes: Bytes) -> UnsyncBoxBody<Bytes, io::Error> {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}
