//! After a crash everything that was confirmed is there, and nothing that was settled.

use std::time::Duration;

use actors::port::broker::{Stored, Terms};
use actors::port::cancels::Mark;
use actors::port::control::{self, Change, Expected};
use futures_util::StreamExt;
use proto::dead::Filter;
use proto::record::State;
use proto::{Call, CallId, Dead, Function, FunctionSpec, Record, Request, dead};
use tests::broker::{Fixture, Kind};

use super::steps::{SHORT, ack_all, assert_nothing_waits, ids, lane, message, open, publish, take};

behaviours!(embedded = Embedded, jetstream = JetStream => {
    what_was_stored_is_there_and_what_was_settled_is_not,
    ids_of_what_waits_are_remembered,
    schedules_and_records_are_there,
    letters_ends_and_marks_are_there,
});

async fn what_was_stored_is_there_and_what_was_settled_is_not(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", 0..10).await;
    let lane = open(&*fixture.broker, "f", SHORT).await;
    let taken = take(&lane, 4).await;
    ack_all(&taken[..2]).await;
    drop(lane);
    let fixture = fixture.crash().await;
    let lane = open(&*fixture.broker, "f", SHORT).await;
    let mut rest: Vec<u32> = take(&lane, 8).await.iter().map(|it| it.id.parse().unwrap()).collect();
    // Those that were leased come when their leases end, where leases outlive the crash.
    rest.sort_unstable();
    assert_eq!(rest, (2..10).collect::<Vec<_>>());
    fixture.close().await;
}

async fn ids_of_what_waits_are_remembered(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", ["waiting"]).await;
    let fixture = fixture.crash().await;
    assert_eq!(fixture.broker.publish(message("f", "waiting")).await.unwrap(), Stored::Duplicate);
    fixture.close().await;
}

async fn letters_ends_and_marks_are_there(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let (id, lane) = (CallId::parse("c").unwrap(), lane("f"));
    let call = Call::new(id.clone(), lane.function.clone(), fixture.clock.now(), Request::default());
    let end = Record::of(&call, &lane, State::Dead, fixture.clock.now());
    fixture.broker.end(&end, end.end_id(), Duration::from_secs(3600)).await.unwrap();
    let letter = Dead {
        lane: lane.clone(),
        reason: dead::Reason::Exhausted,
        detail: "status 500".into(),
        at: end.at,
        payload: "the call".into(),
    };
    fixture.broker.bury(letter.clone(), "a".into(), Some(&id)).await.unwrap();
    let mark = Mark { call: id.clone(), accepted_at: end.at, redriven: 0, lane };
    fixture.broker.cancel(&mark).await.unwrap();
    let fixture = fixture.crash().await;
    assert_eq!(fixture.broker.record(&id).await.unwrap().unwrap().record, end);
    assert_eq!(fixture.broker.end(&end, end.end_id(), Duration::from_secs(3600)).await.unwrap(), Stored::Duplicate);
    let letters = fixture.broker.letters(&Filter { call: Some(id), ..Filter::default() }, 0, 10).await.unwrap();
    assert_eq!(letters.into_iter().map(|it| it.dead).collect::<Vec<_>>(), [letter]);
    assert_eq!(fixture.broker.cancelled().await.unwrap().next().await, Some(mark));
    fixture.close().await;
}

async fn schedules_and_records_are_there(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let function = Function::parse("f").unwrap();
    let deployment = FunctionSpec::at(&function, "http://a").unwrap().deployment.open();
    let record = control::Record::Function(function.clone(), Box::new(deployment));
    fixture.control.put(record.clone(), Expected::Whatever).await.unwrap();
    let revision = fixture.control.put(record.clone(), Expected::Whatever).await.unwrap();
    let at = fixture.clock.now().after(Duration::from_secs(2));
    fixture.broker.schedule(message("f", "a"), &CallId::parse("a").unwrap(), at).await.unwrap();
    let fixture = fixture.crash().await;
    let mut changes = fixture.control.watch().await.unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap(), Change::Put(record.clone(), revision));
    // What was read before the crash is still what is there; what is written now has a revision of its own.
    let key = record.key();
    assert!(fixture.control.delete(&key, Expected::Revision(revision)).await.unwrap());
    let fixture = fixture.crash().await;
    assert!(fixture.control.put(record, Expected::Absent).await.unwrap() > revision);
    let due = fixture.broker.due(Terms::default()).await.unwrap();
    let taken = take(&due, 1).await;
    assert_eq!(ids(&taken), ["a"]);
    ack_all(&taken).await;
    assert_nothing_waits(&due).await;
    fixture.close().await;
}
