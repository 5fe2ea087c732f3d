//! Those who call: what a gateway does for them, and what they see of it in the end.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use actors::call::plan::message;
use actors::call::recorder::Recorder;
use actors::cancel::{Canceller, Error};
use actors::memory::{Memory, SteadyClock};
use actors::port::{Broker, Clock, DeadLetters, Records};
use proto::dead::Filter;
use proto::record::State;
use proto::{Call, CallId, Function, LaneKey, Queue, Record, Request};

use crate::functions::{Functions, RECEIVER_URL};
use crate::ledger::{Event, Ledger};
use crate::plan::{self, Plan, QUIET};
use crate::ports::number;
use crate::world::RECORDS_KEPT;

pub(crate) struct Callers {
    plan: Arc<Plan>,
    memory: Memory,
    clock: SteadyClock,
    ledger: Arc<Ledger>,
    recorder: Recorder,
    functions: Arc<Functions>,
    /// Calls that were accepted and are not known to be over.
    open: Mutex<BTreeSet<u32>>,
}

impl Callers {
    pub(crate) fn new(functions: Arc<Functions>, memory: Memory, clock: SteadyClock, ledger: Arc<Ledger>) -> Self {
        let recorder = Recorder::new(Arc::new(memory.clone()), RECORDS_KEPT);
        let plan = functions.plan.clone();
        Self { plan, memory, clock, ledger, recorder, functions, open: Mutex::default() }
    }

    /// Makes a call, as a gateway would store it.
    pub(crate) async fn call(&self, index: u32, asked: plan::Call) {
        let function = self.plan.functions.get(asked.function).unwrap();
        let (id, function) = (id(index), Function::parse(&function.name).unwrap());
        let lane = LaneKey::new(Queue::default(), function.clone());
        let now = self.clock.now();
        let mut call = Call::new(id.clone(), function, now, Request::default());
        call.callback = asked.callback.then(|| RECEIVER_URL.into());
        call.expires_at = asked.expires.map(|expires| now.after(expires));
        let due = asked.delay.map(|delay| now.after(delay));
        call.age_from = due.unwrap_or(now);
        self.open.lock().unwrap().insert(index);
        self.ledger.tell(&Event::Accepted { call: index, quiet: asked.function == QUIET });
        let stored = match due {
            Some(due) => self.memory.schedule(message(lane.clone(), &call), &id, due).await.unwrap(),
            None => self.memory.publish_once(message(lane.clone(), &call)).await.unwrap(),
        };
        let state = if due.is_some() { State::Waiting } else { State::Ready };
        let place = stored.place().filter(|_| due.is_none());
        self.recorder.note(&Record { due, place, ..Record::of(&call, &lane, state, now) }, 0).await;
    }

    /// Its caller does not want it any more.
    pub(crate) async fn cancel(&self, index: u32) {
        let canceller = Canceller {
            broker: Arc::new(self.memory.clone()),
            clock: Arc::new(self.clock),
            recorder: self.recorder.clone(),
        };
        self.ledger.tell(&Event::Cancelling { call: index });
        let state = match canceller.cancel(&id(index)).await {
            Ok(record) => Some(record.state),
            Err(Error::Ended(state)) => Some(state),
            Err(_) => None,
        };
        self.ledger.tell(&Event::Cancelled { call: index, state });
    }

    async fn state(&self, call: u32) -> Option<State> {
        self.memory.record(&id(call)).await.unwrap().map(|it| it.record.state)
    }

    /// Whether every call has ended, whoever wanted to know how has heard it, and nothing of any of them is left in a lane.
    pub(crate) async fn all_ended(&self) -> bool {
        let open = self.open.lock().unwrap().clone();
        for call in open {
            let wants = self.plan.calls.get(call as usize).is_some_and(|(_, call)| call.callback);
            let told = !wants || self.functions.has_heard(call);
            if told && self.state(call).await.is_some_and(State::is_final) {
                self.open.lock().unwrap().remove(&call);
            }
        }
        let mut left = self.memory.backlog(&Queue::default()).await.unwrap();
        left.extend(self.memory.backlog(&Queue::callbacks()).await.unwrap());
        self.open.lock().unwrap().is_empty() && left.is_empty()
    }

    /// What has not ended, for people.
    pub(crate) async fn unfinished(&self) -> String {
        let mut left = Vec::new();
        let open = self.open.lock().unwrap().clone();
        for call in open {
            let heard = self.functions.has_heard(call);
            left.push(format!("c{call} is {:?}, its caller heard of it: {heard}", self.state(call).await));
        }
        for queue in [Queue::default(), Queue::callbacks()] {
            left.push(format!("{queue}: {:?}", self.memory.backlog(&queue).await.unwrap()));
        }
        left.join(", ")
    }

    /// How everything stands in the end.
    pub(crate) async fn testify(&self) {
        for call in 0..u32::try_from(self.plan.calls.len()).unwrap() {
            if let Some(state) = self.state(call).await {
                self.ledger.tell(&Event::OnRecord { call, state });
            }
        }
        let letters = self.memory.letters(&Filter::default(), 0, usize::MAX).await.unwrap();
        for letter in letters.into_iter().filter(|letter| !letter.dead.lane.queue.is_callbacks()) {
            let call = proto::codec::decode(&letter.dead.payload).unwrap();
            self.ledger.tell(&Event::Buried { call: number(&call.id) });
        }
    }
}

fn id(call: u32) -> CallId {
    CallId::parse(&format!("c{call}")).unwrap()
}
