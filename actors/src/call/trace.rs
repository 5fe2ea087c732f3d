//! The spans of a call in hand.
//!
//! ```text
//! enqueue ─┬─ wait …                what it waited for in the queue: a span for each reason
//!          └─ process               this attempt, from the delivery to the ack
//!               ├─ POST             the request, whose receiver goes on from here
//!               └─ settle
//!                    └─ enqueue     the callback, whose delivery is an attempt of its own
//! ```
//!
//! A call is traced if its message says so. If it does not, nothing is made up until something goes wrong: then this
//! attempt is told all the same (without those before it, which nobody remembers), and the message of a retry or a callback
//! that follows says that it is to be traced.

use std::borrow::Cow;

use http::HeaderMap;
use proto::outcome::{Reply, classify};
use proto::record::State;
use proto::trace::{Across, Context, SpanId};
use proto::{Call, LaneKey, Outcome, Timestamp};

use super::Desk;
use super::attempt::Attempt;
use super::plan::Next;
use crate::port::invoker::{Answer, Error};
use crate::port::tracer::{Kind, Parent, Span};
use crate::port::{Delivery, Tracer};
use crate::trace::{attribute as is, destination, note_call, note_message, note_url, status_failure};
use crate::waiting::Reason;
use crate::waiting::spells::{Spell, Spells};

/// What is told of one delivery of a call, if anybody traces. Dropped before it is [`finished`](Self::finish), it tells
/// that the call was abandoned.
pub struct Trace<'a>(Option<Told<'a>>);

struct Told<'a> {
    desk: &'a Desk,
    tracer: &'a dyn Tracer,
    delivery: &'a Delivery,
    waits: Option<&'a Spells>,
    /// What the message came with.
    asked: Option<Context>,
    attempt: u32,
    wait: Wait,
    began: Timestamp,
    /// This attempt, once it is known that it is to be told.
    spans: Option<Box<Spans>>,
}

struct Spans {
    attempt: Span,
    /// Those below it that are over.
    below: Vec<Span>,
    settling: Option<(SpanId, Timestamp)>,
}

/// What an attempt had to wait for before its lane had anything to do with it.
#[derive(Clone, Copy)]
struct Wait {
    from: Timestamp,
    due: Timestamp,
    is_retry: bool,
}

/// A request on its way.
#[derive(Clone, Copy)]
pub struct Sent {
    span: Option<SpanId>,
    began: Timestamp,
}

/// A callback that is being stored.
#[derive(Clone, Copy)]
pub struct Sending {
    context: Context,
    began: Timestamp,
}

impl Desk {
    /// What is to be told of this delivery of `call`, whose lane waited for `waits`.
    #[must_use]
    pub fn trace<'a>(&'a self, call: &Call, delivery: &'a Delivery, waits: Option<&'a Spells>) -> Trace<'a> {
        let Some(tracer) = self.tracing.tracer() else { return Trace::none() };
        let asked = Context::of(&call.request.headers);
        let is_sampled = asked.is_some_and(|asked| asked.sampled);
        if !is_sampled && !tracer.keeps_failures() {
            return Trace::none();
        }
        let (from, due) = call.waits_from();
        let wait = Wait { from, due, is_retry: call.due.is_some() };
        let (attempt, began) = (call.next_attempt(), self.clock.now());
        let mut told = Told { desk: self, tracer, delivery, waits, asked, attempt, wait, began, spans: None };
        if is_sampled {
            told.spans();
        }
        Trace(Some(told))
    }
}

