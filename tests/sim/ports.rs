//! The broker's ports at the end of a wire.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actors::membership::Member;
use actors::port::broker::{Backlog, Error, Message, Stored, Terms};
use actors::port::cancels::Mark;
use actors::port::control::{self, Changes, Expected, Key, Record as Setting};
use actors::port::dead::Letter;
use actors::port::holdings::{self, Held, Whose};
use actors::port::presence::Sign;
use actors::port::records::Recorded;
use actors::port::{BoxFuture, BoxStream, Broker, Cancels, Control, DeadLetters, Holdings, Lane, Presence, Records};
use futures_util::{StreamExt, future};
use proto::dead::Filter;
use proto::record::State;
use proto::{Call, CallId, Dead, Function, LaneKey, Queue, Record, Timestamp};

use crate::lanes::WiredLane;
use crate::ledger::{Event, Line};
use crate::wire::Wire;

/// The broker as one worker reaches it.
pub(crate) struct Remote(pub Arc<Wire>);

impl Remote {
    /// A stream of hints: those that are told while nothing is heard are lost.
    fn hints<T: Send + 'static>(&self, hints: BoxStream<'static, T>) -> BoxStream<'static, T> {
        let wire = self.0.clone();
        hints.filter(move |_| future::ready(wire.is_open())).boxed()
    }

    fn line(&self, lane: &LaneKey) -> Line {
        let of = |it: &crate::plan::Function| Function::parse(&it.name).unwrap() == lane.function;
        match self.0.plan.functions.iter().position(of) {
            Some(function) if !lane.queue.is_callbacks() => Line::Function(function),
            _ => Line::Callbacks,
        }
    }

    /// How a call stands on record.
    async fn stands(&self, call: &CallId) -> State {
        self.0.memory.record(call).await.unwrap().unwrap().record.state
    }
}

/// The number of the call that a message belongs to.
pub(crate) fn number_in(message: &str) -> u32 {
    let (id, _) = Call::life_in(message).unwrap();
    number(&CallId::parse(id).unwrap())
}

/// A call's number.
pub(crate) fn number(call: &CallId) -> u32 {
    call.as_str().trim_start_matches('c').parse().unwrap()
}

impl Broker for Remote {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<Stored, Error>> {
        Box::pin(self.0.ask(|| self.0.memory.publish(message)))
    }

    fn publish_once(&self, message: Message) -> BoxFuture<'_, Result<Stored, Error>> {
        Box::pin(self.0.ask(|| self.0.memory.publish_once(message)))
    }

    fn ahead(&self, lane: &LaneKey, place: u64) -> BoxFuture<'_, Result<Option<u64>, Error>> {
        self.0.memory.ahead(lane, place)
    }

    fn schedule(&self, message: Message, call: &CallId, due: Timestamp) -> BoxFuture<'_, Result<Stored, Error>> {
        let (call, turn, wire): (_, Arc<str>, _) = (call.clone(), message.id.as_str().into(), &self.0);
        let schedule = async move {
            let stored = wire.memory.schedule(message, &call, due).await;
            if let Ok(stored) = &stored {
                let (call, new) = (number_in(&turn), stored.is_new());
                wire.tell(&Event::Scheduled { worker: wire.worker, call, message: turn, new });
            }
            stored
        };
        Box::pin(wire.ask(move || Box::pin(schedule)))
    }

    fn unschedule(&self, lane: &LaneKey, call: &CallId) -> BoxFuture<'_, Result<bool, Error>> {
        let (lane, call) = (lane.clone(), call.clone());
        Box::pin(async move { self.0.ask(|| self.0.memory.unschedule(&lane, &call)).await })
    }

    fn withdraw(&self, lane: &LaneKey, place: u64, id: &str) -> BoxFuture<'_, Result<bool, Error>> {
        let (lane, id) = (lane.clone(), id.to_owned());
        Box::pin(async move { self.0.ask(|| self.0.memory.withdraw(&lane, place, &id)).await })
    }

    fn lane(&self, lane: &LaneKey, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, Error>> {
        let (line, wire, key) = (self.line(lane), self.0.clone(), lane.clone());
        Box::pin(async move {
            let lane = self.0.ask(|| self.0.memory.lane(&key, terms)).await?;
            let wired: Arc<dyn Lane> = Arc::new(WiredLane { lane, line, wire });
            Ok(wired)
        })
    }

    fn due(&self, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, Error>> {
        let wire = self.0.clone();
        Box::pin(async move {
            let lane = self.0.ask(|| self.0.memory.due(terms)).await?;
            let wired: Arc<dyn Lane> = Arc::new(WiredLane { lane, line: Line::Due, wire });
            Ok(wired)
        })
    }

    fn hint<'a>(&'a self, lane: &'a LaneKey) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            // Whoever is cut off is not heard.
            let hint = || -> BoxFuture<'_, Result<(), Error>> {
                Box::pin(async {
                    self.0.memory.hint(lane).await;
                    Ok(())
                })
            };
            drop(self.0.ask(hint).await);
        })
    }

    fn backlog(&self, queue: &Queue) -> BoxFuture<'_, Result<Vec<Backlog>, Error>> {
        let queue = queue.clone();
        Box::pin(async move { self.0.ask(|| self.0.memory.backlog(&queue)).await })
    }

    fn wakes(&self, queue: &Queue) -> BoxFuture<'_, Result<BoxStream<'static, Function>, Error>> {
        let queue = queue.clone();
        Box::pin(async move { Ok(self.hints(self.0.ask(|| self.0.memory.wakes(&queue)).await?)) })
    }

    fn payload_len_max(&self) -> usize {
        self.0.memory.payload_len_max()
    }
}

