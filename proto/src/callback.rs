//! A callback is a call: the function's answer, posted to the caller's URL, waiting in the callback queue.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use url::Url;

use crate::header::{
    X_ATTEMPT, X_CALL_ID, X_CALL_STATE, X_CALLBACK_URL, X_DURATION_SECONDS, X_FUNCTION_NAME, X_FUNCTION_STATUS,
    X_RESULT_OMITTED, X_START_TIME, drop_hop_by_hop,
};
use crate::record::State;
use crate::signing::Secret;
use crate::{Call, Function, LaneKey, Queue, Request, Target, Timestamp, signing, trace};

/// Why a callback URL was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a URL.
    #[error("{X_CALLBACK_URL} is not an absolute URL: {0}")]
    Url(#[from] url::ParseError),
    /// Neither http nor https.
    #[error("{X_CALLBACK_URL} must be an http or https URL, not {0}:")]
    Scheme(String),
}

/// What came of a call in the end.
#[derive(Clone, Debug)]
pub struct Result {
    /// How the call ended.
    pub state: State,
    /// The function's status; 503 or 504 if it never answered.
    pub status: StatusCode,
    /// The headers of its answer.
    pub headers: HeaderMap,
    /// The body of its answer.
    pub body: Bytes,
    /// How many bytes the body had, if it was too large to keep and `body` is empty.
    pub omitted: Option<u64>,
    /// How long the last attempt took.
    pub duration: Duration,
}

/// Reads a caller's `X-Callback-Url`.
///
/// # Errors
/// [`Error`] if it is not an absolute http or https URL.
pub fn parse_url(text: &str) -> std::result::Result<Url, Error> {
    let url = Url::parse(text)?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(Error::Scheme(other.into())),
    }
}

/// The lane that callbacks of `function`'s namespace to `url` wait in: one for each host.
#[must_use]
pub fn lane(function: &Function, url: &Url) -> LaneKey {
    let host = url.host_str().unwrap_or_default();
    let authority = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    LaneKey::new(Queue::callbacks(), Function::for_callback_host(&authority, function.namespace().clone()))
}

/// The call that delivers `result` of `call` to `url`, accepted `now`.
#[must_use]
pub fn call(call: &Call, url: &Url, result: Result, now: Timestamp) -> Call {
    let mut headers = result.headers;
    drop_hop_by_hop(&mut headers);
    headers.remove(header::CONTENT_LENGTH);
    // A function could otherwise say that it is signed by whoever signs for its namespace.
    signing::sign(&mut headers, &[], "", now, b"");
    trace::carry(&call.request.headers, &mut headers);
    headers.insert(X_CALL_ID, text(&call.id));
    headers.insert(X_FUNCTION_NAME, text(&call.function));
    headers.insert(X_FUNCTION_STATUS, text(result.status.as_u16()));
    headers.insert(X_DURATION_SECONDS, text(format_args!("{:.6}", result.duration.as_secs_f64())));
    headers.insert(X_START_TIME, text(call.accepted_at.unix_nanos()));
    headers.insert(X_ATTEMPT, text(call.counts.attempts));
    headers.insert(X_CALL_STATE, HeaderValue::from_static(result.state.as_str()));
    if let Some(bytes) = result.omitted {
        headers.insert(X_RESULT_OMITTED, text(format_args!("{bytes} bytes are more than a message may have")));
    }
    let request = Request { method: Method::POST, path: String::new(), query: None, headers, body: result.body };
    Call {
        target: Target::Url(url.as_str().into()),
        // A call that was redriven ends anew, and that is another callback.
        redriven: call.redriven,
        ..Call::new(call.id.clone(), call.function.clone(), now, request)
    }
}

/// Signs a callback that is sent `now` with all `secrets` of its namespace; none, and it is not signed. Each attempt is
/// signed anew, under the same `webhook-id`: by that a receiver knows what it has seen.
pub fn sign(call: &Call, headers: &mut HeaderMap, secrets: &[Secret], now: Timestamp) {
    let id = match call.redriven {
        0 => call.id.to_string(),
        // What was redriven ends anew, and that is another message.
        redriven => format!("{}_{redriven}", call.id),
    };
    signing::sign(headers, secrets, &id, now, &call.request.body);
}

/// Numbers, names and ids are always visible ASCII, and so always header values.
fn text(value: impl std::fmt::Display) -> HeaderValue {
    HeaderValue::from_str(&value.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CallId;

    #[test]
    fn only_absolute_http_urls_are_taken() {
        assert!(parse_url("https://user:secret@example.com:8443/a?b=c").is_ok());
        for bad in
            ["", "/relative", "example.com/x", "ftp://example.com", "file:///etc/passwd", "http://", "javascript:1"]
        {
            assert!(parse_url(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_host_has_one_lane_whatever_the_path() {
        let function = Function::parse("f.acme").unwrap();
        let lane_of = |url| lane(&function, &parse_url(url).unwrap());
        assert_eq!(lane_of("http://a.example/x"), lane_of("http://a.example:80/y?z"));
        assert_ne!(lane_of("http://a.example/x"), lane_of("http://a.example:81/x"));
        assert!(lane_of("http://a.example/x").function.to_string().starts_with("a-example-"));
    }

    #[test]
    fn the_answer_travels_with_its_headers() {
        let mut origin = Call::new(
            CallId::parse("c1").unwrap(),
            Function::parse("f.acme").unwrap(),
            Timestamp::from_unix_nanos(5),
            Request::default(),
        );
        origin.counts.attempts = 3;
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        headers.insert("content-length", HeaderValue::from_static("2"));
        headers.insert("connection", HeaderValue::from_static("close"));
        headers.insert("webhook-signature", HeaderValue::from_static("v1,forged"));
        let result = Result {
            state: State::Succeeded,
            status: StatusCode::CREATED,
            headers,
            body: "hi".into(),
            omitted: None,
            duration: Duration::from_millis(1500),
        };
        let url = parse_url("http://a.example/x").unwrap();
        let callback = call(&origin, &url, result, Timestamp::from_unix_nanos(9));
        let value = |name: &str| callback.request.headers.get(name).map(|v| v.to_str().unwrap());
        assert_eq!(value("x-call-id"), Some("c1"));
        assert_eq!(value("x-function-name"), Some("f.acme"));
        assert_eq!(value("x-function-status"), Some("201"));
        assert_eq!(value("x-duration-seconds"), Some("1.500000"));
        assert_eq!(value("x-start-time"), Some("5"));
        assert_eq!((value("x-attempt"), value("x-call-state")), (Some("3"), Some("succeeded")));
        assert_eq!(value("content-type"), Some("text/plain"));
        for name in ["content-length", "connection", "x-result-omitted", "webhook-signature"] {
            assert_eq!(value(name), None, "{name}");
        }
        assert_eq!((callback.request.body.as_ref(), callback.callback), (&b"hi"[..], None));
    }
}
