//! The in-memory broker, with doors that can be shut.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::membership::Member;
use actors::memory::Memory;
use actors::port::broker::{Backlog, Error as BrokerError, Message, Stored, Terms};
use actors::port::cancels::Mark;
use actors::port::control::{self, Changes, Expected, Key, Record};
use actors::port::dead::Letter;
use actors::port::holdings::{Held, Line, Whose};
use actors::port::presence::Sign;
use actors::port::records::Recorded;
use actors::port::{
    Aside, BoxFuture, BoxStream, Broker, Cancels, Control, DeadLetters, Delivery, Holdings, Lane, Lease, Payload,
    Presence, Records,
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use proto::dead::Filter;
use proto::{CallId, Dead, Function, LaneKey, Queue, Timestamp};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// The in-memory broker, with doors that can be shut.
pub(super) struct Shutters {
    pub(super) memory: Memory,
    /// Lanes that cannot be opened.
    pub(super) refused: Mutex<Vec<Function>>,
    /// Whether no lane can be opened and no backlog read.
    pub(super) away: AtomicBool,
    /// Whether the bytes of whatever is due are gone.
    pub(super) lost: Arc<AtomicBool>,
    /// Whether leases can be neither extended nor settled.
    pub(super) deaf: Arc<AtomicBool>,
    /// How long the control plane takes to tell what is there.
    pub(super) unread_for: Duration,
}

impl Shutters {
    pub(super) fn new(memory: Memory, unread_for: Duration) -> Self {
        let (refused, away) = (Mutex::default(), AtomicBool::default());
        let (lost, deaf) = (Arc::default(), Arc::default());
        Self { memory, refused, away, lost, deaf, unread_for }
    }
}

impl Control for Shutters {
    fn watch(&self) -> BoxFuture<'_, Result<Changes, BrokerError>> {
        Box::pin(async {
            sleep(self.unread_for).await;
            self.memory.watch().await
        })
    }
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<(Record, u64)>, control::Error>> {
        self.memory.get(key)
    }
    fn put(&self, record: Record, expected: Expected) -> BoxFuture<'_, Result<u64, control::Error>> {
        self.memory.put(record, expected)
    }
    fn delete(&self, key: &Key, expected: Expected) -> BoxFuture<'_, Result<bool, control::Error>> {
        self.memory.delete(key, expected)
    }
}

/// A lane whose leases go by [`Shutters::deaf`].
pub(super) struct ShutterLane(pub(super) Arc<dyn Lane>, pub(super) Arc<AtomicBool>);

impl Lane for ShutterLane {
    fn pull(
        &self,
        max: NonZeroU32,
        wait: Duration,
        enough: CancellationToken,
    ) -> BoxStream<'static, Result<Delivery, BrokerError>> {
        let deaf = self.1.clone();
        let shutter = move |mut delivery: Delivery| {
            delivery.lease = Arc::new(ShutterLease(delivery.lease.clone(), deaf.clone()));
            delivery
        };
        self.0.pull(max, wait, enough).map_ok(shutter).boxed()
    }
    fn waiting(&self) -> BoxFuture<'_, Result<u64, BrokerError>> {
        self.0.waiting()
    }
    fn set_limit(&self, limit: Option<NonZeroU32>) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.0.set_limit(limit)
    }
}

/// A lane of messages whose bytes may be gone.
struct LossyLane(Arc<dyn Lane>, Arc<AtomicBool>);

struct Gone;

impl Aside for Gone {
    fn fetch(&self) -> BoxFuture<'_, Result<Bytes, BrokerError>> {
        Box::pin(std::future::ready(Err(BrokerError::Refused("the bytes are gone".into()))))
    }
}