impl DeadLetters for Remote {
    fn bury(&self, dead: Dead, id: String, call: Option<&CallId>) -> BoxFuture<'_, Result<Stored, Error>> {
        let call = call.cloned();
        Box::pin(async move { self.0.ask(|| self.0.memory.bury(dead, id, call.as_ref())).await })
    }

    fn letters(&self, filter: &Filter, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<Letter>, Error>> {
        self.0.memory.letters(filter, after, max)
    }

    fn letter(&self, number: u64) -> BoxFuture<'_, Result<Option<Letter>, Error>> {
        self.0.memory.letter(number)
    }

    fn remove_letter(&self, number: u64) -> BoxFuture<'_, Result<bool, Error>> {
        self.0.memory.remove_letter(number)
    }

    fn dead_count(&self) -> BoxFuture<'_, Result<u64, Error>> {
        self.0.memory.dead_count()
    }
}

impl Holdings for Remote {
    fn queues(&self) -> BoxFuture<'_, Result<BTreeSet<Queue>, Error>> {
        Box::pin(async move { self.0.ask(|| self.0.memory.queues()).await })
    }

    // Only counted: what is lost of it changes nothing.
    fn line(&self, lane: &LaneKey) -> BoxFuture<'_, Result<holdings::Line, Error>> {
        self.0.memory.line(lane)
    }

    fn later(&self) -> BoxFuture<'_, Result<u64, Error>> {
        self.0.memory.later()
    }

    fn ready(&self, lane: &LaneKey, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<Held>, Error>> {
        let lane = lane.clone();
        Box::pin(async move { self.0.ask(|| self.0.memory.ready(&lane, after, max)).await })
    }

    fn scheduled(
        &self,
        queue: &Queue,
        function: Option<&Function>,
        after: u64,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Held>, Error>> {
        let (queue, function) = (queue.clone(), function.cloned());
        Box::pin(async move { self.0.ask(|| self.0.memory.scheduled(&queue, function.as_ref(), after, max)).await })
    }

    fn scheduled_count(&self, whose: &Whose) -> BoxFuture<'_, Result<u64, Error>> {
        self.0.memory.scheduled_count(whose)
    }
}

impl Records for Remote {
    fn told(&self) -> BoxFuture<'_, Result<BoxStream<'static, Record>, Error>> {
        Box::pin(async move { self.0.ask(|| self.0.memory.told()).await })
    }

