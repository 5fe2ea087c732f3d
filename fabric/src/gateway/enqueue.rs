//! `POST /async-function/…`: read, store, and only then say `202`.

use std::time::Duration;

use actors::call::plan::message;
use actors::call::turned::trace_id;
use actors::port::broker::HEADROOM;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use proto::header::{IDEMPOTENCY_KEY, X_CALL_ID, X_CALLBACK_URL, X_START_TIME, drop_hop_by_hop};
use proto::record::State;
use proto::when::{self, When};
use proto::{Call, CallId, Function, Record, Refusal, callback};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

use super::Gateway;
use super::answer::{self, Answer};
use super::backlog::Scope;
use super::refusal::{refusal, unless_away};
use super::route::OwnedTarget;
use super::trace::Trace;
use crate::identity::Identity;

/// How long a body may stand still, and how fast it must come on the whole after that time, in bytes a second.
const PROGRESS_WITHIN: Duration = Duration::from_secs(30);
const PACE_MIN: u32 = 1024;

/// How much of an unwanted body is taken in, in bytes, and for how long.
const DISCARD_MAX: usize = 64 * 1024 * 1024;
const DISCARD_WITHIN: Duration = Duration::from_secs(2);

impl Gateway {
    /// Stores a call.
    pub(super) async fn enqueue(
        &self,
        target: OwnedTarget,
        request: Request<Incoming>,
        by: &Identity,
    ) -> Result<Answer, Refusal> {
        let (mut head, mut body) = request.into_parts();
        let waits_for_leave = head.headers.contains_key(header::EXPECT);
        let trace = Trace::begin(&self.ports.tracing, &*self.ports.clock, &mut head, "/async-function/{name}");
        let answer = self.store(target, head, &mut body, by, &trace).await;
        trace.answered(answer.as_ref().map_or_else(Refusal::status, Answer::status));
        if answer.is_err() && !waits_for_leave {
            Box::pin(discard(&mut body)).await;
        }
        answer
    }

    async fn store(
        &self,
        target: OwnedTarget,
        head: Parts,
        body: &mut Incoming,
        by: &Identity,
        trace: &Trace<'_>,
    ) -> Result<Answer, Refusal> {
        let began = Instant::now();
        if head.method != Method::POST {
            return Err(Refusal::Method { allow: "POST" });
        }
        let mut headers = head.headers;
        // First: what is said to this hop only, be it an id, is nothing that was said of the call.
        drop_hop_by_hop(&mut headers);
        let spec = self.function(&target.name, by)?;
        let (id, is_chosen) = call_id(&headers, &spec.function)?;
        let callback = callback_url(&headers)?;
        let directory = self.ports.directory.borrow().clone();
        self.accept.call(&spec, &directory)?;
        unless_away(&*self.ports.broker)?;
        let tenant = directory.namespace(spec.function.namespace());
        if let Some(quota) = tenant.and_then(|it| it.backlog) {
            let scope = Scope::Namespace(spec.function.namespace().clone());
            Box::pin(self.backlogs.admit(&self.ports, &directory, &scope, quota.get().into())).await?;
        }
        let own = tenant.and_then(|it| it.body_len_max).and_then(|max| usize::try_from(max).ok());
        let limit = own.map_or(self.body_len_max(), |own| own.min(self.body_len_max()));
        // Until the call is stored, or whatever else becomes of it.
        let mut held = self.bodies.part(spec.function.namespace());
        let body = read_as(body, limit, |len| held.grow(len)).await?;
        // The body may have been long in coming, and the function deleted since.
        let spec = self.registered(spec.function.clone())?;

        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::EXPECT);
        let query = head.uri.query().map(Into::into);
        let accepted_at = self.ports.clock.now();
        let When { due, expires_at } =
            when::read(&headers, accepted_at).map_err(|error| Refusal::Malformed(error.to_string()))?;
        let lane = spec.lane();
        if due.is_some() {
            let (scope, quota) = (Scope::Later(lane.clone()), self.settings.function_backlog);
            Box::pin(self.backlogs.admit(&self.ports, &directory, &scope, quota)).await?;
        }
        let request = proto::Request { method: head.method, path: target.path, query, headers, body };
        let mut call = Call::new(id, spec.function.clone(), accepted_at, request);
        (call.callback, call.expires_at) = (callback, expires_at);
        // Its age counts from when it may run: who delays a call does not want it to die of that.
        call.age_from = due.unwrap_or(accepted_at);

        let message = message(lane.clone(), &call);
        if message.payload.len() + HEADROOM > self.ports.broker.payload_len_max() {
            return Err(Refusal::TooLarge { limit });
        }
        let broker = &self.ports.broker;
        let before = match is_chosen {
            true => Box::pin(self.ports.recorder.known(&call.id)).await.filter(|it| !it.record.is_of(&call)),
            false => None,
        };
        if let Some(other) = before.as_ref().map(|it| &it.record) {
            if !by.sees(other.function.namespace()) {
                // What became of it is told to its own namespace for as long as it is kept.
                return Err(Refusal::Conflict(format!("call {} is not this one: choose another id", call.id)));
            }
            if other.function != call.function && !other.state.is_final() {
                let why = format!("call {} is one of function {}, and goes on", other.id, other.function);
                return Err(Refusal::Conflict(why));
            }
        }
        let sending = trace.sending();
        let stored = match due {
            Some(due) => broker.schedule(message, &call.id, due).await,
            None if is_chosen => broker.publish(message).await,
            None => broker.publish_once(message).await,
        };
        trace.stored(sending, &call, &spec, stored.as_ref().err());
        let stored = stored.map_err(|error| refusal(error, limit))?;
        if stored.is_new() && self.ports.recorder.keeps(spec.keep) {
            let state = if due.is_some() { State::Waiting } else { State::Ready };
            let place = stored.place().filter(|_| due.is_none());
            let record = Record { due, place, ..Record::of(&call, &lane, state, accepted_at) };
            if is_chosen || due.is_some() {
                // An id that its caller chose may have been another call's, long ago.
                let over = before.filter(|it| it.record.state.is_final()).map_or(0, |it| it.revision);
                self.ports.recorder.note(&record, over).await;
            } else {
                self.ports.recorder.note_accepted(&record).await;
            }
        }

