//! The machine as a [`Broker`] port.

use std::sync::Arc;

use proto::{CallId, Function, LaneKey, Queue, Timestamp};

use super::Memory;
use super::lane::{Handle, Which};
use super::machine::{Draft, Machine, State};
use super::store::{Change, Failure, Place};
use super::window::Space;
use crate::port::broker::{Backlog, Error, Message, Stored, Terms};
use crate::port::{BoxFuture, BoxStream, Broker, Lane};

impl Broker for Memory {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<Stored, Error>> {
        let Message { lane, id, payload } = message;
        let space = Space::Ready(lane.queue.clone());
        Box::pin(self.machine.put(Draft { space: Some(space), place: Place::Ready(lane), id, payload }))
    }

    fn publish_once(&self, message: Message) -> BoxFuture<'_, Result<Stored, Error>> {
        let Message { lane, id, payload } = message;
        Box::pin(self.machine.put(Draft { space: None, place: Place::Ready(lane), id, payload }))
    }

    fn schedule(&self, message: Message, call: &CallId, due: Timestamp) -> BoxFuture<'_, Result<Stored, Error>> {
        let Message { lane, id, payload } = message;
        let place = Place::Later { lane, call: call.clone(), due };
        Box::pin(self.machine.put(Draft { space: Some(Space::Later), place, id, payload }))
    }

    fn unschedule(&self, lane: &LaneKey, call: &CallId) -> BoxFuture<'_, Result<bool, Error>> {
        let taken = {
            let mut state = self.machine.state();
            let seq = state.later.replaced_by(lane, call);
            seq.and_then(|seq| Some((seq, state.later.remove(seq)?)))
        };
        Box::pin(async move {
            let Some((seq, (lane, call, due))) = taken else { return Ok(false) };
            let apply = move |machine: &Machine, result: &Result<(), Failure>| {
                if result.is_err() {
                    machine.state().place(seq, Place::Later { lane, call, due });
                    machine.due.notify_waiters();
                }
            };
            self.machine.commit(vec![Change::Remove(seq)], apply).await.map(|()| true)
        })
    }

    fn hint<'a>(&'a self, lane: &'a LaneKey) -> BoxFuture<'a, ()> {
        self.machine.state().hints.hint(&lane.queue, &lane.function);
        Box::pin(std::future::ready(()))
    }

    fn withdraw(&self, lane: &LaneKey, place: u64, id: &str) -> BoxFuture<'_, Result<bool, Error>> {
        let (lane, id) = (lane.clone(), id.to_owned());
        Box::pin(async move {
            // A place that holds nothing, or something else, is as good as empty.
            let same = self.machine.store.load(place).is_ok_and(|(there, _)| there == id);
            let line = |state: &mut State| Some(state.lanes.get_mut(&lane)?.line.withdraw(place));
            if !same || line(&mut self.machine.state()) != Some(true) {
                return Ok(false);
            }
            let apply = move |machine: &Machine, result: &Result<(), Failure>| {
                let mut state = machine.state();
                if result.is_ok() {
                    state.leave_queue(&lane.queue);
                } else {
                    state.place(place, Place::Ready(lane.clone()));
                }
                state.wake(&lane);
                state.tidy(&lane);
            };
            self.machine.commit(vec![Change::Remove(place)], apply).await.map(|()| true)
        })
    }

    fn ahead(&self, lane: &LaneKey, place: u64) -> BoxFuture<'_, Result<Option<u64>, Error>> {
        let state = self.machine.state();
        let ahead = state.lanes.get(lane).and_then(|lane| lane.line.ahead(place));
        Box::pin(std::future::ready(Ok(ahead)))
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
        let mut backlog: Vec<_> = of_queue
            .map(|(key, lane)| Backlog { function: key.function.clone(), messages: lane.messages() })
            .filter(|backlog| backlog.messages > 0)
            .collect();
        drop(state);
        backlog.sort_unstable_by(|a, b| a.function.cmp(&b.function));
        Box::pin(std::future::ready(Ok(backlog)))
    }

    fn wakes(&self, queue: &Queue) -> BoxFuture<'_, Result<BoxStream<'static, Function>, Error>> {
        let hints = self.machine.state().hints.listen(queue.clone());
        Box::pin(std::future::ready(Ok(hints)))
    }

    fn payload_len_max(&self) -> usize {
        self.machine.settings.payload_len_max
    }
}