impl Trace<'_> {
    /// Nothing is told.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// A request with these headers is sent now; its receiver goes on from it.
    pub fn send(&mut self, headers: &mut HeaderMap) -> Option<Sent> {
        let told = self.0.as_mut()?;
        let context = told.spans.as_ref().map(|spans| spans.attempt.context.with(told.tracer.span()));
        if let Some(context) = context {
            context.pass_on(headers);
        }
        Some(Sent { span: context.map(|it| it.span), began: told.desk.clock.now() })
    }

    /// What came back from `to`.
    pub fn answered(
        &mut self,
        sent: Option<Sent>,
        call: &Call,
        to: &str,
        codes: &[u16],
        answer: &Result<Answer, Error>,
    ) {
        let (Some(told), Some(sent)) = (self.0.as_mut(), sent) else { return };
        if told.spans.is_none() && !is_failure(answer, codes) {
            return;
        }
        let (attempt, is_callback, ended) = (told.attempt, told.is_callback(), told.desk.clock.now());
        let id = sent.span.unwrap_or_else(|| told.tracer.span());
        let spans = told.spans();
        let mut span = spans.below(id, call.request.method.to_string(), Kind::Client, sent.began);
        span.note(is::HTTP_METHOD, call.request.method.to_string());
        span.note(is::FAAS_NAME, call.function.to_string());
        span.note(is::FAAS_INVOCATION, call.id.to_string());
        if attempt > 1 {
            span.note(is::HTTP_RESEND_COUNT, attempt - 1);
        }
        note_url(&mut span, to, is_callback);
        match answer {
            Ok(Answer { status, .. }) => {
                span.note(is::HTTP_STATUS, status.as_u16());
                span.failure = status_failure(*status);
            }
            Err(error) => span.failure = Some(word(error).into()),
        }
        spans.below.push(span.end(ended));
    }

    /// What came of the attempt.
    pub fn attempted(&mut self, attempt: &Attempt) {
        let Some(told) = self.0.as_mut() else { return };
        let (outcome, failed) = match attempt.outcome {
            Outcome::Succeeded => ("succeeded", false),
            Outcome::Busy => ("busy", false),
            Outcome::Retry => ("retried", true),
            Outcome::Failed => ("failed", true),
        };
        told.fail(failed.then_some(outcome));
        told.note(is::OUTCOME, outcome);
    }

    /// It goes back to its lane, for somebody else.
    pub fn given_back(&mut self) {
        if let Some(told) = self.0.as_mut() {
            told.note(is::OUTCOME, "given_back");
        }
    }

    /// This is to be stored now. A call that is tried again goes on in the same trace.
    pub fn settle(&mut self, next: &mut Next) {
        let Some(told) = self.0.as_mut() else { return };
        match next {
            Next::Again { call, .. } => told.carry(call),
            Next::Ended(end) => {
                let state = end.record.state;
                told.fail(matches!(state, State::Dead | State::Expired | State::Failed).then(|| state.as_str()));
                told.note(is::STATE, state.as_str());
            }
            Next::Buried(_) => told.fail(Some("buried")),
        }
        if let Some(spans) = &mut told.spans {
            spans.settling = Some((told.tracer.span(), told.desk.clock.now()));
        }
    }

    /// This callback is stored now; its delivery goes on from it.
    pub fn call_back(&mut self, callback: &mut Call) -> Option<Sending> {
        let told = self.0.as_mut()?;
        let context = told.spans.as_ref()?.attempt.context.with(told.tracer.span());
        context.pass_on(&mut callback.request.headers);
        Some(Sending { context, began: told.desk.clock.now() })
    }

    /// And has been.
    pub fn called_back(&mut self, sending: Option<Sending>, callback: &Call, lane: &LaneKey) {
        let (Some(told), Some(Sending { context, began })) = (self.0.as_mut(), sending) else { return };
        let Some(spans) = &mut told.spans else { return };
        let mut span = spans.below(context.span, format!("enqueue {}", destination(lane)), Kind::Producer, began);
        span.parent = spans.settling.map(|(span, _)| Parent::Here(span)).or(span.parent);
        note_message(&mut span, lane, ("enqueue", "send"), &callback.message_id());
        note_call(&mut span, callback);
        spans.below.push(span.end(told.desk.clock.now()));
    }

    /// It is over; with what went wrong in the end, if anything did.
    pub fn finish(mut self, failure: Option<&'static str>) {
        self.over(failure);
    }

    fn over(&mut self, failure: Option<&'static str>) {
        if let Some(mut told) = self.0.take() {
            told.fail(failure);
            told.tell();
        }
    }
}

