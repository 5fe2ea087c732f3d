//! The machine: one lock over everything, held for moments and never across an await.
//!
//! A change is decided under the lock, committed outside it, and applied under it again by the store when it is
//! durable. So a caller that goes away in between changes nothing: what was committed is applied all the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use proto::{CallId, LaneKey, Queue, Timestamp};
use tokio::sync::{Notify, mpsc, oneshot};

use super::Settings;
use super::hints::Hints;
use super::later::Later;
use super::line::Line;
use super::listeners::Listeners;
use super::presence::Signs;
use super::shelf::Shelf;
use super::store::{Change, Entry, Failure, Kind, Place, Recovered, Seq, Store};
use super::window::{Known, Space, Window};
use crate::port::broker::{Error, Stored};
use crate::port::cancels::Mark;
use crate::port::survey::Asked;
use crate::port::{Clock, control};

pub(super) struct Machine {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: Settings,
    state: Mutex<State>,
    /// Someone who pulls what is due waits here.
    pub(super) due: Arc<Notify>,
    /// Whoever changes a record of the control plane holds this until it is durable.
    pub(super) writes: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
pub(super) struct State {
    next: Seq,
    pub(super) lanes: HashMap<LaneKey, Lane>,
    /// Messages of each queue, those being stored included.
    queues: HashMap<Queue, u64>,
    pub(super) later: Later,
    pub(super) dead: BTreeMap<Seq, (LaneKey, Option<CallId>)>,
    pub(super) shelf: Shelf,
    pub(super) listeners: Listeners,
    pub(super) cancels: Vec<mpsc::UnboundedSender<Mark>>,
    window: Window,
    /// Those who sent a message again while it was being stored.
    duplicates: HashMap<(Space, String), Vec<Told>>,
    pub(super) hints: Hints,
    pub(super) records: BTreeMap<control::Key, (u64, Bytes)>,
    /// The last revision that a record was written as.
    pub(super) revision: u64,
    pub(super) signs: Signs,
    pub(super) surveyed: Vec<mpsc::UnboundedSender<Asked>>,
    /// Those who hear of every record.
    pub(super) told: Vec<mpsc::Sender<proto::Record>>,
    pub(super) watchers: Vec<mpsc::UnboundedSender<control::Change>>,
}

/// One who waits for a commit.
type Told = oneshot::Sender<Result<(), Failure>>;

/// A lane: its line, and those who wait at it.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) line: Line,
    /// Messages being stored.
    reserved: u64,
    /// Handles that are open.
    pub(super) handles: usize,
    pub(super) changed: Arc<Notify>,
}

impl Lane {
    pub(super) fn messages(&self) -> u64 {
        self.line.len() as u64
    }
}

/// What is to be stored, before it has a place.
pub(super) struct Draft {
    /// Where its id is remembered, if it is.
    pub(super) space: Option<Space>,
    pub(super) place: Place,
    pub(super) id: String,
    pub(super) payload: Bytes,
}

impl Machine {
    pub(super) fn new(store: Arc<dyn Store>, recovered: Recovered, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let mut state = State { next: recovered.next.max(1), ..State::default() };
        for (seq, place) in recovered.entries {
            state.next = state.next.max(seq + 1);
            if let Place::Ready(lane) = &place {
                *state.queues.entry(lane.queue.clone()).or_default() += 1;
            }
            state.place(seq, place);
        }
        for (space, id, at) in recovered.remembered {
            state.window.stored(space, id, at);
        }
        (state.records, state.revision) = (recovered.records.into_iter().collect(), recovered.revision);
        Self { store, clock, settings, state: Mutex::new(state), due: Arc::default(), writes: Arc::default() }
    }

    /// The lock. A panic while it is held would be a bug in the pure parts, which leave nothing half done.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a draft, once.
    pub(super) async fn put(self: &Arc<Self>, draft: Draft) -> Result<Stored, Error> {
        if draft.payload.len() > self.settings.payload_len_max {
            return Err(Error::TooLarge { limit: self.settings.payload_len_max });
        }
        let (begun, told) = self.begin(draft)?;
        if matches!(begun, Begun::Duplicate) {
            return Ok(Stored::Duplicate);
        }
        let gone = |_| Failure::Broken("the store ended".into());
        told.await.map_err(gone).and_then(|stored| stored)?;
        Ok(match begun {
            Begun::Committed(seq) => Stored::New(seq),
            Begun::Waiting | Begun::Duplicate => Stored::Duplicate,
        })
    }

