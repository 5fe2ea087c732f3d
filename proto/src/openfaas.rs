//! What an OpenFaaS gateway stores for its queue-worker: Go's `QueueRequest` as JSON, and what it means as a [`Call`].
//!
//! Go reads keys in any case, takes every field as optional, and `null` for nothing said. It writes `&`, `<` and `>`
//! escaped, bytes as Base64, and the callback's URL as an object of its own ([`url`]).

mod fields;
pub mod url;

use std::collections::BTreeMap;
use std::time::Duration;

use ::url::Url;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::Serialize;

use self::url::GoUrl;
use crate::annotation::QUEUE;
use crate::call::Guest;
use crate::header::{X_CALL_ID, X_START_TIME, drop_hop_by_hop};
use crate::{Call, CallId, Function, Queue, Request, Timestamp, callback, name, path};

/// How long ago a call may have been accepted, and how far a gateway's clock may be ahead, for its `X-Start-Time` to be
/// believed.
const STARTED_WITHIN: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const AHEAD_BY: Duration = Duration::from_secs(60);

/// What a function is called with. CONNECT and TRACE are for proxies: they would leave the function's path.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// The annotations that say how calls are retried begin so.
const OF_RETRIES: &str = "com.openfaas.retry.";

/// Why a message is no call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON, or not of this shape.
    #[error("not a QueueRequest of OpenFaaS: {0}")]
    Json(#[from] serde_json::Error),
    /// No function can have this name.
    #[error("Function: {0}")]
    Function(#[from] name::Error),
    /// Not a method, or one that no function is called with.
    #[error("Method {0:?} is none that a function is called with")]
    Method(String),
    /// A header that HTTP does not allow.
    #[error("Header {0:?} cannot be sent: its name or its value is not allowed in HTTP")]
    Header(String),
    /// The path would leave the function's own.
    #[error("Path {0:?} holds '.' or '..' as a segment, or a backslash: it could leave the function's own path")]
    Path(String),
    /// The result could be delivered nowhere.
    #[error("CallbackUrl: {0}")]
    Callback(#[from] callback::Error),
}

/// A message, field by field; in the order in which Go writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "OpenFaaS's own names, documented there")]
pub struct QueueRequest {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    #[serde(skip_serializing_if = "Bytes::is_empty", serialize_with = "fields::write_bytes")]
    pub body: Bytes,
    pub method: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub query_string: String,
    pub function: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub queue_name: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<GoUrl>,
}

/// A message as it is understood here.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// The call.
    pub call: Call,
    /// The queue that it is meant for, if one is named that can be.
    pub queue: Option<Queue>,
}

impl QueueRequest {
    /// Reads a message.
    ///
    /// # Errors
    /// [`Error::Json`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Ok(serde_json::from_slice(bytes)?)
    }

    /// Writes a message, byte for byte as Go does.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Only maps with keys that are not strings cannot be written, and these have none.
        let text = serde_json::to_string(self).unwrap_or_default();
        // These occur in strings only, and there Go escapes them.
        let mut escaped = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '&' => escaped.push_str("\\u0026"),
                '<' => escaped.push_str("\\u003c"),
                '>' => escaped.push_str("\\u003e"),
                '\u{2028}' => escaped.push_str("\\u2028"),
                '\u{2029}' => escaped.push_str("\\u2029"),
                c => escaped.push(c),
            }
        }
        escaped.into_bytes()
    }

    /// What is to be called. `place` names where the message lay: a call that has no id of its own is known by it, so
    /// that taking it in twice gives the same call. `now` stands for when it was accepted, if nobody says.
    ///
    /// # Errors
    /// [`Error`], if it cannot be called.
    pub fn arrive(self, place: &str, now: Timestamp) -> Result<Arrival, Error> {
        let function = Function::parse(&self.function)?;
        let method = match self.method.as_str() {
            "" => Method::POST,
            method => {
                METHODS.iter().find(|it| it.as_str() == method).cloned().ok_or_else(|| Error::Method(method.into()))?
            }
        };
        let path = match path::encode(&self.path) {
            path if path.is_empty() || path.starts_with('/') => path,
            path => format!("/{path}"),
        };
        if path::escapes(&path) {
            return Err(Error::Path(self.path));
        }
        let callback = self.callback_url.map(|url| callback::parse_url(&url.to_string())).transpose()?;
        let mut headers = headers(&self.header)?;
        let accepted_at = started_at(&headers, now).unwrap_or(now);
        let own = headers.get(X_CALL_ID).and_then(|id| CallId::parse(id.to_str().ok()?).ok());
        drop_hop_by_hop(&mut headers);
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::EXPECT);
        let named = [self.queue_name.as_str(), self.annotations.get(QUEUE).map_or("", String::as_str)];
        let queue = named.iter().find_map(|name| Queue::parse(name).ok()).filter(|queue| !queue.is_callbacks());
        let said: Guest = self.annotations.into_iter().filter(|(name, _)| name.starts_with(OF_RETRIES)).collect();
        let query = Some(self.query_string).filter(|query| !query.is_empty());
        let request = Request { method, path, query, headers, body: self.body };
        let id = own.unwrap_or_else(|| CallId::for_turn(place));
        let mut call = Call::new(id, function, accepted_at, request);
        (call.callback, call.guest) = (callback.map(Into::into), Some(Box::new(said)));
        Ok(Arrival { call, queue })
    }
}

