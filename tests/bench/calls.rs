//! Whole calls through the tree as it is in a worker: the in-memory broker, a function that answers at once, no
//! network. What is left is what Fabric itself does for a call.

use std::sync::Arc;
use std::time::Duration;

use actors::call::plan::message;
use actors::membership::Serves;
use actors::parts::{Parts, Settings};
use actors::port::control::{Expected, Record};
use actors::port::{Broker, Control};
use actors::tree;
use proto::record::State;
use proto::{Call, CallId, Function, FunctionSpec, LaneKey, Queue, Request};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::desk::{Office, office};

/// Accepts `count` calls, and runs them to their ends; everything is as by default.
pub(crate) fn run(count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(all(count));
}

async fn all(count: usize) {
    let Office { desk, memory, clock, recorder, directory, membership } = office();
    let parts = Parts {
        desk,
        control: memory.clone(),
        directory,
        presence: memory.clone(),
        id: "bench".into(),
        gateway: false,
        membership,
        ready: Arc::new(watch::Sender::new(false)),
        listeners: Vec::new(),
        intakes: Vec::new(),
        serve: Serves::Everything,
    };
    let settings = Settings { max_inflight: 64, pre_stop: Duration::ZERO, grace: None, ..Settings::default() };
    let (tree, ending) = tree::start(parts, settings).await.unwrap();
    let function = Function::parse("f").unwrap();
    let deployment = FunctionSpec::at(&function, "http://f").unwrap().deployment.open();
    memory.put(Record::Function(function.clone(), Box::new(deployment)), Expected::Whatever).await.unwrap();
    let lane = LaneKey::new(Queue::default(), function);
    for n in 0..count {
        let request = Request { body: vec![b'x'; 256].into(), ..Request::default() };
        let id = CallId::parse(&format!("c{n}")).unwrap();
        let call = Call::new(id, lane.function.clone(), clock.now(), request);
        let stored = memory.publish(message(lane.clone(), &call)).await.unwrap();
        let ready = proto::Record::of(&call, &lane, State::Ready, call.accepted_at);
        recorder.note_accepted(&proto::Record { place: stored.place(), ..ready }).await;
    }
    while !memory.backlog(&Queue::default()).await.unwrap().is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    tree.drain();
    ending.await.unwrap();
}
