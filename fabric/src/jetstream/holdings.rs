//! The server as a [`Holdings`] port: messages are read where they lie, and stay there.

use std::collections::BTreeSet;

use actors::port::broker::Error;
use actors::port::holdings::{Held, Hold, Line, Whose};
use actors::port::{BoxFuture, Holdings, Payload};
use async_nats::header::{HeaderName, NATS_MESSAGE_ID};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use proto::{Function, LaneKey, Queue};

use super::JetStream;
use super::broker::unavailable;
use super::lane::MESSAGE_ID;
use super::publish::away;
use super::read::{Found, pending};

impl JetStream {
    async fn ready_after(&self, lane: LaneKey, after: u64, max: usize) -> Result<Vec<Held>, Error> {
        if self.layout.known_shards(&lane.queue).await.map_err(unavailable)?.is_none() {
            return Ok(Vec::new());
        }
        let shard = self.layout.shard(&lane).await.map_err(unavailable)?;
        let stream = self.layout.ready_stream(&lane.queue, shard).await.map_err(unavailable)?;
        let subject = self.layout.settings.subjects.ready(&lane, shard);
        let found = self.layout.reader.page(&stream, &subject, after.saturating_add(1), max).await?;
        // After the messages: one that is taken in between is found taken.
        let taken = self.taken_up_to(&stream, &lane).await?;
        let hold = |found: &Found| if found.number <= taken { Hold::Taken } else { Hold::Waiting };
        Ok(found.into_iter().map(|found| self.held(hold(&found), found, lane.clone())).collect())
    }

    /// Up to which place messages of a lane were handed out by the consumer there is: with it, what it knew of leases ends.
    async fn taken_up_to(&self, stream: &str, lane: &LaneKey) -> Result<u64, Error> {
        let stream = self.layout.context.get_stream_no_info(stream).await.map_err(away)?;
        match stream.consumer_info(self.layout.settings.subjects.lane_consumer(lane)).await {
            Ok(info) => Ok(info.delivered.stream_sequence),
            Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => Ok(0),
            Err(error) => Err(away(error)),
        }
    }

    async fn scheduled_after(
        &self,
        queue: Queue,
        function: Option<Function>,
        after: u64,
        max: usize,
    ) -> Result<Vec<Held>, Error> {
        let subjects = &self.layout.settings.subjects;
        let stream = subjects.later_stream();
        let mut found = Vec::new();
        // What falls due in between moves from the first to the second.
        for filter in
            [subjects.later_matching(&queue, function.as_ref()), subjects.due_matching(&queue, function.as_ref())]
        {
            found.extend(self.layout.reader.page(&stream, &filter, after.saturating_add(1), max).await?);
        }
        found.sort_unstable_by_key(|found| found.number);
        found.truncate(max);
        let lane = |subject: &str| {
            let later = subjects.parse_later(subject).map(|(lane, _)| lane);
            later.or_else(|| subjects.parse_due(subject).map(|(lane, _)| lane))
        };
        let held = found
            .into_iter()
            .filter_map(|found| lane(&found.subject).map(|lane| self.held(Hold::Scheduled, found, lane)));
        Ok(held.collect())
    }

    async fn scheduled_count_of(&self, whose: Whose) -> Result<u64, Error> {
        let subjects = &self.layout.settings.subjects;
        let stream = subjects.later_stream();
        let filters = match &whose {
            Whose::Queue(queue) => [subjects.later_matching(queue, None), subjects.due_matching(queue, None)],
            Whose::Lane(LaneKey { queue, function }) => {
                [subjects.later_matching(queue, Some(function)), subjects.due_matching(queue, Some(function))]
            }
            Whose::Namespace(namespace) => [subjects.later_in(namespace), subjects.due_in(namespace)],
        };
        let mut count = 0;
        for filter in filters {
            let first = self.layout.reader.after(&stream, &filter, 1).await?;
            count += first.map_or(0, |(_, behind)| behind + 1);
        }
        Ok(count)
    }

    async fn line_of(&self, lane: LaneKey) -> Result<Line, Error> {
        if self.layout.known_shards(&lane.queue).await.map_err(unavailable)?.is_none() {
            return Ok(Line { waiting: 0, first: None });
        }
        let shard = self.layout.shard(&lane).await.map_err(unavailable)?;
        let stream = self.layout.ready_stream(&lane.queue, shard).await.map_err(unavailable)?;
        let subject = self.layout.settings.subjects.ready(&lane, shard);
        let taken = self.taken_up_to(&stream, &lane).await?;
        let found = self.layout.reader.page(&stream, &subject, taken.saturating_add(1), 1).await?.pop();
        let waiting = found.as_ref().map_or(0, |found| pending(&found.headers).unwrap_or_default() + 1);
        Ok(Line { waiting, first: found.map(|found| self.held(Hold::Waiting, found, lane)) })
    }

    async fn later_count(&self) -> Result<u64, Error> {
        let stream = self.layout.settings.subjects.later_stream();
        let stream = self.layout.context.get_stream(stream).await.map_err(away)?;
        Ok(stream.cached_info().state.messages)
    }

    fn held(&self, hold: Hold, found: Found, lane: LaneKey) -> Held {
        let header = |name: HeaderName| found.headers.get(name).map(ToString::to_string);
        let id = header(MESSAGE_ID).or_else(|| header(NATS_MESSAGE_ID)).unwrap_or_default();
        let payload = match self.layout.shelf.claim(Some(&found.headers)) {
            Some(claim) => Payload::Aside(claim.into()),
            None => Payload::Here(found.payload),
        };
        Held { place: found.number, lane, hold, id, payload }
    }
}

impl Holdings for JetStream {
    fn queues(&self) -> BoxFuture<'_, Result<BTreeSet<Queue>, Error>> {
        Box::pin(async { self.layout.queues().await.map_err(unavailable) })
    }

    fn ready(&self, lane: &LaneKey, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<Held>, Error>> {
        Box::pin(self.ready_after(lane.clone(), after, max))
    }

    fn line(&self, lane: &LaneKey) -> BoxFuture<'_, Result<Line, Error>> {
        Box::pin(self.line_of(lane.clone()))
    }

    fn later(&self) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(self.later_count())
    }

    fn scheduled(
        &self,
        queue: &Queue,
        function: Option<&Function>,
        after: u64,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Held>, Error>> {
        Box::pin(self.scheduled_after(queue.clone(), function.cloned(), after, max))
    }

    fn scheduled_count(&self, whose: &Whose) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(self.scheduled_count_of(whose.clone()))
    }
}
