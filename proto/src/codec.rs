//! [`Call`] as MessagePack: a map with named fields, so that fields can be added without a new version.
//!
//! A reader ignores fields it does not know and takes a default for optional ones that are missing. `v` changes only
//! when an old reader would misread a new call; every version that was ever written has a golden file in
//! `proto/golden/` that must decode for ever.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};

use crate::call::{Counts, Guest};
use crate::{Call, CallId, Function, History, Request, Target, Timestamp};

/// The version written by [`encode`], and the newest that [`decode`] reads.
pub const VERSION: u16 = 1;

/// Why bytes are not a call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Written by a newer Fabric.
    #[error("the call has envelope version {0}, this fabric reads up to {VERSION}: upgrade the workers first")]
    Version(u16),
    /// Not MessagePack, or not the fields of a call.
    #[error("not a call envelope: {0}")]
    Malformed(#[from] rmp_serde::decode::Error),
    /// A field that MessagePack allows and HTTP does not.
    #[error("the call's {field} is not valid")]
    Field {
        /// Which.
        field: &'static str,
    },
}

/// The envelope on the wire; borrows from the bytes it is read from.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    v: u16,
    id: CallId,
    function: Function,
    at: Timestamp,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    throttles: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    crashes: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    deliveries: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    redriven: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    age_from: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "no_history")]
    history: Cow<'a, History>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(default, borrow)]
    path: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    query: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    headers: Vec<(&'a str, &'a serde_bytes::Bytes)>,
    #[serde(default, borrow)]
    body: &'a serde_bytes::Bytes,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    callback: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guest: Option<Cow<'a, Guest>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[expect(clippy::ptr_arg, reason = "as serde calls it")]
fn no_history(history: &Cow<'_, History>) -> bool {
    history.is_empty()
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Version {
    v: u16,
}

/// A call as bytes.
#[must_use]
pub fn encode(call: &Call) -> Bytes {
    let wire = Wire {
        v: VERSION,
        id: call.id.clone(),
        function: call.function.clone(),
        at: call.accepted_at,
        attempts: call.counts.attempts,
        throttles: call.counts.throttles,
        crashes: call.counts.crashes,
        deliveries: call.counts.deliveries,
        redriven: call.redriven,
        age_from: (call.age_from != call.accepted_at).then_some(call.age_from),
        due: call.due,
        expires_at: call.expires_at,
        history: Cow::Borrowed(&call.history),
        url: match &call.target {
            Target::Function => None,
            Target::Url(url) => Some(url.into()),
        },
        method: call.request.method.as_str().into(),
        path: (&call.request.path).into(),
        query: call.request.query.as_ref().map(Into::into),
        headers: call
            .request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), serde_bytes::Bytes::new(value.as_bytes())))
            .collect(),
        body: serde_bytes::Bytes::new(&call.request.body),
        callback: call.callback.as_ref().map(Into::into),
        guest: call.guest.as_deref().map(Cow::Borrowed),
    };
    // Room for the body and a usual set of headers: one allocation for nearly every call.
    let mut bytes = Vec::with_capacity(call.request.body.len() + 512);
    #[expect(clippy::expect_used, reason = "writing to memory cannot fail and every field is serialisable")]
    wire.serialize(&mut rmp_serde::Serializer::new(&mut bytes).with_struct_map()).expect("a call is serialisable");
    bytes.into()
}

