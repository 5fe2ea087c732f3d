//! Settling alone: calls that were delivered and whose function has answered.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actors::call::attempt::Attempt;
use actors::call::plan::{Next, Rules, message, plan};
use actors::port::broker::Terms;
use actors::port::invoker::Answer;
use actors::port::{Broker, Delivery, Lane};
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};
use proto::{Call, CallId, Function, LaneKey, Queue, Request, codec};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::desk::{Office, office};

/// A lane, and who settles its calls.
pub(crate) struct Settling {
    runtime: Runtime,
    office: Office,
    key: LaneKey,
    lane: Arc<dyn Lane>,
    calls: Cell<u64>,
}

/// A call in hand, and what follows.
pub(crate) struct Answered {
    delivery: Delivery,
    call: Call,
    next: Next,
}

impl Settling {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (office, key) = (office(), LaneKey::new(Queue::default(), Function::parse("f").unwrap()));
        let lane = runtime.block_on(office.memory.lane(&key, Terms::default())).unwrap();
        Self { runtime, office, key, lane, calls: Cell::new(0) }
    }

    /// One that the function has answered like this.
    pub(crate) fn answered(&self, status: StatusCode) -> Answered {
        let number = self.calls.replace(self.calls.get() + 1);
        let request = Request { body: vec![b'x'; 256].into(), ..Request::default() };
        let now = self.office.clock.now();
        let call = Call::new(CallId::parse(&format!("c{number}")).unwrap(), self.key.function.clone(), now, request);
        let delivery = self.runtime.block_on(async {
            self.office.memory.publish(message(self.key.clone(), &call)).await.unwrap();
            let mut pulled = self.lane.pull(NonZeroU32::MIN, Duration::from_secs(1), CancellationToken::new());
            pulled.next().await.unwrap().unwrap()
        });
        let call = codec::decode(&self.runtime.block_on(delivery.payload.read()).unwrap()).unwrap();
        let given = self.office.desk.given(&call);
        let answer = Answer { status, headers: HeaderMap::new(), body: vec![b'x'; 64].into(), omitted: None };
        let attempt = Attempt::of(Ok(answer), &given.policy.codes, Duration::from_millis(5), now);
        let rules = Rules { policy: &given.policy, keep: given.keep, now, luck: 0.5 };
        let next = plan(&self.key, call.clone(), attempt, &rules, || Duration::ZERO);
        Answered { delivery, call, next }
    }

    /// Stores what follows, and lets go of the message.
    pub(crate) fn settle(&self, Answered { delivery, call, next }: Answered) {
        let desk = &self.office.desk;
        let mut trace = desk.trace(&call, &delivery, None);
        self.runtime.block_on(desk.settle(&delivery, next, desk.keep(&call), &mut trace)).unwrap();
        trace.finish(None);
    }
}
