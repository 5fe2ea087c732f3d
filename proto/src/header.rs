//! Every header name that means something to Fabric, and the ones that stop at each hop.

use http::{HeaderMap, HeaderName, header};

macro_rules! headers {
    ($(#[doc = $doc:literal] $name:ident = $text:literal;)*) => {
        $(#[doc = $doc] pub const $name: HeaderName = HeaderName::from_static($text);)*

        /// All of them, and what each says: `docs/reference/headers.md` is written from it.
        pub const ALL: &[(&str, &str)] = &[$(($text, $doc.trim_ascii())),*];
    };
}

headers! {
    /// The call's id: from the caller or the gateway, to the function and the callback.
    X_CALL_ID = "x-call-id";
    /// When the call was accepted, nanoseconds since the epoch, UTC.
    X_START_TIME = "x-start-time";
    /// Which attempt this is, 1 for the first.
    X_ATTEMPT = "x-attempt";
    /// Where the result is to be posted.
    X_CALLBACK_URL = "x-callback-url";
    /// A caller's key for "this is the same request again".
    IDEMPOTENCY_KEY = "idempotency-key";
    /// How long a call is to wait before it runs, such as `30s`.
    X_DELAY = "x-delay";
    /// The time before which a call is not to run, as in RFC 3339.
    X_NOT_BEFORE = "x-not-before";
    /// How long a call is worth starting, such as `5m`.
    X_EXPIRES_IN = "x-expires-in";
    /// On a callback: how the call ended.
    X_CALL_STATE = "x-call-state";
    /// On a callback: the function.
    X_FUNCTION_NAME = "x-function-name";
    /// On a callback: the status that the function answered.
    X_FUNCTION_STATUS = "x-function-status";
    /// On a callback: how long the function ran, in seconds.
    X_DURATION_SECONDS = "x-duration-seconds";
    /// On a callback whose body was left out: how long the body was, and why it is missing.
    X_RESULT_OMITTED = "x-result-omitted";
    /// On an answer that comes from the platform, not the function.
    X_OPENFAAS_INTERNAL = "x-openfaas-internal";
    /// On a signed callback: which message it is, the same at every attempt (Standard Webhooks).
    WEBHOOK_ID = "webhook-id";
    /// On a signed callback: when it was signed, in seconds since the epoch.
    WEBHOOK_TIMESTAMP = "webhook-timestamp";
    /// On a signed callback: a signature for each secret of the namespace.
    WEBHOOK_SIGNATURE = "webhook-signature";
    /// Where the request is in its caller's trace (W3C Trace Context).
    TRACEPARENT = "traceparent";
    /// What others say of that trace.
    TRACESTATE = "tracestate";
}

/// Headers that describe one connection and never travel further (RFC 9110 §7.6.1, and `proxy-connection`, which
/// clients send though it was never standardised).
pub const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes the headers of this hop, those that `Connection` names among them.
pub fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_hops_headers_go_and_the_rest_stay() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Mine"),
            ("connection", "x-other"),
            ("x-mine", "1"),
            ("x-other", "2"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("content-type", "text/plain"),
        ] {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        drop_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["content-type"]);
    }
}
