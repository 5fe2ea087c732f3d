//! The spans of a request: that it was answered, and what was sent on for it.
//!
//! Whoever calls decides whether that is traced; of those who have not decided, a share is. What is sent on says what was
//! decided, so that nobody behind it decides anew.

use actors::port::broker::Error;
use actors::port::tracer::{Kind, Parent, Span};
use actors::port::{Clock, Tracer};
use actors::trace::{Tracing, attribute as is, destination, note_call, note_message, note_url, status_failure};
use http::request::Parts;
use http::{Method, StatusCode};
use proto::trace::{Context, forget};
use proto::{Call, FunctionSpec, Timestamp};

use crate::listener::Peer;

/// What is told of a request, if anybody traces.
pub(super) struct Trace<'a>(Option<Told<'a>>);

struct Told<'a> {
    tracer: &'a dyn Tracer,
    clock: &'a dyn Clock,
    /// Where the request is in a trace: below its caller, or at the root of one.
    at: Context,
    asked: Option<Context>,
    method: &'static str,
    route: &'static str,
    began: Timestamp,
    spans: Option<Box<Spans>>,
}

struct Spans {
    server: Span,
    sent_on: Context,
}

impl<'a> Trace<'a> {
    /// Of a request on `route` that begins; what is sent on with its headers goes on from there.
    pub(super) fn begin(tracing: &'a Tracing, clock: &'a dyn Clock, head: &mut Parts, route: &'static str) -> Self {
        let Some(tracer) = tracing.tracer() else { return Self(None) };
        let asked = Context::of(&head.headers);
        let at = match asked {
            Some(asked) => asked.with(tracer.span()),
            None => tracer.root(),
        };
        if asked.is_none() {
            // What was said of others' traces is of none.
            forget(&mut head.headers);
        }
        let (method, began) = (word(&head.method), clock.now());
        let mut told = Told { tracer, clock, at, asked, method, route, began, spans: None };
        if at.sampled {
            let sent_on = at.with(tracer.span());
            sent_on.pass_on(&mut head.headers);
            let mut server = told.server();
            server.note(is::URL_PATH, head.uri.path().to_owned());
            server.note(is::URL_SCHEME, "http");
            if let Some(Peer(address)) = head.extensions.get() {
                server.note(is::CLIENT_ADDRESS, address.to_string());
            }
            told.spans = Some(Box::new(Spans { server, sent_on }));
        } else if asked.is_none() {
            at.pass_on(&mut head.headers);
        }
        Self(Some(told))
    }

    /// When something is sent on, if that is told.
    pub(super) fn sending(&self) -> Option<Timestamp> {
        let told = self.0.as_ref()?;
        told.spans.as_ref().map(|_| told.clock.now())
    }

    /// The call was stored, or not.
    pub(super) fn stored(&self, began: Option<Timestamp>, call: &Call, spec: &FunctionSpec, failure: Option<&Error>) {
        self.sent_on(
            began,
            Kind::Producer,
            || format!("enqueue {}", destination(&spec.lane())),
            |span| {
                note_message(span, &spec.lane(), ("enqueue", "send"), &call.message_id());
                note_call(span, call);
                span.failure = failure.map(|error| reason(error).into());
            },
        );
    }

    /// The function at `url` has answered, or has not.
    pub(super) fn forwarded(&self, began: Option<Timestamp>, url: &str, answer: Result<StatusCode, &'static str>) {
        let method = self.0.as_ref().map_or("", |told| told.method);
        self.sent_on(
            began,
            Kind::Client,
            || method.to_owned(),
            |span| {
                span.note(is::HTTP_METHOD, method);
                note_url(span, url, false);
                match answer {
                    Ok(status) => {
                        span.note(is::HTTP_STATUS, status.as_u16());
                        span.failure = status_failure(status);
                    }
                    Err(why) => span.failure = Some(why.into()),
                }
            },
        );
    }

    /// The request is answered.
    pub(super) fn answered(self, status: StatusCode) {
        let Some(told) = self.0 else { return };
        let is_told = told.spans.is_some() || (status.is_server_error() && told.tracer.keeps_failures());
        if !is_told {
            return;
        }
        let mut span = match told.spans {
            Some(ref spans) => spans.server.clone(),
            None => told.server(),
        };
        span.note(is::HTTP_STATUS, status.as_u16());
        // What a caller did wrong is no failure of who tells him so.
        span.failure = status_failure(status).filter(|_| status.is_server_error());
        told.tracer.record(span.end(told.clock.now()));
    }

