//! The machine as a [`Holdings`] port.

use std::collections::BTreeSet;

use proto::{Function, LaneKey, Queue};
use tokio::time::Instant;

use super::Memory;
use super::line::Line;
use super::store::Seq;
use crate::port::broker::Error;
use crate::port::holdings::{self, Held, Hold, Whose};
use crate::port::{BoxFuture, Holdings};

impl Memory {
    /// What lies at these places; one that was settled in the meantime is none.
    fn held(&self, places: Vec<(Seq, LaneKey, Hold)>) -> Vec<Held> {
        let load = |(place, lane, hold)| {
            let (id, payload) = self.machine.store.load(place).ok()?;
            Some(Held { place, lane, hold, id, payload: payload.into() })
        };
        places.into_iter().filter_map(load).collect()
    }
}

impl Holdings for Memory {
    fn queues(&self) -> BoxFuture<'_, Result<BTreeSet<Queue>, Error>> {
        let state = self.machine.state();
        let queues = state.lanes.keys().map(|lane| &lane.queue).chain(state.later.queues()).cloned().collect();
        drop(state);
        Box::pin(std::future::ready(Ok(queues)))
    }

    fn ready(&self, lane: &LaneKey, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<Held>, Error>> {
        let places = {
            let state = self.machine.state();
            let line = state.lanes.get(lane).map(|it| &it.line);
            let hold = |line: &Line, place| if line.was_taken(place) { Hold::Taken } else { Hold::Waiting };
            let held = |line: &Line| {
                line.after(after, max).into_iter().map(|place| (place, lane.clone(), hold(line, place))).collect()
            };
            line.map(held).unwrap_or_default()
        };
        let held = self.held(places);
        Box::pin(std::future::ready(Ok(held)))
    }

    fn line(&self, lane: &LaneKey) -> BoxFuture<'_, Result<holdings::Line, Error>> {
        let now = Instant::now().into_std();
        let (waiting, first) = match self.machine.state().lanes.get_mut(lane) {
            Some(lane) => (lane.line.waiting(now), lane.line.first()),
            None => (0, None),
        };
        let first = self.held(first.map(|place| (place, lane.clone(), Hold::Waiting)).into_iter().collect()).pop();
        Box::pin(std::future::ready(Ok(holdings::Line { waiting, first })))
    }

    fn later(&self) -> BoxFuture<'_, Result<u64, Error>> {
        let count = self.machine.state().later.len();
        Box::pin(std::future::ready(Ok(count)))
    }

    fn scheduled(
        &self,
        queue: &Queue,
        function: Option<&Function>,
        after: u64,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Held>, Error>> {
        let places = self.machine.state().later.after(queue, function, after, max);
        let held = self.held(places.into_iter().map(|(place, lane)| (place, lane, Hold::Scheduled)).collect());
        Box::pin(std::future::ready(Ok(held)))
    }

    fn scheduled_count(&self, whose: &Whose) -> BoxFuture<'_, Result<u64, Error>> {
        let count = self.machine.state().later.count(whose);
        Box::pin(std::future::ready(Ok(count)))
    }
}