impl Drop for Trace<'_> {
    fn drop(&mut self) {
        self.over(Some("abandoned"));
    }
}

impl Told<'_> {
    fn is_callback(&self) -> bool {
        self.delivery.lane.queue.is_callbacks()
    }

    /// This attempt, which is told from here on.
    fn spans(&mut self) -> &mut Spans {
        let spans = match self.spans.take() {
            Some(spans) => spans,
            None => Box::new(Spans { attempt: self.begin(), below: Vec::new(), settling: None }),
        };
        self.spans.insert(spans)
    }

    fn begin(&self) -> Span {
        let (lane, tracer) = (&self.delivery.lane, self.tracer);
        let across = match self.is_callback() {
            true => Across::Parent,
            false => self.desk.directory.borrow().get(&lane.function).map_or(Across::Parent, |spec| spec.across),
        };
        let root = || Context { sampled: true, ..tracer.root() };
        let (context, parent, link) = match (self.asked, across) {
            (None, _) => (root(), None, None),
            (Some(asked), Across::Link) => (root(), None, Some(asked)),
            (Some(asked), Across::Parent) => {
                let context = Context { sampled: true, ..asked.with(tracer.span()) };
                (context, Some(Parent::Elsewhere(asked.span)), None)
            }
        };
        let name = format!("process {}", destination(lane));
        Span { parent, link, ..Span::begin(name, Kind::Consumer, context, self.began) }
    }

    fn note(&mut self, attribute: &'static str, value: &'static str) {
        if let Some(spans) = &mut self.spans {
            spans.attempt.note(attribute, value);
        }
    }

    /// What went wrong first stays.
    fn fail(&mut self, failure: Option<&'static str>) {
        if failure.is_some() && (self.spans.is_some() || self.tracer.keeps_failures()) {
            let attempt = &mut self.spans().attempt;
            attempt.failure = attempt.failure.take().or(failure.map(Into::into));
        }
    }

    /// Has the next attempt told if this one is, whatever was decided before.
    fn carry(&self, call: &mut Call) {
        let Some(spans) = &self.spans else { return };
        if !self.asked.is_some_and(|asked| asked.sampled) {
            // Attempts are beside each other, below what asked for them; where nothing did, below the first that is told.
            let from = self.asked.unwrap_or(spans.attempt.context);
            Context { sampled: true, ..from }.pass_on(&mut call.request.headers);
        }
    }

    fn tell(mut self) {
        let Some(spans) = self.spans.take() else { return };
        let Spans { mut attempt, below, settling } = *spans;
        let (lane, ended, here) = (&self.delivery.lane, self.desk.clock.now(), Parent::Here(attempt.context.span));
        if let Some((id, began)) = settling {
            let settle = Span::begin("settle", Kind::Internal, attempt.context.with(id), began);
            self.tracer.record(Span { parent: Some(here), ..settle }.end(ended));
        }
        below.into_iter().for_each(|span| self.tracer.record(span));
        let trace = Context { sampled: true, ..self.asked.unwrap_or(attempt.context) };
        let parent = self.asked.map_or(here, |asked| Parent::Elsewhere(asked.span));
        for Spell { reason, from, until } in waited(self.wait, self.waits, self.began) {
            let context = trace.with(self.tracer.span());
            let mut wait = Span::begin(format!("wait {reason}"), Kind::Internal, context, from);
            wait.parent = Some(parent);
            wait.note(is::WAIT_REASON, reason);
            self.tracer.record(wait.end(until));
        }
        let operation = ("process", "process");
        note_message(&mut attempt, lane, operation, &self.delivery.id);
        if !self.is_callback() {
            attempt.note(is::FAAS_NAME, lane.function.to_string());
        }
        if let Some((call, _)) = Call::life_in(&self.delivery.id) {
            attempt.note(is::MESSAGING_CONVERSATION, call.to_owned());
            attempt.note(is::FAAS_INVOCATION, call.to_owned());
        }
        attempt.note(is::ATTEMPT, self.attempt);
        attempt.note(is::DELIVERIES, self.delivery.deliveries);
        self.tracer.record(attempt.end(ended));
    }
}