    fn sent_on(
        &self,
        began: Option<Timestamp>,
        kind: Kind,
        name: impl FnOnce() -> String,
        note: impl FnOnce(&mut Span),
    ) {
        let (Some(told), Some(began)) = (&self.0, began) else { return };
        let Some(spans) = &told.spans else { return };
        let mut span = Span::begin(name(), kind, spans.sent_on, began);
        span.parent = Some(Parent::Here(told.at.span));
        note(&mut span);
        told.tracer.record(span.end(told.clock.now()));
    }
}

impl Told<'_> {
    fn server(&self) -> Span {
        let context = Context { sampled: true, ..self.at };
        let mut span = Span::begin(format!("{} {}", self.method, self.route), Kind::Server, context, self.began);
        span.parent = self.asked.map(|asked| Parent::Elsewhere(asked.span));
        span.note(is::HTTP_METHOD, self.method);
        span.note(is::HTTP_ROUTE, self.route);
        span
    }
}

/// Callers make up methods; there are few names of spans.
fn word(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}

fn reason(error: &Error) -> &'static str {
    match error {
        Error::Full { .. } => "full",
        Error::TooLarge { .. } => "too_large",
        Error::StorageFull(_) => "storage_full",
        Error::Away(_) => "away",
        Error::Refused(_) => "refused",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use proto::trace::{SpanId, TraceId};

    use super::*;
    use crate::clock::SystemClock;

    const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// Keeps what it is told; ids are numbers.
    #[derive(Default)]
    struct Notebook {
        sampled: bool,
        ids: Mutex<u8>,
        told: Mutex<Vec<Span>>,
    }

    impl Tracer for Notebook {
        fn root(&self) -> Context {
            Context { trace: TraceId::new([7; 16]).unwrap(), span: self.span(), sampled: self.sampled }
        }
        fn span(&self) -> SpanId {
            let mut ids = self.ids.lock().unwrap();
            *ids += 1;
            SpanId::new([*ids; 8]).unwrap()
        }
        fn keeps_failures(&self) -> bool {
            true
        }
        fn record(&self, span: Span) {
            self.told.lock().unwrap().push(span);
        }
    }

    /// What is sent on, and what is told, of a request that is answered so.
    fn told(traceparent: Option<&str>, sampled: bool, status: u16) -> (Option<Context>, Vec<Span>) {
        let notebook = Arc::new(Notebook { sampled, ..Notebook::default() });
        let tracing = Tracing::by(notebook.clone());
        let mut request = http::Request::post("/async-function/f/x?secret=1").header("tracestate", "a=1");
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        let mut head = request.body(()).unwrap().into_parts().0;
        let trace = Trace::begin(&tracing, &SystemClock, &mut head, "/async-function/{name}");
        let began = trace.sending();
        trace.forwarded(began, "http://f.example/x", Ok(StatusCode::OK));
        trace.answered(StatusCode::from_u16(status).unwrap());
        let spans = std::mem::take(&mut *notebook.told.lock().unwrap());
        (Context::of(&head.headers), spans)
    }

    #[test]
    fn a_callers_decision_holds() {
        let asked = Context::parse(CALLER.as_bytes()).unwrap();
        let (sent_on, spans) = told(Some(CALLER), false, 202);
        let [client, server] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!(server.parent, Some(Parent::Elsewhere(asked.span)));
        assert_eq!(client.parent, Some(Parent::Here(server.context.span)));
        assert_eq!((sent_on, client.context.trace), (Some(client.context), asked.trace));
        assert_eq!((server.name.as_ref(), &server.failure), ("POST /async-function/{name}", &None));
        assert!(!format!("{spans:?}").contains("secret"), "{spans:?}");
        let unsampled = CALLER.replace("-01", "-00");
        let (sent_on, spans) = told(Some(&unsampled), true, 202);
        assert_eq!((sent_on, spans), (Context::parse(unsampled.as_bytes()), vec![]));
    }

    #[test]
    fn what_nobody_has_decided_is_decided_once() {
        for caller in [None, Some("rubbish")] {
            let (sent_on, spans) = told(caller, false, 202);
            assert!(sent_on.is_some_and(|it| !it.sampled) && spans.is_empty(), "{sent_on:?} {spans:?}");
            let (sent_on, spans) = told(caller, true, 202);
            assert!(sent_on.is_some_and(|it| it.sampled));
            assert!(spans[1].parent.is_none() && spans[0].parent.is_some(), "{spans:?}");
        }
    }

    #[test]
    fn what_goes_wrong_is_told_anyway() {
        let (_, spans) = told(None, false, 503);
        assert_eq!(spans.len(), 1);
        assert_eq!((spans[0].failure.as_deref(), spans[0].context.sampled), (Some("503"), true));
        let (_, spans) = told(None, false, 404);
        assert!(spans.is_empty(), "that is its caller's failure: {spans:?}");
    }
}