impl Lane for LossyLane {
    fn pull(
        &self,
        max: NonZeroU32,
        wait: Duration,
        enough: CancellationToken,
    ) -> BoxStream<'static, Result<Delivery, BrokerError>> {
        let lost = self.1.clone();
        let lose = move |delivery: Delivery| match lost.load(Ordering::SeqCst) {
            true => Delivery { payload: Payload::Aside(Arc::new(Gone)), ..delivery },
            false => delivery,
        };
        self.0.pull(max, wait, enough).map_ok(lose).boxed()
    }
    fn waiting(&self) -> BoxFuture<'_, Result<u64, BrokerError>> {
        self.0.waiting()
    }
    fn set_limit(&self, limit: Option<NonZeroU32>) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.0.set_limit(limit)
    }
}

struct ShutterLease(Arc<dyn Lease>, Arc<AtomicBool>);

impl ShutterLease {
    /// An in-memory lease acts when it is called: it is called only if it is heard.
    fn heard<'a>(
        &'a self,
        act: impl FnOnce(&'a dyn Lease) -> BoxFuture<'a, Result<(), BrokerError>>,
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        if self.1.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(BrokerError::Away("deaf".into()))));
        }
        act(&*self.0)
    }
}

impl Lease for ShutterLease {
    fn ack(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.heard(|lease| lease.ack())
    }
    fn ack_unconfirmed(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.heard(|lease| lease.ack_unconfirmed())
    }
    fn extend(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.heard(|lease| lease.extend())
    }
    fn give_back(&self, delay: Option<Duration>) -> BoxFuture<'_, Result<(), BrokerError>> {
        // Over a network it takes a moment.
        Box::pin(async move {
            sleep(Duration::from_millis(10)).await;
            self.heard(|lease| lease.give_back(delay)).await
        })
    }
}

impl Broker for Shutters {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<Stored, BrokerError>> {
        self.memory.publish(message)
    }
    fn publish_once(&self, message: Message) -> BoxFuture<'_, Result<Stored, BrokerError>> {
        self.memory.publish_once(message)
    }
    fn ahead(&self, lane: &LaneKey, place: u64) -> BoxFuture<'_, Result<Option<u64>, BrokerError>> {
        self.memory.ahead(lane, place)
    }
    fn schedule(&self, message: Message, call: &CallId, due: Timestamp) -> BoxFuture<'_, Result<Stored, BrokerError>> {
        self.memory.schedule(message, call, due)
    }
    fn hint<'a>(&'a self, lane: &'a LaneKey) -> BoxFuture<'a, ()> {
        self.memory.hint(lane)
    }
    fn unschedule(&self, lane: &LaneKey, call: &CallId) -> BoxFuture<'_, Result<bool, BrokerError>> {
        self.memory.unschedule(lane, call)
    }
    fn withdraw(&self, lane: &LaneKey, place: u64, id: &str) -> BoxFuture<'_, Result<bool, BrokerError>> {
        self.memory.withdraw(lane, place, id)
    }
    fn lane(&self, lane: &LaneKey, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, BrokerError>> {
        if self.away.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(BrokerError::Away("away".into()))));
        }
        if self.refused.lock().unwrap().contains(&lane.function) {
            return Box::pin(std::future::ready(Err(BrokerError::Refused("the lane is shut".into()))));
        }
        let (lane, deaf) = (lane.clone(), self.deaf.clone());
        Box::pin(async move {
            let lane: Arc<dyn Lane> = Arc::new(ShutterLane(self.memory.lane(&lane, terms).await?, deaf));
            Ok(lane)
        })
    }
    fn due(&self, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, BrokerError>> {
        Box::pin(async move {
            let lane = self.memory.due(terms).await?;
            let lossy: Arc<dyn Lane> = Arc::new(LossyLane(lane, self.lost.clone()));
            Ok(lossy)
        })
    }
    fn backlog(&self, queue: &Queue) -> BoxFuture<'_, Result<Vec<Backlog>, BrokerError>> {
        if self.away.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(BrokerError::Away("away".into()))));
        }
        self.memory.backlog(queue)
    }
    fn wakes(&self, queue: &Queue) -> BoxFuture<'_, Result<BoxStream<'static, Function>, BrokerError>> {
        self.memory.wakes(queue)
    }
    fn payload_len_max(&self) -> usize {
        self.memory.payload_len_max()
    }
}