    /// Decides under the lock, then hands the change to the store.
    fn begin(self: &Arc<Self>, draft: Draft) -> Result<(Begun, oneshot::Receiver<Result<(), Failure>>), Error> {
        let (tell, told) = oneshot::channel();
        let mut state = self.state();
        if let Some(space) = &draft.space {
            match state.window.known(space, &draft.id, self.clock.now()) {
                Known::Stored => return Ok((Begun::Duplicate, told)),
                Known::Pending => {
                    state.duplicates.entry((space.clone(), draft.id)).or_default().push(tell);
                    return Ok((Begun::Waiting, told));
                }
                Known::No => {}
            }
        }
        state.reserve(&draft.place, self.settings)?;
        let seq = self.hand_over(state, draft, tell);
        Ok((Begun::Committed(seq), told))
    }

    /// Stores a draft over the entry at `over`, unless that is no longer the latest. Nobody waits for it.
    pub(super) fn put_over(self: &Arc<Self>, draft: Draft, over: Seq) {
        let state = self.state();
        if let Place::Kept { kind, call, .. } = &draft.place
            && state.shelf.latest(*kind, call) == over
        {
            let (tell, _) = oneshot::channel();
            self.hand_over(state, draft, tell);
        }
    }

    fn hand_over(self: &Arc<Self>, mut state: MutexGuard<'_, State>, draft: Draft, tell: Told) -> Seq {
        let now = self.clock.now();
        let mut changes: Vec<Change> =
            state.window.expire(now).into_iter().map(|(space, id)| Change::Forget(space, id)).collect();
        changes.extend(state.shelf.expire(now).into_iter().map(Change::Remove));
        let replaced = state.replace(&draft.place);
        changes.extend(replaced.as_ref().map(|&(seq, _)| Change::Remove(seq)));
        let seq = state.next;
        state.next += 1;
        let Draft { space, place, id, payload } = draft;
        if let Some(space) = &space {
            state.window.pend(space, &id, now);
        }
        if let Place::Kept { kind, call, .. } = &place {
            changes.extend(state.shelf.begin(*kind, call, seq).into_iter().map(Change::Remove));
        }
        let entry = Entry { seq, place: place.clone(), id: id.clone(), at: now, payload };
        changes.push(Change::Put(space.clone(), entry));
        let (machine, committed) = (self.clone(), Committed { seq, space, place, id, at: now, replaced });
        drop(state);
        self.store.commit(
            changes,
            Box::new(move |result| {
                machine.committed(committed, &result);
                // The one who stored it may be gone; it is stored all the same.
                drop(tell.send(result));
            }),
        );
        seq
    }

    fn committed(&self, Committed { seq, space, place, id, at, replaced }: Committed, result: &Result<(), Failure>) {
        let mut superseded = false;
        let mut state = self.state();
        state.unreserve(&place);
        if result.is_ok() {
            if let Some(space) = &space {
                state.window.stored(space.clone(), id.clone(), at);
            }
            if let Place::Ready(lane) = &place {
                *state.queues.entry(lane.queue.clone()).or_default() += 1;
                state.hints.hint(&lane.queue, &lane.function);
            }
            superseded = state.place(seq, place.clone());
        } else {
            if let Some(space) = &space {
                state.window.failed(space, &id);
            }
            if let Some((seq, place)) = replaced {
                state.place(seq, place);
            }
            if let Place::Kept { kind, call, .. } = &place {
                state.shelf.failed(*kind, call, seq);
            }
        }
        let duplicates = space.and_then(|space| state.duplicates.remove(&(space, id)));
        for duplicate in duplicates.unwrap_or_default() {
            drop(duplicate.send(result.clone()));
        }
        match &place {
            Place::Ready(lane) => state.wake(lane),
            Place::Later { .. } => self.due.notify_waiters(),
            Place::Kept { kind: Kind::Record, call, .. } => state.listeners.tell(call),
            Place::Dead { .. } | Place::Kept { kind: Kind::Mark, .. } => {}
        }
        drop(state);
        if superseded {
            // What took its place was stored first, and could not remove it yet.
            self.store.commit(vec![Change::Remove(seq)], Box::new(|_| ()));
        }
    }