impl From<&Call> for QueueRequest {
    /// As a gateway would store this call. What Go's message has no room for is not in it.
    fn from(call: &Call) -> Self {
        let mut header = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in &call.request.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            header.entry(canonical(name.as_str())).or_default().push(value);
        }
        header.insert(canonical(X_CALL_ID.as_str()), vec![call.id.to_string()]);
        header.insert(canonical(X_START_TIME.as_str()), vec![call.accepted_at.unix_nanos().to_string()]);
        let callback_url = call.callback.as_ref().and_then(|url| Url::parse(url).ok());
        Self {
            header,
            host: String::new(),
            body: call.request.body.clone(),
            method: call.request.method.to_string(),
            path: path::decode(&call.request.path).into_owned(),
            query_string: call.request.query.clone().unwrap_or_default(),
            function: call.function.to_string(),
            annotations: call.guest.as_deref().cloned().unwrap_or_default(),
            callback_url: callback_url.as_ref().map(GoUrl::from),
            ..Self::default()
        }
    }
}

/// A header's name as Go writes it: `X-Call-Id`.
fn canonical(name: &str) -> String {
    let part = |part: &str| match part.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + rest,
        None => String::new(),
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}

fn headers(sent: &BTreeMap<String, Vec<String>>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, values) in sent {
        let bad = || Error::Header(name.chars().take(80).collect());
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| bad())?;
            headers.try_append(header.clone(), value).map_err(|_| bad())?;
        }
    }
    Ok(headers)
}