/// The call in `bytes`; its body shares their memory.
///
/// # Errors
/// [`Error`]: not an envelope, or one of a newer version.
pub fn decode(bytes: &Bytes) -> Result<Call, Error> {
    let wire: Wire<'_> = rmp_serde::from_slice(bytes).map_err(|error| newer_version(bytes, error))?;
    if wire.v > VERSION {
        return Err(Error::Version(wire.v));
    }
    Ok(Call {
        id: wire.id,
        function: wire.function,
        accepted_at: wire.at,
        age_from: wire.age_from.unwrap_or(wire.at),
        due: wire.due,
        expires_at: wire.expires_at,
        counts: Counts {
            attempts: wire.attempts,
            throttles: wire.throttles,
            crashes: wire.crashes,
            deliveries: wire.deliveries,
        },
        redriven: wire.redriven,
        history: wire.history.into_owned(),
        target: wire.url.map_or(Target::Function, |url| Target::Url(url.into_owned())),
        request: Request {
            method: Method::from_bytes(wire.method.as_bytes()).map_err(|_| Error::Field { field: "method" })?,
            path: wire.path.into_owned(),
            query: wire.query.map(Cow::into_owned),
            headers: headers(bytes, &wire.headers)?,
            body: bytes.slice_ref(wire.body),
        },
        callback: wire.callback.map(Cow::into_owned),
        guest: wire.guest.map(|guest| Box::new(guest.into_owned())),
    })
}

/// "Written by a newer Fabric" is the more useful thing to say when that is why the fields do not fit.
fn newer_version(bytes: &Bytes, error: rmp_serde::decode::Error) -> Error {
    match rmp_serde::from_slice::<Version>(bytes) {
        Ok(Version { v }) if v > VERSION => Error::Version(v),
        _ => Error::Malformed(error),
    }
}

