//! The machine as a [`Broker`] port.

use std::sync::Arc;

use proto::{CallId, Dead, Function, LaneKey, Queue, Timestamp};

use super::Memory;
use super::lane::{Handle, Which};
use super::machine::Draft;
use super::store::Place;
use super::window::Space;
use crate::port::broker::{Backlog, Error, Message, Stored, Terms};
use crate::port::{BoxFuture, BoxStream, Broker, Lane};

impl Broker for Memory {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<Stored, Error>> {
        let Message { lane, id, payload } = message;
        let space = Space::Ready(lane.queue.clone());
        Box::pin(self.machine.put(Draft { space, place: Place::Ready(lane), id, payload }))
    }

    fn schedule(&self, message: Message, call: &CallId, due: Timestamp) -> BoxFuture<'_, Result<Stored, Error>> {
        let Message { lane, id, payload } = message;
        let place = Place::Later { lane, call: call.clone(), due };
        Box::pin(self.machine.put(Draft { space: Space::Later, place, id, payload }))
    }

    fn bury(&self, dead: Dead, id: String, _: Option<&CallId>) -> BoxFuture<'_, Result<Stored, Error>> {
        let draft = Draft { space: Space::Dead, place: Place::Dead, id, payload: dead.encode() };
        Box::pin(self.machine.put(draft))
    }

    fn lane(&self, lane: &LaneKey, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, Error>> {
        let lane: Arc<dyn Lane> = Arc::new(Handle::open(self.machine.clone(), Which::Lane(lane.clone()), terms));
        Box::pin(std::future::ready(Ok(lane)))
    }

    fn due(&self, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, Error>> {
        let lane: Arc<dyn Lane> = Arc::new(Handle::open(self.machine.clone(), Which::Due, terms));
        Box::pin(std::future::ready(Ok(lane)))
    }

    fn backlog(&self, queue: &Queue) -> BoxFuture<'_, Result<Vec<Backlog>, Error>> {
        let state = self.machine.state();
        let of_queue = state.lanes.iter().filter(|(key, _)| key.queue == *queue);
        let backlog = of_queue
            .map(|(key, lane)| Backlog { function: key.function.clone(), messages: lane.messages() })
            .filter(|backlog| backlog.messages > 0)
            .collect();
        Box::pin(std::future::ready(Ok(backlog)))
    }

    fn wakes(&self, queue: &Queue) -> BoxFuture<'_, Result<BoxStream<'static, Function>, Error>> {
        let hints = self.machine.state().hints.listen(queue.clone());
        Box::pin(std::future::ready(Ok(hints)))
    }

    fn dead_count(&self) -> BoxFuture<'_, Result<u64, Error>> {
        let dead = self.machine.state().dead;
        Box::pin(std::future::ready(Ok(dead)))
    }

    fn payload_len_max(&self) -> usize {
        self.machine.settings.payload_len_max
    }
}