impl Presence for Shutters {
    fn announce(&self, id: &str, member: &Member) -> BoxFuture<'_, Result<(), BrokerError>> {
        if self.deaf.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(BrokerError::Away("deaf".into()))));
        }
        self.memory.announce(id, member)
    }
    fn leave(&self, id: &str) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.memory.leave(id)
    }
    fn signs(&self) -> BoxFuture<'_, Result<BoxStream<'static, Sign>, BrokerError>> {
        self.memory.signs()
    }
}

impl Holdings for Shutters {
    fn queues(&self) -> BoxFuture<'_, Result<BTreeSet<Queue>, BrokerError>> {
        self.memory.queues()
    }

    fn line(&self, lane: &LaneKey) -> BoxFuture<'_, Result<Line, BrokerError>> {
        self.memory.line(lane)
    }
    fn later(&self) -> BoxFuture<'_, Result<u64, BrokerError>> {
        self.memory.later()
    }
    fn ready(&self, lane: &LaneKey, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<Held>, BrokerError>> {
        self.memory.ready(lane, after, max)
    }
    fn scheduled(
        &self,
        queue: &Queue,
        function: Option<&Function>,
        after: u64,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Held>, BrokerError>> {
        self.memory.scheduled(queue, function, after, max)
    }
    fn scheduled_count(&self, whose: &Whose) -> BoxFuture<'_, Result<u64, BrokerError>> {
        self.memory.scheduled_count(whose)
    }
}

impl DeadLetters for Shutters {
    fn bury(&self, dead: Dead, id: String, call: Option<&CallId>) -> BoxFuture<'_, Result<Stored, BrokerError>> {
        self.memory.bury(dead, id, call)
    }
    fn letters(&self, filter: &Filter, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<Letter>, BrokerError>> {
        self.memory.letters(filter, after, max)
    }
    fn letter(&self, number: u64) -> BoxFuture<'_, Result<Option<Letter>, BrokerError>> {
        self.memory.letter(number)
    }
    fn remove_letter(&self, number: u64) -> BoxFuture<'_, Result<bool, BrokerError>> {
        self.memory.remove_letter(number)
    }
    fn dead_count(&self) -> BoxFuture<'_, Result<u64, BrokerError>> {
        self.memory.dead_count()
    }
}

impl Records for Shutters {
    fn told(&self) -> BoxFuture<'_, Result<BoxStream<'static, proto::Record>, BrokerError>> {
        self.memory.told()
    }
    fn note_accepted(&self, record: &proto::Record, keep_for: Duration) -> BoxFuture<'_, ()> {
        self.memory.note_accepted(record, keep_for)
    }
    fn note(&self, record: &proto::Record, over: u64, keep_for: Duration) -> BoxFuture<'_, ()> {
        self.memory.note(record, over, keep_for)
    }
    fn end(
        &self,
        record: &proto::Record,
        id: String,
        keep_for: Duration,
    ) -> BoxFuture<'_, Result<Stored, BrokerError>> {
        self.memory.end(record, id, keep_for)
    }
    fn record(&self, call: &CallId) -> BoxFuture<'_, Result<Option<Recorded>, BrokerError>> {
        self.memory.record(call)
    }
    fn changes(&self, call: &CallId) -> BoxFuture<'_, Result<BoxStream<'static, ()>, BrokerError>> {
        self.memory.changes(call)
    }
}

impl Cancels for Shutters {
    fn cancel(&self, mark: &Mark) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.memory.cancel(mark)
    }
    fn cancelled(&self) -> BoxFuture<'_, Result<BoxStream<'static, Mark>, BrokerError>> {
        self.memory.cancelled()
    }
}
