//! What this version makes of messages that lie on a server.

use std::num::NonZeroU32;
use std::time::Duration;

use actors::port::broker::Terms;
use actors::port::control::{Change, Record as Setting};
use actors::port::presence::Sign;
use actors::port::{BoxStream, Broker, Cancels, Control, DeadLetters, Delivery, Lane, Presence, Records, Survey};
use async_nats::Client;
use fabric::jetstream::JetStream;
use futures_util::{StreamExt, TryStreamExt};
use proto::dead::Filter;
use proto::{Call, LaneKey, Queue, Record, Timestamp, codec};
use tests::golden::{Forms, Message};
use tokio_util::sync::CancellationToken;

use super::saying::{Saying, lane};
use super::writing::{connect, heard, queues, server};

/// How long a message may take to come. Generous: a slow machine is not a failure.
const WITHIN: Duration = Duration::from_secs(60);

/// Puts all forms on a server, where processes of this version then find them.
pub(super) async fn all(forms: &Forms, saying: &Saying) {
    let nats = server().await;
    // The streams that every fabric has; this one learns of no queue.
    connect(&nats, None).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    let there = Lying { client: client.clone(), forms };
    for queue in queues() {
        there.store(&format!("shards-{queue}")).await;
    }
    // How many streams a queue has is what was on record before.
    let broker = connect(&nats, None).await;
    for queue in queues() {
        broker.make_queue(&queue).await.unwrap();
    }
    calls(&broker, &there, saying).await;
    records(&broker, &there, saying).await;
    settings(&broker, &there, saying).await;
    said(&broker, &there, saying).await;
}

async fn calls(broker: &JetStream, there: &Lying<'_>, saying: &Saying) {
    for name in ["call", "call-fresh", "call-long-piece-0", "call-long-piece-1", "call-long", "callback"] {
        there.store(name).await;
    }
    let (default, slow) = (lane("default", "resize.acme"), lane("slow", "resize.acme"));
    let taken = take(&*broker.lane(&default, Terms::default()).await.unwrap(), 2).await;
    is_call(&taken[0], &default, &saying.call).await;
    is_call(&taken[1], &default, &saying.long).await;
    // In the stream where a version that spread functions otherwise would not look for it.
    let taken = take(&*broker.lane(&slow, Terms::default()).await.unwrap(), 1).await;
    is_call(&taken[0], &slow, &saying.fresh).await;
    let host = saying.callback_lane();
    let taken = take(&*broker.lane(&host, Terms::default()).await.unwrap(), 1).await;
    is_call(&taken[0], &host, &saying.callback).await;

    let mut retry = there.forms["retry"].clone();
    let at = |due: Timestamp| format!("@at {due}");
    assert_eq!(retry.headers["Nats-Schedule"], at(saying.retry.1));
    // Nobody waits until then: it is due, and comes as it would have come.
    retry.headers.insert("Nats-Schedule".into(), at(Timestamp::from_unix_nanos(1)));
    there.send(&retry).await;
    let taken = take(&*broker.due(Terms::default()).await.unwrap(), 1).await;
    is_call(&taken[0], &default, &saying.retry.0).await;

    there.store("dead").await;
    there.store("dead-unreadable").await;
    let letters = broker.letters(&Filter::default(), 0, 10).await.unwrap();
    let letters: Vec<_> = letters.into_iter().map(|letter| letter.dead).collect();
    assert_eq!(letters, [saying.dead.clone(), saying.unreadable.clone()]);
    let of_call = Filter { call: Some(saying.call.id.clone()), ..Filter::default() };
    assert_eq!(broker.letters(&of_call, 0, 10).await.unwrap().len(), 1, "it is found by its call's id");
    assert_eq!(codec::decode(&saying.dead.payload).unwrap(), saying.call);
}

async fn records(broker: &JetStream, there: &Lying<'_>, saying: &Saying) {
    for name in ["record-note", "record-end", "page-accepted", "page-end"] {
        there.store(name).await;
    }
    let told: Vec<&Record> = [&saying.note, &saying.end].into_iter().chain(&saying.pages).collect();
    for expected in told {
        let found = broker.record(&expected.id).await.unwrap();
        assert_eq!(found.map(|found| found.record).as_ref(), Some(expected));
    }
    there.store("mark").await;
    assert_eq!(next(&mut broker.cancelled().await.unwrap()).await, saying.mark);
}

