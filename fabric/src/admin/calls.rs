//! `/admin/v1/calls…`: what waits for a function, and single calls.

use actors::port::holdings::{Held, Hold};
use futures_util::{StreamExt, stream};
use http::StatusCode;
use proto::record::State;
use proto::{Call, CallId, Function, LaneKey, Queue, Record, Refusal, codec};
use serde_json::Value;

use super::query::{List, Query};
use crate::gateway::Gateway;
use crate::gateway::answer::{self, Answer};
use crate::gateway::calls::View;
use crate::gateway::refusal::refusal;
use crate::identity::Identity;

/// Records read at once.
const AT_ONCE: usize = 16;

/// The calls of the fabric.
#[derive(Clone)]
pub(super) struct Calls(pub(super) Gateway);

/// Where a list of calls goes on: first what is in the lane, then what has its time to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    Ready(u64),
    Scheduled(u64),
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("ready", place) => Some(Self::Ready(place.parse().ok()?)),
            ("scheduled", place) => Some(Self::Scheduled(place.parse().ok()?)),
            _ => None,
        }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ready(place) => write!(f, "ready:{place}"),
            Self::Scheduled(place) => write!(f, "scheduled:{place}"),
        }
    }
}

impl Calls {
    /// The calls of a function that have not ended.
    pub(super) async fn list(&self, query: &str, by: &Identity) -> Result<Answer, Refusal> {
        let query = Query::read(query, &["function", "queue", "limit", "cursor"])?;
        let page = query.page()?;
        let Some(function) = query.get("function").map(Function::parse).transpose()? else {
            return Err(Refusal::Malformed("function is missing: whose calls are listed".into()));
        };
        if !by.sees(function.namespace()) {
            // As of one that nobody has registered.
            return Ok(answer::json(StatusCode::OK, &List { items: Vec::<View>::new(), next: None }));
        }
        let registered = self.0.ports().directory.borrow().get(&function).map(|spec| spec.queue.clone());
        let queue = query.get("queue").map(Queue::parse).transpose()?.or(registered).unwrap_or_default();
        let lane = LaneKey::new(queue, function);
        let begin = query.parse("cursor", "what a page gave as next", Cursor::parse)?;
        let (items, next) = self.page(&lane, begin.unwrap_or(Cursor::Ready(0)), page.limit).await?;
        Ok(answer::json(StatusCode::OK, &List { items, next: next.map(|next| next.to_string()) }))
    }

    async fn page(&self, lane: &LaneKey, begin: Cursor, limit: usize) -> Result<(Vec<View>, Option<Cursor>), Refusal> {
        let (broker, mut held) = (&self.0.ports().broker, Vec::new());
        let mut after = 0;
        let mut next = None;
        match begin {
            Cursor::Ready(place) => {
                held = broker.ready(lane, place, limit).await.map_err(|error| refusal(error, 0))?;
                next = held.last().map(|last| Cursor::Ready(last.place));
            }
            Cursor::Scheduled(place) => after = place,
        }
        if held.len() < limit {
            let (queue, function) = (&lane.queue, Some(&lane.function));
            let more = broker.scheduled(queue, function, after, limit - held.len()).await;
            let more = more.map_err(|error| refusal(error, 0))?;
            next = more.last().map(|last| Cursor::Scheduled(last.place));
            held.extend(more);
        }
        let next = next.filter(|_| held.len() == limit);
        let views = stream::iter(held).map(|held| self.view(held)).buffered(AT_ONCE);
        Ok((views.filter_map(std::future::ready).collect().await, next))
    }

    /// As its record has it; one that has none is shown as it was found. Nothing if it is no call.
    async fn view(&self, held: Held) -> Option<View> {
        let Held { lane, id, payload, place, hold } = held;
        let now = self.0.ports().clock.now();
        let id = Call::life_in(&id).and_then(|(id, _)| CallId::parse(id).ok());
        let record = match &id {
            Some(id) => self.0.ports().recorder.known(id).await.map(|it| it.record),
            None => None,
        };
        if let Some(record) = record.filter(|record| record.lane() == lane) {
            return Some(View::of(record, now));
        }
        let call = codec::decode(&payload.read().await.ok()?).ok()?;
        let place = (hold != Hold::Scheduled).then_some(place);
        let found = Record { place, ..Record::of(&call, &lane, State::Ready, call.accepted_at) };
        Some(View::of(found, now))
    }

    pub(super) async fn get(&self, id: &str, by: &Identity) -> Result<Answer, Refusal> {
        let record = self.0.record(&CallId::parse(id)?, by).await?;
        Ok(answer::json(StatusCode::OK, &View::of(record, self.0.ports().clock.now())))
    }

    pub(super) async fn cancel(&self, id: &str, by: &Identity) -> Result<Answer, Refusal> {
        let id = CallId::parse(id)?;
        let answer = self.0.cancel(&id, by).await?;
        let audit = self.0.ports().records.audit();
        audit.tell(by, &format!("cancel call {id}"), &Value::Null, &State::Cancelled.as_str().into()).await;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_as_it_was_written() {
        for cursor in [Cursor::Ready(7), Cursor::Scheduled(0)] {
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }
        for bad in ["", "7", "ready:", "later:7", "ready:-1"] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
