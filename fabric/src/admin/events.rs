//! `/admin/v1/events`: what is told of calls, as it is told. Server-sent events, as the HTML standard has them: each is
//! named for the state of its call, and its data is the call as `/admin/v1/calls/{id}` shows it, without its result.

use std::convert::Infallible;
use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use proto::{Function, Namespace, Record, Refusal};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::query::Query;
use crate::gateway::Gateway;
use crate::gateway::answer::Answer;
use crate::gateway::calls::View;
use crate::gateway::refusal::refusal;
use crate::identity::Identity;

/// How often something is said although nothing happens: whoever is gone is noticed by it.
const SILENT_MAX: Duration = Duration::from_secs(15);
/// What is said then: a comment.
const STILL_HERE: &[u8] = b":\n\n";

/// Which events are wanted.
#[derive(Clone, Debug)]
struct Wanted {
    function: Option<Function>,
    namespace: Option<Namespace>,
    /// Only the ends of calls.
    ended: bool,
    /// The answer ends after so many.
    max: Option<NonZeroU64>,
}

impl Wanted {
    fn read(query: &str) -> Result<Self, Refusal> {
        let query = Query::read(query, &["function", "namespace", "ended", "max"])?;
        Ok(Self {
            function: query.get("function").map(Function::parse).transpose()?,
            namespace: query.get("namespace").map(Namespace::parse).transpose()?,
            ended: query.flag("ended")?,
            max: query.parse("max", "a whole number above 0", |it| it.parse().ok())?,
        })
    }

    fn has(&self, record: &Record) -> bool {
        self.function.as_ref().is_none_or(|it| record.function == *it)
            && self.namespace.as_ref().is_none_or(|it| record.function.namespace() == it)
            && (!self.ended || record.state.is_final())
    }
}

/// Tells until the listener drains, the broker is lost, the other side has gone or may not hear it any more.
pub(super) async fn follow(
    gateway: &Gateway,
    query: &str,
    drain: watch::Receiver<Option<Instant>>,
    by: &Identity,
) -> Result<Answer, Refusal> {
    let (wanted, within) = (Wanted::read(query)?, by.namespaces().clone());
    let max = wanted.max;
    let has = move |it: &Record| within.covers(it.function.namespace()) && wanted.has(it);
    let (told, clock) = (gateway.ports().broker.told().await, gateway.ports().clock.clone());
    let max = max.map_or(usize::MAX, |max| usize::try_from(max.get()).unwrap_or(usize::MAX));
    let records = told.map_err(|error| refusal(error, 0))?.filter(move |it| std::future::ready(has(it)));
    let events = records.take(max).map(move |record| event(record, clock.now()));
    let (mut drain, authenticator, by) = (drain, gateway.ports().authenticator.clone(), by.clone());
    let over = async move {
        tokio::select! {
            _ = drain.wait_for(Option::is_some) => {}
            () = authenticator.lapse(&by) => {}
        }
    };
    let lines = with_signs_of_life(events).take_until(Box::pin(over));
    let frames = lines.map(|line| Ok::<_, Infallible>(Frame::data(line)));
    let body = StreamBody::new(frames).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

fn event(record: Record, now: proto::Timestamp) -> Bytes {
    let view = View::of(Record { result: None, ..record }, now);
    // A record is always JSON, and that has no line ends in it.
    let data = serde_json::to_string(&view).unwrap_or_default();
    format!("event: {}\ndata: {data}\n\n", view.state()).into()
}

/// The same, and a comment whenever nothing has come for a while: the first at once, so that whoever asks knows that he
/// is heard.
fn with_signs_of_life(events: impl Stream<Item = Bytes> + Send + 'static) -> impl Stream<Item = Bytes> + Send {
    let first = stream::once(std::future::ready(Bytes::from_static(STILL_HERE)));
    let rest = stream::unfold(Box::pin(events), |mut events| async move {
        match timeout(SILENT_MAX, events.next()).await {
            Ok(event) => event.map(|event| (event, events)),
            Err(_) => Some((Bytes::from_static(STILL_HERE), events)),
        }
    });
    first.chain(rest)
}

#[cfg(test)]
mod tests {
    use proto::record::State;
    use proto::{Call, CallId, LaneKey, Queue, Request, Timestamp};

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_nanos(1_700_000_000_000_000_000);

    fn record(function: &str, state: State) -> Record {
        let function = Function::parse(function).unwrap();
        let call = Call::new(CallId::parse("c").unwrap(), function.clone(), NOW, Request::default());
        Record::of(&call, &LaneKey::new(Queue::default(), function), state, NOW)
    }

    #[test]
    fn an_event_is_named_for_the_state_and_has_no_line_end_in_its_data() {
        let told = Record { detail: Some("a\nb".into()), ..record("f", State::Failed) };
        let text = String::from_utf8(event(told, NOW).to_vec()).unwrap();
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!((lines[0], lines.len()), ("event: failed", 4), "{text}");
        let data: serde_json::Value = serde_json::from_str(lines[1].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!((&data["function"], &data["detail"]), (&"f.openfaas-fn".into(), &"a\nb".into()));
    }

    #[test]
    fn only_what_is_wanted_is_told() {
        let has = |query: &str, function, state| Wanted::read(query).unwrap().has(&record(function, state));
        assert!(has("", "f", State::Ready));
        assert!(has("ended=true", "f", State::Succeeded) && !has("ended=true", "f", State::Running));
        assert!(has("function=f.acme", "f.acme", State::Ready) && !has("function=f.acme", "g.acme", State::Ready));
        assert!(has("namespace=acme", "g.acme", State::Ready) && !has("namespace=acme", "f", State::Ready));
        for bad in ["max=0", "ended=maybe", "function=No", "state=ready"] {
            assert!(Wanted::read(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_broken_now_and_then() {
        let mut lines = Box::pin(with_signs_of_life(stream::pending()));
        let began = Instant::now();
        for _ in 0..3 {
            assert_eq!(lines.next().await.unwrap(), STILL_HERE);
        }
        assert_eq!(began.elapsed(), 2 * SILENT_MAX);
    }
}
