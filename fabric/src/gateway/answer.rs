//! The shape of every answer: short JSON for a refusal, plain text or JSON for the rest.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use proto::Refusal;
use serde::Serialize;

/// An answer whose body may be streamed from elsewhere.
pub type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

/// What `GET /` says.
pub const WELCOME: &str = "This is a Fabric gateway.\n\n\
    POST /async-function/<name>   runs a function later: 202 and an X-Call-Id\n\
    GET  /calls/<id>              says how it is; DELETE cancels it\n\
    ANY  /function/<name>         runs it now, streamed both ways\n\
    PUT  /system/functions        registers one\n";

#[derive(Serialize)]
struct Problem<'a> {
    error: &'a str,
    message: String,
}

/// A refusal: its status, its code and its sentence as JSON, and when to try again.
#[must_use]
pub fn refuse(refusal: &Refusal) -> Answer {
    let mut answer = json(refusal.status(), &Problem { error: refusal.code(), message: refusal.to_string() });
    answer.headers_mut().extend(retry_after(refusal).map(|after| (header::RETRY_AFTER, after)));
    answer.headers_mut().extend(challenge(refusal).map(|challenge| (header::WWW_AUTHENTICATE, challenge)));
    if let Refusal::Method { allow } = refusal {
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    answer
}

/// How whoever is not known says who he is (RFC 6750, section 3). `Basic` is taken as well and not asked for: a browser
/// would open a window of its own over the dashboard, and send what is typed there to pages of others' making.
#[must_use]
pub fn challenge(refusal: &Refusal) -> Option<HeaderValue> {
    matches!(refusal, Refusal::Unauthenticated(_)).then(|| HeaderValue::from_static("Bearer realm=\"fabric\""))
}

/// The same to somebody whose next words are not waited for: they may not be his.
#[must_use]
pub fn refuse_and_close(refusal: &Refusal) -> Answer {
    let mut answer = refuse(refusal);
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// When to try again, in whole seconds.
#[must_use]
pub fn retry_after(refusal: &Refusal) -> Option<HeaderValue> {
    refusal.retry_after().map(|after| HeaderValue::from(after.as_millis().div_ceil(1000).max(1) as u64))
}

/// JSON, and a line end for people.
#[must_use]
pub fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // Only maps with keys that are not strings cannot be written, and none of ours has such keys.
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    with(status, "application/json", text.into())
}

/// JSON that is at hand.
#[must_use]
pub fn document(text: &'static str) -> Answer {
    with(StatusCode::OK, "application/json", Bytes::from_static(text.as_bytes()))
}

/// A file of this type.
#[must_use]
pub fn file(content_type: &'static str, body: Bytes) -> Answer {
    with(StatusCode::OK, content_type, body)
}

/// Plain text.
#[must_use]
pub fn text(text: &'static str) -> Answer {
    with(StatusCode::OK, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

/// Nothing but a status.
#[must_use]
pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    answer
}

/// Bytes of any kind; whoever sends them says which.
#[must_use]
pub fn bytes(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    answer
}

fn with(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = bytes(status, body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
