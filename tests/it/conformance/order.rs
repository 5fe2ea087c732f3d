//! Oldest first, exactly as stored.

use tests::broker::{Fixture, Kind};

use super::steps::{WAIT, ack_all, assert_nothing_waits, ids, lane, message, open, publish, take};

behaviours!(
    messages_come_in_the_order_they_were_stored,
    what_is_acknowledged_is_gone,
    a_message_is_what_was_stored,
    it_is_known_how_many_lie_before_a_message,
);

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
    let taken = take(&open(&*fixture.broker, "f", WAIT).await, 1).await;
    let first = &taken[0];
    assert_eq!(first.lane, lane("f"));
    assert_eq!(first.payload.read().await.unwrap(), "payload of a");
    assert_eq!((first.deliveries, first.behind), (1, 2));
    fixture.close().await;
}

async fn it_is_known_how_many_lie_before_a_message(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let broker = &*fixture.broker;
    let mut places = Vec::new();
    for n in 0..6 {
        let function = if n % 2 == 0 { "f" } else { "g" };
        places.push(broker.publish(message(function, &format!("m{n}"))).await.unwrap().place().unwrap());
    }
    let (f, g) = (lane("f"), lane("g"));
    assert_eq!(broker.ahead(&f, places[0]).await.unwrap(), Some(0));
    assert_eq!(broker.ahead(&f, places[4]).await.unwrap(), Some(2), "those of others do not count");
    assert_eq!(broker.ahead(&g, places[4]).await.unwrap(), None, "that is another's");
    let first = take(&open(broker, "f", WAIT).await, 1).await;
    assert_eq!(broker.ahead(&f, places[4]).await.unwrap(), Some(2), "one that is leased lies there");
    ack_all(&first).await;
    assert_eq!(broker.ahead(&f, places[4]).await.unwrap(), Some(1));
    assert_eq!(broker.ahead(&f, places[0]).await.unwrap(), None);
    assert_eq!(broker.ahead(&lane("h"), 1).await.unwrap(), None);
    fixture.close().await;
}