    /// Commits changes that have no place of their own, and applies them once they are durable.
    pub(super) async fn commit(
        self: &Arc<Self>,
        changes: Vec<Change>,
        apply: impl FnOnce(&Machine, &Result<(), Failure>) + Send + 'static,
    ) -> Result<(), Error> {
        let (tell, told) = oneshot::channel();
        let machine = self.clone();
        self.store.commit(
            changes,
            Box::new(move |result| {
                apply(&machine, &result);
                drop(tell.send(result));
            }),
        );
        told.await.map_err(|_| Failure::Broken("the store ended".into())).and_then(|done| done).map_err(Error::from)
    }
}

enum Begun {
    Committed(Seq),
    Waiting,
    Duplicate,
}

struct Committed {
    seq: Seq,
    space: Option<Space>,
    place: Place,
    id: String,
    at: Timestamp,
    replaced: Option<(Seq, Place)>,
}

impl State {
    /// Takes the schedule that `place` replaces out of reach: it must not fall due while its successor is stored.
    fn replace(&mut self, place: &Place) -> Option<(Seq, Place)> {
        let Place::Later { lane, call, .. } = place else { return None };
        let seq = self.later.replaced_by(lane, call)?;
        let (lane, call, due) = self.later.remove(seq)?;
        Some((seq, Place::Later { lane, call, due }))
    }

    fn reserve(&mut self, place: &Place, settings: Settings) -> Result<(), Error> {
        let Place::Ready(key) = place else { return Ok(()) };
        let queue = self.queues.get(&key.queue).copied().unwrap_or(0);
        if queue >= settings.quotas.queue {
            return Err(Error::Full { scope: format!("queue {}", key.queue) });
        }
        let lane = self.lanes.entry(key.clone()).or_default();
        if lane.messages() + lane.reserved >= settings.quotas.function {
            return Err(Error::Full { scope: format!("function {}", key.function) });
        }
        lane.reserved += 1;
        *self.queues.entry(key.queue.clone()).or_default() += 1;
        Ok(())
    }

    fn unreserve(&mut self, place: &Place) {
        if let Place::Ready(key) = place {
            self.leave_queue(&key.queue);
            if let Some(lane) = self.lanes.get_mut(key) {
                lane.reserved = lane.reserved.saturating_sub(1);
            }
            self.tidy(key);
        }
    }

    /// An entry is where it is to be; whether that was taken by a later one.
    pub(super) fn place(&mut self, seq: Seq, place: Place) -> bool {
        match place {
            Place::Ready(lane) => self.lanes.entry(lane).or_default().line.push(seq),
            Place::Later { lane, call, due } => self.later.insert(seq, lane, call, due),
            Place::Dead { lane, call } => drop(self.dead.insert(seq, (lane, call))),
            Place::Kept { kind, call, until } => return !self.shelf.stored_at(kind, call, seq, until),
        }
        false
    }

    pub(super) fn leave_queue(&mut self, queue: &Queue) {
        if let Some(messages) = self.queues.get_mut(queue) {
            *messages = messages.saturating_sub(1);
        }
    }

    pub(super) fn wake(&self, key: &LaneKey) {
        if let Some(lane) = self.lanes.get(key) {
            lane.changed.notify_waiters();
        }
    }

    /// A lane that holds nothing and that nobody has open costs nothing.
    pub(super) fn tidy(&mut self, key: &LaneKey) {
        if self.lanes.get(key).is_some_and(|lane| lane.line.is_empty() && lane.reserved == 0 && lane.handles == 0) {
            self.lanes.remove(key);
        }
    }
}