async fn settings(broker: &JetStream, there: &Lying<'_>, saying: &Saying) {
    for name in ["function", "namespace", "queue", "key"] {
        there.store(name).await;
    }
    let mut changes = broker.watch().await.unwrap();
    let mut found: Vec<Setting> = Vec::new();
    loop {
        match next(&mut changes).await.unwrap() {
            Change::Put(setting, _) => found.push(setting),
            Change::Current => break,
            other => panic!("{other:?}"),
        }
    }
    for setting in &saying.settings {
        assert!(found.contains(setting), "{setting:?} is not among {found:?}");
    }
    assert_eq!(found.len(), saying.settings.len());
}

async fn said(broker: &JetStream, there: &Lying<'_>, saying: &Saying) {
    let mut signs = broker.signs().await.unwrap();
    there.store("presence").await;
    let (id, member) = &saying.member;
    assert_eq!(next(&mut signs).await, Sign::Alive((*id).into(), member.clone()));
    there.store("presence-left").await;
    assert_eq!(next(&mut signs).await, Sign::Left((*id).into()));

    let mut wakes = broker.wakes(&Queue::default()).await.unwrap();
    // The server knows of it: it has answered something that was asked after it.
    broker.backlog(&Queue::default()).await.unwrap();
    there.send_unstored(&there.forms["hint"]).await;
    assert_eq!(next(&mut wakes).await, saying.call.function);

    let (mut asked, mut questions) = (broker.asked().await.unwrap(), heard(&there.client, "fabric.survey").await);
    let heard = async {
        let asked = next(&mut asked).await;
        assert_eq!(asked.question, saying.question);
        // Asked by the adapter, answered as the golden file has it.
        let reply = questions.next().await.unwrap().reply.unwrap();
        there.client.publish(reply, there.forms["answer"].payload.clone().into()).await.unwrap();
    };
    let (answers, ()) = tokio::join!(broker.ask(&saying.question, 1, WITHIN), heard);
    let shown = |process| serde_json::to_value(process).unwrap();
    let answers: Vec<_> = answers.unwrap().into_iter().map(shown).collect();
    assert_eq!(answers, [shown(saying.process.clone())]);
    let question = &there.forms["question"];
    there.client.publish_with_reply("fabric.survey", "nobody", question.payload.clone().into()).await.unwrap();
    assert_eq!(next(&mut asked).await.question, saying.question);
}

async fn next<T>(stream: &mut BoxStream<'static, T>) -> T {
    tokio::time::timeout(WITHIN, stream.next()).await.unwrap().unwrap()
}

async fn take(lane: &dyn Lane, count: u32) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count as usize {
        let more = lane.pull(NonZeroU32::new(count).unwrap(), WITHIN, CancellationToken::new());
        let more: Vec<_> = more.try_collect().await.unwrap();
        assert!(!more.is_empty(), "{} of {count} came", taken.len());
        taken.extend(more);
    }
    taken
}

/// Whether this delivery is of that call, under its id.
async fn is_call(delivery: &Delivery, lane: &LaneKey, call: &Call) {
    assert_eq!(codec::decode(&delivery.payload.read().await.unwrap()).unwrap(), *call);
    assert_eq!((&delivery.lane, &*delivery.id), (lane, &*call.message_id()));
}

/// What is put on the server as it lies in the files.
struct Lying<'a> {
    client: Client,
    forms: &'a Forms,
}

impl Lying<'_> {
    async fn store(&self, name: &str) {
        self.send(&self.forms[name]).await;
    }

    async fn send(&self, message: &Message) {
        let context = async_nats::jetstream::new(self.client.clone());
        let payload = message.payload.clone().into();
        let stored = context.publish_with_headers(message.subject.clone(), headers(message), payload).await.unwrap();
        stored.await.unwrap_or_else(|error| panic!("{message:?} was not stored: {error}"));
    }

    async fn send_unstored(&self, message: &Message) {
        self.client.publish(message.subject.clone(), message.payload.clone().into()).await.unwrap();
    }
}

fn headers(message: &Message) -> async_nats::HeaderMap {
    let mut headers = async_nats::HeaderMap::new();
    for (name, value) in &message.headers {
        headers.insert(name.as_str(), value.as_str());
    }
    headers
}