/// When the gateway accepted it. Of several, which a call has that came from another function, its own is the last.
fn started_at(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let last = headers.get_all(X_START_TIME).iter().next_back()?;
    let at = Timestamp::from_unix_nanos(last.to_str().ok()?.parse().ok()?);
    (at <= now.after(AHEAD_BY) && now.since(at) <= STARTED_WITHIN).then_some(at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// What Go's own encoder wrote.
    const GOLDEN: &str = r#"{"Header":{"Content-Type":["text/plain"],"X-Call-Id":["c1"]},"Host":"gw:8080","Body":"aGkK","Method":"POST","Path":"/a/b","QueryString":"q=1\u0026z=\u003c2\u003e","Function":"env.openfaas-fn","CallbackUrl":{"Scheme":"http","Opaque":"","User":null,"Host":"gateway.openfaas:8080","Path":"/async-function/next","Fragment":"","RawQuery":"","RawPath":"","RawFragment":"","ForceQuery":false,"OmitHost":false}}"#;
    const NOW: Timestamp = Timestamp::from_unix_nanos(1_790_000_000_000_000_000);

    fn arrive(json: &str) -> Result<Arrival, Error> {
        QueueRequest::decode(json.as_bytes())?.arrive("faas-request/7", NOW)
    }

    fn call(json: &str) -> Call {
        arrive(json).unwrap().call
    }

    #[test]
    fn what_go_wrote_is_read_and_written_byte_for_byte() {
        let request = QueueRequest::decode(GOLDEN.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(request.encode()).unwrap(), GOLDEN);
        let Arrival { call, queue } = request.arrive("faas-request/7", NOW).unwrap();
        assert_eq!((call.id.as_str(), call.function.to_string().as_str(), queue), ("c1", "env.openfaas-fn", None));
        assert_eq!((&call.request.method, &*call.request.body), (&Method::POST, &b"hi\n"[..]));
        assert_eq!((call.request.path.as_str(), call.request.query.as_deref()), ("/a/b", Some("q=1&z=<2>")));
        assert_eq!(call.callback.as_deref(), Some("http://gateway.openfaas:8080/async-function/next"));
        assert_eq!((call.request.headers["content-type"].to_str().unwrap(), call.accepted_at), ("text/plain", NOW));
        assert_eq!(call.guest, Some(Box::default()));
    }

    #[test]
    fn the_least_that_go_writes_is_a_call() {
        let golden = r#"{"Method":"POST","Function":"env"}"#;
        let request = QueueRequest { method: "POST".into(), function: "env".into(), ..QueueRequest::default() };
        assert_eq!(String::from_utf8(request.encode()).unwrap(), golden);
        let call = call(golden);
        assert_eq!((call.function.to_string().as_str(), call.callback), ("env.openfaas-fn", None));
        assert_eq!((call.request.path.as_str(), call.request.query, call.request.body.len()), ("", None, 0));
    }

    #[test]
    fn keys_may_be_in_any_case_and_fields_null_missing_or_unknown() {
        let json = r#"{"HEADER":{"x-call-id":["c2"]},"body":"aGkK","FUNCTION":"f","method":"","path":null,"Labels":null,
            "callbackurl":{"scheme":"http","HOST":"a","path":"/x"},"Later":{"than":["this"]},"body":"aG8="}"#;
        let call = call(json);
        assert_eq!((call.id.as_str(), &*call.request.body, &call.request.method), ("c2", &b"ho"[..], &Method::POST));
        assert_eq!(call.callback.as_deref(), Some("http://a/x"));
    }

    #[test]
    fn a_call_is_known_by_its_own_id_or_by_its_place() {
        let with = |id: &str| call(&format!(r#"{{"Function":"f","Header":{{"X-Call-Id":["{id}"]}}}}"#)).id;
        assert_eq!(with("0190c1a2-7b3c-7def-8abc-0123456789ab").as_str(), "0190c1a2-7b3c-7def-8abc-0123456789ab");
        let placed = call(r#"{"Function":"f"}"#).id;
        assert_eq!((with("no id"), with("")), (placed.clone(), placed.clone()));
        assert_ne!(QueueRequest::decode(br#"{"Function":"f"}"#).unwrap().arrive("x/8", NOW).unwrap().call.id, placed);
    }

    #[test]
    fn a_time_is_believed_that_can_be() {
        let at =
            |times: &str| call(&format!(r#"{{"Function":"f","Header":{{"X-Start-Time":[{times}]}}}}"#)).accepted_at;
        assert_eq!(at("\"1789999999000000000\""), Timestamp::from_unix_nanos(1_789_999_999_000_000_000));
        assert_eq!(at("\"5\",\"1789999999000000000\""), Timestamp::from_unix_nanos(1_789_999_999_000_000_000));
        for insane in ["\"\"", "\"5\"", "\"-5\"", "\"soon\"", "\"1790000090000000000\"", "\"99999999999999999999\"", ""]
        {
            assert_eq!(at(insane), NOW, "{insane}");
        }
    }

    #[test]
    fn of_what_is_said_about_a_function_its_queue_and_its_retries_are_kept() {
        let json = r#"{"Function":"f.acme","Annotations":{"com.openfaas.retry.attempts":"3","com.openfaas.queue":"q1",
            "topic":"x","fabric.upstream":"http://elsewhere"}}"#;
        let arrival = arrive(json).unwrap();
        let said: Guest = [("com.openfaas.retry.attempts".to_owned(), "3".to_owned())].into();
        assert_eq!((arrival.queue, arrival.call.guest), (Some(Queue::parse("q1").unwrap()), Some(Box::new(said))));
        let queue = |json| arrive(json).unwrap().queue.map(|queue| queue.to_string());
        let both = r#"{"Function":"f","QueueName":"q2","Annotations":{"com.openfaas.queue":"q1"}}"#;
        assert_eq!(queue(both).as_deref(), Some("q2"));
        assert_eq!(queue(r#"{"Function":"f","QueueName":"callbacks"}"#), None);
        assert_eq!(queue(r#"{"Function":"f","QueueName":"No Queue"}"#), None);
    }

    #[test]
    fn a_path_that_was_decoded_is_encoded_again_and_stays_below_the_function() {
        let path = |path: &str| call(&format!(r#"{{"Function":"f","Path":"{path}"}}"#)).request.path;
        assert_eq!([path(""), path("/"), path("/a b?c%"), path("a")], ["", "/", "/a%20b%3Fc%25", "/a"]);
        for bad in ["/../other", "/a/./b", "..", "/a\\\\b"] {
            let error = arrive(&format!(r#"{{"Function":"f","Path":"{bad}"}}"#)).unwrap_err();
            assert!(matches!(error, Error::Path(_)), "{bad}: {error}");
        }
    }

    #[test]
    fn what_is_no_call_says_why() {
        for (bad, why) in [
            ("", "EOF"),
            ("{", "EOF"),
            ("null", "QueueRequest"),
            ("[]", "QueueRequest"),
            ("\"x\"", "QueueRequest"),
            (r#"{"Function":7}"#, "invalid type"),
            (r#"{"Method":"POST"}"#, "function name \"\""),
            (r#"{"Function":"F_1"}"#, "function name \"F_1\""),
            (r#"{"Function":"a.b.c"}"#, "a.b"),
            (r#"{"Function":"f","Body":"%"}"#, "Base64"),
            (r#"{"Function":"f","Body":[1]}"#, "invalid type"),
            (r#"{"Function":"f","Method":"A B"}"#, "Method"),
            (r#"{"Function":"f","Header":{"a b":["x"]}}"#, "Header"),
            (r#"{"Function":"f","Header":{"a":["x\ny"]}}"#, "Header"),
            (r#"{"Function":"f","CallbackUrl":"http://a/b"}"#, "an object"),
            (r#"{"Function":"f","CallbackUrl":{}}"#, "CallbackUrl"),
            (r#"{"Function":"f","CallbackUrl":{"Scheme":"ftp","Host":"a"}}"#, "http or https"),
        ] {
            let error = arrive(bad).unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn a_body_may_be_written_in_lines() {
        assert_eq!(&*call(r#"{"Function":"f","Body":"aG\r\nkK\n"}"#).request.body, b"hi\n");
        assert_eq!(&*call(r#"{"Function":"f","Body":"aR=="}"#).request.body, b"i", "as Go takes bits left over");
    }

    #[test]
    fn only_what_belongs_to_the_call_goes_on() {
        let json = r#"{"Function":"f","Header":{"Connection":["close, X-Mine"],"X-Mine":["1"],"Content-Length":["3"],
            "Expect":["100-continue"],"X-Many":["one","two"],"X-Word":["wörd"]}}"#;
        let headers = call(json).request.headers;
        let names: BTreeSet<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, BTreeSet::from(["x-many", "x-word"]));
        assert_eq!(headers.get_all("x-many").iter().collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(headers["x-word"].as_bytes(), "wörd".as_bytes());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(QueueRequest::decode(&bytes).and_then(|request| request.arrive("p", NOW)));
        }

        #[test]
        fn no_text_in_any_field_makes_it_panic(
            text in ".{0,40}", other in "\\PC{0,40}", header in ".{0,20}", has_user in any::<bool>(),
        ) {
            let url = GoUrl {
                scheme: "http".into(), user: has_user, host: text.clone(), path: other.clone(), raw_path: text.clone(),
                raw_query: other.clone(), fragment: text.clone(), opaque: if has_user { other.clone() } else { String::new() },
                ..GoUrl::default()
            };
            let request = QueueRequest {
                header: [(header.clone(), vec![text.clone(), other.clone()])].into(), host: text.clone(),
                body: text.clone().into_bytes().into(), method: other.clone(), path: text.clone(),
                query_string: other.clone(), function: "f".into(), queue_name: text.clone(),
                annotations: [(text.clone(), other)].into(), labels: [(header, text)].into(), callback_url: Some(url),
                ..QueueRequest::default()
            };
            let again = QueueRequest::decode(&request.encode());
            prop_assert_eq!(&again.unwrap(), &request);
            drop(request.arrive("p", NOW));
        }

        #[test]
        fn a_call_comes_back_as_it_was_stored(
            id in "[A-Za-z0-9_-]{1,64}", function in "[a-z]{1,20}\\.[a-z]{1,20}", path in "(/[a-z&<>é% ]{0,9}){0,3}",
            query in prop::option::of("[a-z=&<>%]{1,20}"), body in prop::collection::vec(any::<u8>(), 0..80),
            callback in prop::option::of("https?://[a-z]{1,9}:[1-9][0-9]{2}/[a-z%]{0,3}(\\?[a-z&=]{1,9})?"),
            value in "[ -~]{0,20}",
        ) {
            let callback = callback.and_then(|url| Url::parse(&url).ok()).map(String::from);
            prop_assume!(callback.as_ref().is_none_or(|url| !url.contains('%')));
            let mut headers = HeaderMap::new();
            headers.append("x-own", HeaderValue::from_str(value.trim()).unwrap());
            headers.append(X_CALL_ID, HeaderValue::from_str(&id).unwrap());
            headers.append(X_START_TIME, HeaderValue::from(NOW.unix_nanos()));
            let request = Request { path: path::encode(&path), query, headers, body: body.into(), method: Method::POST };
            let (id, function) = (CallId::parse(&id).unwrap(), Function::parse(&function).unwrap());
            let mut call = Call::new(id, function, NOW, request);
            (call.callback, call.guest) = (callback, Some(Box::default()));
            let stored = QueueRequest::from(&call).encode();
            prop_assert_eq!(QueueRequest::decode(&stored).unwrap().arrive("p", NOW).unwrap().call, call);
        }
    }
}
