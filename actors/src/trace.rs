//! What is traced, by whom, and in which words.

pub mod attribute;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use proto::{Call, LaneKey};
use url::Url;

use self::attribute as is;
use crate::port::Tracer;
use crate::port::tracer::Span;

/// Who traces; nobody, unless somebody is named. Clones share everything.
#[derive(Clone, Default)]
pub struct Tracing(Option<Arc<dyn Tracer>>);

impl Tracing {
    /// By this one.
    #[must_use]
    pub fn by(tracer: Arc<dyn Tracer>) -> Self {
        Self(Some(tracer))
    }

    /// Who traces, if anybody does.
    #[must_use]
    pub fn tracer(&self) -> Option<&dyn Tracer> {
        self.0.as_deref()
    }
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Tracing(on)" } else { "Tracing(off)" })
    }
}

/// What a lane is called in traces. Those of callbacks are as many as callers choose hosts: there it is the queue.
#[must_use]
pub fn destination(lane: &LaneKey) -> Cow<'static, str> {
    if lane.queue.is_callbacks() { "callbacks".into() } else { lane.to_string().into() }
}

/// What is told of a message: what is done with it, in our word and in that of the conventions.
pub fn note_message(span: &mut Span, lane: &LaneKey, (ours, theirs): (&'static str, &'static str), id: &str) {
    span.note(is::MESSAGING_SYSTEM, is::SYSTEM);
    span.note(is::MESSAGING_DESTINATION, destination(lane).into_owned());
    span.note(is::MESSAGING_OPERATION, ours);
    span.note(is::MESSAGING_OPERATION_TYPE, theirs);
    span.note(is::MESSAGING_MESSAGE, id.to_owned());
}

/// What is told of a call that is stored.
pub fn note_call(span: &mut Span, call: &Call) {
    span.note(is::MESSAGING_CONVERSATION, call.id.to_string());
    span.note(is::MESSAGING_BODY_SIZE, call.request.body.len());
    span.note(is::FAAS_NAME, call.function.to_string());
}

/// Where a request went, without credentials and query; of a URL that is itself a secret only whose it is.
pub fn note_url(span: &mut Span, url: &str, is_secret: bool) {
    let Ok(mut url) = Url::parse(url) else { return };
    if let Some(host) = url.host_str() {
        span.note(is::SERVER_ADDRESS, host.to_owned());
    }
    if let Some(port) = url.port_or_known_default() {
        span.note(is::SERVER_PORT, port);
    }
    span.note(is::URL_SCHEME, url.scheme().to_owned());
    // Credentials can be taken out of every URL that has a host, which is every one that is requested.
    if !is_secret && url.set_username("").is_ok() && url.set_password(None).is_ok() {
        url.set_query(None);
        url.set_fragment(None);
        span.note(is::URL_FULL, url.to_string());
    }
}

/// What is wrong with an answer, if anything is.
#[must_use]
pub fn status_failure(status: StatusCode) -> Option<Cow<'static, str>> {
    (status.is_client_error() || status.is_server_error()).then(|| status.as_str().to_owned().into())
}

#[cfg(test)]
mod tests {
    use proto::trace::Context;
    use proto::{Function, Queue, Timestamp};

    use super::*;
    use crate::port::tracer::{Kind, Value};

    fn told(url: &str, is_secret: bool) -> Vec<(&'static str, Value)> {
        let context = Context::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        let mut span = Span::begin("POST", Kind::Client, context, Timestamp::default());
        note_url(&mut span, url, is_secret);
        span.attributes
    }

    #[test]
    fn no_secret_of_a_url_is_told() {
        let url = "https://me:hunter2@f.example:8443/hooks/T0KEN?key=s3cret#part";
        let function = told(url, false);
        assert!(function.contains(&(is::URL_FULL, "https://f.example:8443/hooks/T0KEN".into())), "{function:?}");
        for secret in ["hunter2", "s3cret", "me:", "part"] {
            assert!(!format!("{function:?}").contains(secret), "{function:?}");
        }
        let callback = told(url, true);
        assert!(callback.contains(&(is::SERVER_ADDRESS, "f.example".into())), "{callback:?}");
        assert!(callback.contains(&(is::SERVER_PORT, 8443_u16.into())), "{callback:?}");
        assert!(!format!("{callback:?}").contains("T0KEN"), "{callback:?}");
    }

    #[test]
    fn callers_cannot_make_up_destinations() {
        let lane = |queue| LaneKey::new(queue, Function::parse("f.acme").unwrap());
        assert_eq!(destination(&lane(Queue::default())), "default/f.acme");
        assert_eq!(destination(&lane(Queue::callbacks())), "callbacks");
    }
}
