//! Oldest first, exactly as stored.

use tests::broker::{Fixture, Kind};

use super::steps::{WAIT, ack_all, assert_nothing_waits, ids, open, publish, take};

behaviours!(messages_come_in_the_order_they_were_stored, what_is_acknowledged_is_gone, a_message_is_what_was_stored);

async fn messages_come_in_the_order_they_were_stored(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let expected: Vec<String> = (0..100).map(|n| format!("m{n}")).collect();
    publish(&*fixture.broker, "f", &expected).await;
    let lane = open(&*fixture.broker, "f", WAIT).await;
    assert_eq!(ids(&take(&lane, 100).await), expected);
    fixture.close().await;
}

async fn what_is_acknowledged_is_gone(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", ["a", "b"]).await;
    let lane = open(&*fixture.broker, "f", WAIT).await;
    ack_all(&take(&lane, 2).await).await;
    assert_nothing_waits(&lane).await;
    assert!(fixture.broker.backlog(&proto::Queue::default()).await.unwrap().is_empty());
    fixture.close().await;
}

async fn a_message_is_what_was_stored(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", ["a", "b", "c"]).await;
    let lane = open(&*fixture.broker, "f", WAIT).await;
    let taken = take(&lane, 1).await;
    let first = &taken[0];
    assert_eq!(first.lane, super::steps::lane("f"));
    assert_eq!(first.payload.read().await.unwrap(), "payload of a");
    assert_eq!((first.deliveries, first.behind), (1, 2));
    fixture.close().await;
}