fn headers(bytes: &Bytes, wire: &[(&str, &serde_bytes::Bytes)]) -> Result<HeaderMap, Error> {
    let bad = |_| Error::Field { field: "headers" };
    let mut headers = HeaderMap::try_with_capacity(wire.len()).map_err(|_| Error::Field { field: "headers" })?;
    for (name, value) in wire {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Error::Field { field: "headers" })?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(value)).map_err(bad)?;
        headers.try_append(name, value).map_err(|_| Error::Field { field: "headers" })?;
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::What;

    fn golden() -> Call {
        let mut call = Call::new(
            CallId::parse("0190c1a2-7b3c-7def-8abc-0123456789ab").unwrap(),
            Function::parse("resize.acme").unwrap(),
            Timestamp::from_unix_nanos(1_790_000_000_123_456_789),
            Request {
                method: Method::PUT,
                path: "/a%2Fb/c".into(),
                query: Some("q=1&r".into()),
                headers: HeaderMap::new(),
                body: Bytes::from_static(b"\x00\xffbody"),
            },
        );
        call.counts = Counts { attempts: 2, throttles: 3, ..Counts::default() };
        call.callback = Some("https://example.com/done?x=1".into());
        call.request.headers.append("content-type", HeaderValue::from_static("image/png"));
        call.request.headers.append("x-many", HeaderValue::from_static("one"));
        call.request.headers.append("x-many", HeaderValue::from_bytes(b"tw\xf6").unwrap());
        call
    }

    /// What version 1 wrote, for ever. To write the file of a *new* version: run with `FABRIC_WRITE_GOLDEN=1`.
    #[test]
    fn reads_what_version_1_wrote() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/call-v1.msgpack");
        if std::env::var_os("FABRIC_WRITE_GOLDEN").is_some() {
            std::fs::write(path, encode(&golden())).unwrap();
        }
        let bytes = Bytes::from(std::fs::read(path).unwrap());
        assert_eq!(decode(&bytes).unwrap(), golden());
        assert_eq!(encode(&golden()), bytes, "version 1 is still what is written, byte for byte");
    }

    #[test]
    fn the_body_is_not_copied() {
        let bytes = encode(&golden());
        let body = decode(&bytes).unwrap().request.body;
        assert!(bytes.as_ptr_range().contains(&body.as_ptr()));
    }

    #[test]
    fn unknown_fields_are_ignored_and_missing_ones_have_defaults() {
        let wire = serde_json::json!({
            "v": 1, "id": "x", "function": "f", "at": 5, "method": "POST", "tomorrow": {"a": [1, null]},
        });
        let call = decode(&rmp_serde::to_vec_named(&wire).unwrap().into()).unwrap();
        assert_eq!((call.counts.attempts, call.request.path.as_str(), call.request.body.len()), (0, "", 0));
    }

    #[test]
    fn a_newer_version_says_so_whatever_it_looks_like() {
        for newer in [serde_json::json!({"v": 2, "what": "ever"}), serde_json::json!({"v": 9, "id": 7})] {
            let error = decode(&rmp_serde::to_vec_named(&newer).unwrap().into()).unwrap_err();
            assert!(matches!(error, Error::Version(2 | 9)), "{error}");
        }
    }

    #[test]
    fn what_http_would_refuse_is_refused() {
        for (method, header) in [("NO SPACE", "ok"), ("GET", "not a name")] {
            let wire = serde_json::json!({
                "v": 1, "id": "x", "function": "f", "at": 5, "method": method, "headers": [[header, ""]],
            });
            assert!(decode(&rmp_serde::to_vec_named(&wire).unwrap().into()).is_err(), "{method} {header}");
        }
    }

    fn any_call() -> impl Strategy<Value = Call> {
        let headers = prop::collection::vec(("[a-z][a-z0-9-]{0,12}", prop::collection::vec(0x20u8..0x7f, 0..20)), 0..8);
        let request = (
            "[A-Z]{1,9}",
            "(/[ -~]{0,20})?",
            prop::option::of("[ -~]{0,20}"),
            headers,
            prop::collection::vec(any::<u8>(), 0..300),
        );
        let counts = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>());
        let rest = (
            any::<i64>(),
            counts,
            prop::option::of("https?://[a-z]{1,9}/"),
            prop::option::of("[ -~]{0,20}"),
            prop::option::of(any::<i64>()),
        );
        ("[A-Za-z0-9_-]{1,64}", "[a-z]{1,20}\\.[a-z]{1,20}", request, rest).prop_map(
            |(
                id,
                function,
                (method, path, query, headers, body),
                (at, (attempts, throttles, crashes, deliveries), callback, url, then),
            )| Call {
                id: CallId::parse(&id).unwrap(),
                function: Function::parse(&function).unwrap(),
                accepted_at: Timestamp::from_unix_nanos(at),
                age_from: Timestamp::from_unix_nanos(then.unwrap_or(at)),
                due: then.map(Timestamp::from_unix_nanos),
                expires_at: then.map(Timestamp::from_unix_nanos),
                counts: Counts { attempts, throttles, crashes, deliveries },
                redriven: crashes / 2,
                history: {
                    let mut history = History::default();
                    for n in 0..deliveries % 20 {
                        let took = std::time::Duration::from_millis(n.into());
                        history.push(Timestamp::from_unix_nanos(at), took, What::Busy, Some(429), "no room");
                    }
                    history
                },
                target: url.map_or(Target::Function, Target::Url),
                request: Request {
                    method: method.parse().unwrap(),
                    path,
                    query,
                    headers: headers
                        .into_iter()
                        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_bytes(&value).unwrap()))
                        .collect(),
                    body: body.into(),
                },
                guest: (deliveries % 3 == 0)
                    .then(|| Box::new(Guest::from([("com.openfaas.queue".into(), deliveries.to_string())]))),
                callback,
            },
        )
    }

    proptest! {
        #[test]
        fn decoding_what_was_encoded_is_the_identity(call in any_call()) {
            prop_assert_eq!(decode(&encode(&call)).unwrap(), call);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(decode(&bytes.into()));
        }

        #[test]
        fn no_damage_makes_it_panic(call in any_call(), at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>()) {
            let mut bytes = encode(&call).to_vec();
            let i = at.index(bytes.len());
            bytes[i] ^= 1 << bit;
            bytes.truncate(cut.index(bytes.len() + 1));
            drop(decode(&bytes.into()));
        }
    }
}
