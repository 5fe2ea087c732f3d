//! What an attempt came to: a status or a transport error, read as succeeded, retry, busy or failed.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

use crate::Timestamp;
use crate::header::X_OPENFAAS_INTERNAL;

/// What one attempt means for its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function did it: 2xx.
    Succeeded,
    /// It may work another time; the attempt counts.
    Retry,
    /// The function was never tried, because it had no room or nobody answered its port; the attempt does not count.
    Busy,
    /// The function said no, and will say no again: the result is its answer.
    Failed,
}

/// What came back from an attempt, as far as the outcome depends on it.
#[derive(Clone, Copy, Debug)]
pub enum Reply<'a> {
    /// An HTTP response.
    Answered(StatusCode, &'a HeaderMap),
    /// Nobody listens there: a scaled-down or restarting endpoint.
    Refused,
    /// Connection broken, time-out, bad response: the function may have run.
    Broken,
}

/// Statuses that are retried by default.
pub const RETRY_CODES: [u16; 7] = [408, 425, 429, 500, 502, 503, 504];

/// Reads a reply by the rules of `retry_codes`.
///
/// A 429 that carries `X-OpenFaaS-Internal` comes from a concurrency limiter in front of the function.
#[must_use]
pub fn classify(reply: Reply<'_>, retry_codes: &[u16]) -> Outcome {
    match reply {
        Reply::Refused => Outcome::Busy,
        Reply::Broken => Outcome::Retry,
        Reply::Answered(status, _) if status.is_success() => Outcome::Succeeded,
        Reply::Answered(StatusCode::TOO_MANY_REQUESTS, headers) if headers.contains_key(X_OPENFAAS_INTERNAL) => {
            Outcome::Busy
        }
        Reply::Answered(status, _) if retry_codes.contains(&status.as_u16()) => Outcome::Retry,
        Reply::Answered(..) => Outcome::Failed,
    }
}

/// How long the function asked to be left alone: `Retry-After` on 429 or 503, as seconds or as an HTTP date
/// (RFC 9110 §10.2.3). Anything unreadable is no wish.
#[must_use]
pub fn retry_after(reply: Reply<'_>, now: Timestamp) -> Option<Duration> {
    let Reply::Answered(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, headers) = reply else {
        return None;
    };
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(Timestamp::from(date).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn statuses_are_read_by_the_rules() {
        let none = HeaderMap::new();
        let limiter = headers(&[("x-openfaas-internal", "faas-middleware")]);
        let cases = [
            (200, &none, Outcome::Succeeded),
            (204, &limiter, Outcome::Succeeded),
            (301, &none, Outcome::Failed),
            (400, &none, Outcome::Failed),
            (404, &limiter, Outcome::Failed),
            (408, &none, Outcome::Retry),
            (429, &none, Outcome::Retry),
            (429, &limiter, Outcome::Busy),
            (500, &limiter, Outcome::Retry),
            (501, &none, Outcome::Failed),
            (503, &none, Outcome::Retry),
        ];
        for (status, headers, expected) in cases {
            let reply = Reply::Answered(StatusCode::from_u16(status).unwrap(), headers);
            assert_eq!(classify(reply, &RETRY_CODES), expected, "{status}");
        }
        assert_eq!(classify(Reply::Refused, &RETRY_CODES), Outcome::Busy);
        assert_eq!(classify(Reply::Broken, &RETRY_CODES), Outcome::Retry);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_on_429_and_503() {
        let now = Timestamp::from_unix_nanos(784_111_777_000_000_000); // Sun, 06 Nov 1994 08:49:37 GMT
        let wish = |status, value| {
            retry_after(
                Reply::Answered(StatusCode::from_u16(status).unwrap(), &headers(&[("retry-after", value)])),
                now,
            )
        };
        assert_eq!(wish(429, "7"), Some(Duration::from_secs(7)));
        assert_eq!(wish(503, "Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(wish(503, "Sun, 06 Nov 1994 08:49:27 GMT"), Some(Duration::ZERO));
        assert_eq!(wish(500, "7"), None);
        assert_eq!(wish(429, "soon"), None);
        assert_eq!(wish(429, "-1"), None);
    }
}
