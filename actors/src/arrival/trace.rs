//! The span of an arrival: that it was stored, and what goes on from there.
//!
//! An OpenFaaS gateway passes on what its caller said of a trace, and decides nothing: of those who have not decided, a
//! share is traced from here on, as at a gateway of ours.

use http::HeaderMap;
use proto::trace::{Context, forget};
use proto::{Call, LaneKey, Timestamp};

use crate::port::tracer::{Kind, Parent, Span};
use crate::port::{Clock, Tracer};
use crate::trace::{Tracing, destination, note_call, note_message};

/// A call that is being stored, if anybody is told of it.
pub(super) struct Trace<'a> {
    tracer: &'a dyn Tracer,
    clock: &'a dyn Clock,
    at: Context,
    asked: Option<Context>,
    began: Timestamp,
}

impl<'a> Trace<'a> {
    /// Of a call with these headers; its attempts go on from there.
    pub(super) fn begin(tracing: &'a Tracing, clock: &'a dyn Clock, headers: &mut HeaderMap) -> Option<Self> {
        let tracer = tracing.tracer()?;
        let asked = Context::of(headers);
        let at = match asked {
            Some(asked) => asked.with(tracer.span()),
            None => {
                // What was said of others' traces is of none.
                forget(headers);
                tracer.root()
            }
        };
        if at.sampled || asked.is_none() {
            at.pass_on(headers);
        }
        at.sampled.then(|| Self { tracer, clock, at, asked, began: clock.now() })
    }

    /// It is stored.
    pub(super) fn stored(self, call: &Call, lane: &LaneKey) {
        let name = format!("enqueue {}", destination(lane));
        let mut span = Span::begin(name, Kind::Producer, self.at, self.began);
        span.parent = self.asked.map(|asked| Parent::Elsewhere(asked.span));
        note_message(&mut span, lane, ("enqueue", "send"), &call.message_id());
        note_call(&mut span, call);
        self.tracer.record(span.end(self.clock.now()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::HeaderValue;
    use proto::trace::SpanId;
    use proto::{CallId, Function, Queue, Request};

    use super::*;
    use crate::memory::SteadyClock;

    /// Begins traces of one id, and keeps what it is told.
    struct Notebook {
        samples: bool,
        told: Mutex<Vec<Span>>,
    }

    fn context(flags: &str) -> Context {
        Context::parse(format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}").as_bytes()).unwrap()
    }

    impl Tracer for Notebook {
        fn root(&self) -> Context {
            context(if self.samples { "01" } else { "00" })
        }

        fn span(&self) -> SpanId {
            SpanId::new([7; 8]).unwrap()
        }

        fn keeps_failures(&self) -> bool {
            false
        }

        fn record(&self, span: Span) {
            self.told.lock().unwrap().push(span);
        }
    }

    /// What is told of a call with these headers, and what its message says.
    fn arrive(samples: bool, said: Option<&'static str>) -> (Vec<Span>, Option<Context>) {
        let notebook = Arc::new(Notebook { samples, told: Mutex::default() });
        let tracing = Tracing::by(notebook.clone());
        let mut headers = HeaderMap::new();
        if let Some(said) = said {
            headers.insert("traceparent", HeaderValue::from_static(said));
        }
        let clock = SteadyClock::default();
        let trace = Trace::begin(&tracing, &clock, &mut headers);
        let request = Request { headers: headers.clone(), ..Request::default() };
        let function = Function::parse("f").unwrap();
        let call = Call::new(CallId::parse("c").unwrap(), function.clone(), Timestamp::default(), request);
        if let Some(trace) = trace {
            trace.stored(&call, &LaneKey::new(Queue::default(), function));
        }
        let told = notebook.told.lock().unwrap().clone();
        (told, Context::of(&headers))
    }

    #[test]
    fn a_share_of_those_who_have_not_decided_is_traced_from_here() {
        let (told, goes_on) = arrive(true, None);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].name.as_ref(), told[0].parent), ("enqueue default/f.openfaas-fn", None));
        assert_eq!(goes_on, Some(told[0].context), "its attempts go on from it");
        let (told, goes_on) = arrive(false, None);
        assert_eq!((told.len(), goes_on.map(|it| it.sampled)), (0, Some(false)), "and nobody decides anew");
    }

    #[test]
    fn whoever_decided_is_asked_no_more() {
        let (told, goes_on) = arrive(false, Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        let asked = Context::parse(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        assert_eq!(told[0].parent, Some(Parent::Elsewhere(asked.span)));
        assert_eq!((told[0].context.trace, goes_on), (asked.trace, Some(told[0].context)));
        let (told, goes_on) = arrive(true, Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"));
        assert_eq!((told.len(), goes_on), (0, Some(Context { sampled: false, ..asked })));
    }
}
