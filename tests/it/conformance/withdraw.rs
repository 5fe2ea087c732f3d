//! What nobody wants any more can be taken away from where it waits.

use std::time::Duration;

use actors::port::broker::Terms;
use proto::CallId;
use tests::broker::{Fixture, Kind};

use super::steps::{SHORT, ack_all, assert_nothing_waits, ids, lane, message, open, publish, take};

behaviours!(
    what_is_withdrawn_is_not_delivered,
    only_what_lies_there_is_withdrawn,
    what_is_leased_is_withdrawn_too,
    what_is_unscheduled_does_not_come,
);

async fn what_is_withdrawn_is_not_delivered(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let place = fixture.broker.publish(message("f", "a")).await.unwrap().place().unwrap();
    publish(&*fixture.broker, "f", ["b"]).await;
    assert!(fixture.broker.withdraw(&lane("f"), place, "a").await.unwrap());
    assert!(!fixture.broker.withdraw(&lane("f"), place, "a").await.unwrap(), "it is gone");
    let backlog = fixture.broker.backlog(&lane("f").queue).await.unwrap();
    assert_eq!(backlog.iter().map(|it| it.messages).sum::<u64>(), 1);
    let f = open(&*fixture.broker, "f", SHORT).await;
    let taken = take(&f, 1).await;
    assert_eq!(ids(&taken), ["b"]);
    ack_all(&taken).await;
    assert_nothing_waits(&f).await;
    fixture.close().await;
}

async fn only_what_lies_there_is_withdrawn(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let place = fixture.broker.publish(message("f", "a")).await.unwrap().place().unwrap();
    assert!(!fixture.broker.withdraw(&lane("f"), place, "b").await.unwrap());
    assert!(!fixture.broker.withdraw(&lane("g"), place, "a").await.unwrap());
    assert!(!fixture.broker.withdraw(&lane("f"), place + 100, "a").await.unwrap());
    assert_eq!(ids(&take(&open(&*fixture.broker, "f", SHORT).await, 1).await), ["a"]);
    fixture.close().await;
}

async fn what_is_leased_is_withdrawn_too(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let place = fixture.broker.publish(message("f", "a")).await.unwrap().place().unwrap();
    let f = open(&*fixture.broker, "f", SHORT).await;
    take(&f, 1).await;
    assert!(fixture.broker.withdraw(&lane("f"), place, "a").await.unwrap());
    tokio::time::sleep(SHORT + Duration::from_millis(500)).await;
    assert_nothing_waits(&f).await;
    fixture.close().await;
}

async fn what_is_unscheduled_does_not_come(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let due = fixture.broker.due(Terms::default()).await.unwrap();
    let at = fixture.clock.now().after(Duration::from_millis(700));
    for id in ["a", "b"] {
        fixture.broker.schedule(message("f", id), &CallId::parse(id).unwrap(), at).await.unwrap();
    }
    let call = CallId::parse("a").unwrap();
    assert!(fixture.broker.unschedule(&lane("f"), &call).await.unwrap());
    assert!(!fixture.broker.unschedule(&lane("f"), &call).await.unwrap());
    assert!(!fixture.broker.unschedule(&lane("g"), &CallId::parse("b").unwrap()).await.unwrap());
    let taken = take(&due, 1).await;
    assert_eq!(ids(&taken), ["b"]);
    ack_all(&taken).await;
    assert_nothing_waits(&due).await;
    fixture.close().await;
}