    fn note(&self, record: &Record, over: u64, keep_for: Duration) -> BoxFuture<'_, ()> {
        let record = record.clone();
        Box::pin(async move {
            // Nobody waits for a note.
            if self.0.heard().await {
                self.0.memory.note(&record, over, keep_for).await;
                let state = self.stands(&record.id).await;
                self.0.tell(&Event::Noted { worker: self.0.worker, call: number(&record.id), state });
            }
        })
    }

    fn note_accepted(&self, record: &Record, keep_for: Duration) -> BoxFuture<'_, ()> {
        self.note(record, 0, keep_for)
    }

    fn end_first(&self, record: &Record, keep_for: Duration) -> BoxFuture<'_, Result<Stored, Error>> {
        let end = self.end(record, record.end_id(), keep_for);
        // A broker need not notice that it was told before.
        Box::pin(async move { end.await.map(|stored| if stored.is_new() { stored } else { Stored::New(1) }) })
    }

    fn end(&self, record: &Record, id: String, keep_for: Duration) -> BoxFuture<'_, Result<Stored, Error>> {
        let record = record.clone();
        let end = async move {
            let stored = self.0.memory.end(&record, id, keep_for).await;
            let state = self.stands(&record.id).await;
            self.0.tell(&Event::Ended { worker: self.0.worker, call: number(&record.id), state });
            stored
        };
        Box::pin(self.0.ask(move || Box::pin(end)))
    }

    fn record(&self, call: &CallId) -> BoxFuture<'_, Result<Option<Recorded>, Error>> {
        let call = call.clone();
        Box::pin(async move { self.0.ask(|| self.0.memory.record(&call)).await })
    }

    fn changes(&self, call: &CallId) -> BoxFuture<'_, Result<BoxStream<'static, ()>, Error>> {
        let call = call.clone();
        Box::pin(async move { Ok(self.hints(self.0.ask(|| self.0.memory.changes(&call)).await?)) })
    }
}

impl Cancels for Remote {
    fn cancel(&self, mark: &Mark) -> BoxFuture<'_, Result<(), Error>> {
        let mark = mark.clone();
        Box::pin(async move { self.0.ask(|| self.0.memory.cancel(&mark)).await })
    }

    fn cancelled(&self) -> BoxFuture<'_, Result<BoxStream<'static, Mark>, Error>> {
        Box::pin(async move {
            let (marks, wire) = (self.0.ask(|| self.0.memory.cancelled()).await?, self.0.clone());
            // Marks are no hints: whoever misses one begins again.
            Ok(marks.take_while(move |_| future::ready(wire.is_open())).boxed())
        })
    }
}

impl Presence for Remote {
    fn announce(&self, id: &str, member: &Member) -> BoxFuture<'_, Result<(), Error>> {
        let (id, member) = (id.to_owned(), member.clone());
        Box::pin(async move { self.0.ask(|| self.0.memory.announce(&id, &member)).await })
    }

    fn leave(&self, id: &str) -> BoxFuture<'_, Result<(), Error>> {
        let id = id.to_owned();
        Box::pin(async move { self.0.ask(|| self.0.memory.leave(&id)).await })
    }

    fn signs(&self) -> BoxFuture<'_, Result<BoxStream<'static, Sign>, Error>> {
        Box::pin(async move { Ok(self.hints(self.0.ask(|| self.0.memory.signs()).await?)) })
    }
}

impl Control for Remote {
    fn watch(&self) -> BoxFuture<'_, Result<Changes, Error>> {
        Box::pin(self.0.ask(|| self.0.memory.watch()))
    }

    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<(Setting, u64)>, control::Error>> {
        self.0.memory.get(key)
    }

    fn put(&self, record: Setting, expected: Expected) -> BoxFuture<'_, Result<u64, control::Error>> {
        self.0.memory.put(record, expected)
    }

    fn delete(&self, key: &Key, expected: Expected) -> BoxFuture<'_, Result<bool, control::Error>> {
        self.0.memory.delete(key, expected)
    }
}