        self.ports.meter.accepted(&lane, began.elapsed());
        tracing::debug!(
            call = %call.id,
            function = %lane.function,
            queue = %lane.queue,
            trace_id = trace_id(&call.request.headers),
            "a call is accepted"
        );
        let mut answer = answer::empty(StatusCode::ACCEPTED);
        // An id is visible ASCII by construction, and so a header value.
        answer.headers_mut().extend(HeaderValue::from_str(call.id.as_str()).ok().map(|id| (X_CALL_ID, id)));
        answer.headers_mut().insert(X_START_TIME, HeaderValue::from(accepted_at.unix_nanos()));
        Ok(answer)
    }

    fn body_len_max(&self) -> usize {
        self.settings.body_len_max.min(self.ports.broker.payload_len_max().saturating_sub(HEADROOM))
    }
}

/// The caller's own id, else the one that its idempotency key stands for, else a new one; and whether its caller chose
/// it, so that there may be another call of that id.
fn call_id(headers: &HeaderMap, function: &Function) -> Result<(CallId, bool), Refusal> {
    if let Some(id) = headers.get(X_CALL_ID) {
        let id = CallId::parse(&String::from_utf8_lossy(id.as_bytes()))?;
        if id.is_of_a_key() {
            let why =
                format!("{X_CALL_ID} {id} is of the kind that {IDEMPOTENCY_KEY} makes: send the key, or another id");
            return Err(Refusal::Malformed(why));
        }
        return Ok((id, true));
    }
    match headers.get(IDEMPOTENCY_KEY) {
        // All calls without a key of their own would be one.
        Some(key) if key.is_empty() => Err(Refusal::Malformed(format!("{IDEMPOTENCY_KEY} is empty"))),
        Some(key) => Ok((CallId::for_idempotency_key(function, key.as_bytes()), true)),
        None => Ok((CallId::from(Uuid::now_v7()), false)),
    }
}

fn callback_url(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(url) = headers.get(X_CALLBACK_URL) else { return Ok(None) };
    let malformed = |error: callback::Error| Refusal::Malformed(error.to_string());
    callback::parse_url(&String::from_utf8_lossy(url.as_bytes())).map(|url| Some(url.into())).map_err(malformed)
}

/// The whole body, refused as soon as it is known to be too long.
pub(crate) async fn read(body: &mut Incoming, limit: usize) -> Result<Bytes, Refusal> {
    read_as(body, limit, |_| Ok(())).await
}

/// The same, if `holds` has room for each piece of it.
async fn read_as(
    body: &mut Incoming,
    limit: usize,
    mut holds: impl FnMut(usize) -> Result<(), Refusal>,
) -> Result<Bytes, Refusal> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Refusal::TooLarge { limit });
    }
    let began = Instant::now();
    let first = piece(body, next_by(began, began, 0)).await?.unwrap_or_default();
    let fits = |len: usize| if len > limit { Err(Refusal::TooLarge { limit }) } else { Ok(()) };
    fits(first.len())?;
    holds(first.len())?;
    if body.is_end_stream() {
        // As most are: in one piece, which need not be copied.
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(announced.max(first.len()));
    whole.extend_from_slice(&first);
    while let Some(next) = piece(body, next_by(began, Instant::now(), whole.len())).await? {
        fits(whole.len() + next.len())?;
        holds(next.len())?;
        whole.extend_from_slice(&next);
    }
    Ok(whole.freeze())
}

/// When more of a body must have come, of which so many bytes have: who sends one now and then does not stand still.
fn next_by(began: Instant, now: Instant, received: usize) -> Instant {
    let on_the_whole = began + PROGRESS_WITHIN + Duration::from_secs(received as u64) / PACE_MIN;
    on_the_whole.min(now + PROGRESS_WITHIN)
}

/// The next piece of a body, which must be there `by` then; nothing at its end.
async fn piece(body: &mut Incoming, by: Instant) -> Result<Option<Bytes>, Refusal> {
    loop {
        let frame = timeout_at(by, body.frame()).await.map_err(|_| Refusal::Stalled(PROGRESS_WITHIN))?;
        let Some(frame) = frame else { return Ok(None) };
        let frame = frame.map_err(|error| Refusal::Malformed(format!("the body could not be read: {error}")))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}

/// Takes in what is left of a body that nobody wants, as far as that is reasonable: a caller that is still sending when
/// the connection is closed would see it reset, and not the answer.
async fn discard(body: &mut Incoming) {
    let all = async {
        let mut left = DISCARD_MAX;
        while let Some(Ok(frame)) = body.frame().await
            && left > 0
        {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        }
    };
    // Whoever takes longer has had the time to notice.
    drop(timeout(DISCARD_WITHIN, all).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_neither_stand_still_nor_crawl() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(next_by(began, began, 0), after(30));
        assert_eq!(next_by(began, after(29), 29), after(30) + Duration::from_secs(29) / PACE_MIN, "a byte a second");
        assert_eq!(next_by(began, after(40), 1024 * 1024), after(70), "what was fast may not stop");
        assert_eq!(next_by(began, after(300), 512 * 1024), after(330), "a slow line is no attack");
    }
}