impl Spans {
    /// A span that begins below that of the attempt.
    fn below(&self, id: SpanId, name: impl Into<Cow<'static, str>>, kind: Kind, began: Timestamp) -> Span {
        let context = self.attempt.context;
        Span { parent: Some(Parent::Here(context.span)), ..Span::begin(name, kind, context.with(id), began) }
    }
}

/// What was waited for before an attempt began: first for a time, then for whatever its lane waited for.
fn waited(Wait { from, due, is_retry }: Wait, waits: Option<&Spells>, began: Timestamp) -> Vec<Spell<&'static str>> {
    let due = due.min(began);
    let for_time = Spell { reason: if is_retry { "backoff" } else { "delay" }, from, until: due };
    let unknown = || vec![Spell { reason: None, from: due, until: began }];
    let in_lane = waits.map_or_else(unknown, |waits| waits.between(due, began)).into_iter();
    let in_lane = in_lane.map(|Spell { reason, from, until }| Spell {
        reason: reason.map_or("queue", Reason::as_str),
        from,
        until,
    });
    std::iter::once(for_time).chain(in_lane).filter(|spell| spell.from < spell.until).collect()
}

/// Whether an answer is to be told even where nothing is.
fn is_failure(answer: &Result<Answer, Error>, codes: &[u16]) -> bool {
    let reply = match answer {
        Ok(answer) if answer.status.is_success() => return false,
        Ok(answer) => Reply::Answered(answer.status, &answer.headers),
        Err(error) => error.reply(),
    };
    matches!(classify(reply, codes), Outcome::Retry | Outcome::Failed)
}

fn word(error: &Error) -> &'static str {
    match error {
        Error::Refused(_) => "refused",
        Error::TimedOut(_) => "timeout",
        Error::Broken { .. } => "broken",
        Error::Forbidden(_) => "forbidden",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: i64) -> Timestamp {
        Timestamp::from_unix_nanos(nanos)
    }

    #[test]
    fn a_wait_is_told_in_parts_from_its_beginning_to_its_end() {
        let waits = Spells::default();
        waits.note(Some(Reason::Rate), || at(40));
        waits.note(None, || at(50));
        let parts = |from, due, is_retry, began| {
            let wait = Wait { from: at(from), due: at(due), is_retry };
            let parts = waited(wait, Some(&waits), at(began)).into_iter();
            parts.map(|it| (it.reason, it.from.unix_nanos(), it.until.unix_nanos())).collect::<Vec<_>>()
        };
        assert_eq!(parts(10, 10, false, 30), [("queue", 10, 30)]);
        assert_eq!(parts(10, 20, false, 30), [("delay", 10, 20), ("queue", 20, 30)]);
        assert_eq!(
            parts(10, 20, true, 60),
            [("backoff", 10, 20), ("queue", 20, 40), ("rate", 40, 50), ("queue", 50, 60)]
        );
        assert_eq!(parts(10, 90, true, 60), [("backoff", 10, 60)], "clocks that differ make no wait that is to come");
        assert_eq!(parts(90, 90, false, 60), []);
        let untold = waited(Wait { from: at(0), due: at(0), is_retry: false }, None, at(9));
        assert_eq!(untold, [Spell { reason: "queue", from: at(0), until: at(9) }], "where nobody followed the lane");
    }
}
