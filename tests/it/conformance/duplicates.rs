//! The same id is stored once, however often and from wherever it is sent.

use actors::port::broker::{Message, Stored};
use futures_util::future::join_all;
use proto::LaneKey;
use tests::broker::{Fixture, Kind};

use super::steps::{WAIT, ack_all, assert_nothing_waits, ids, lane, message, open, publish, take};

behaviours!(
    a_repeated_id_is_stored_once,
    also_after_it_was_acknowledged,
    at_once_from_two_places,
    a_queue_has_its_own_ids,
    what_is_sent_once_is_not_remembered,
);

async fn a_repeated_id_is_stored_once(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", ["a"]).await;
    for broker in [fixture.broker.clone(), fixture.elsewhere().await] {
        assert_eq!(broker.publish(message("f", "a")).await.unwrap(), Stored::Duplicate);
    }
    let lane = open(&*fixture.broker, "f", WAIT).await;
    assert_eq!(ids(&take(&lane, 1).await), ["a"]);
    assert_nothing_waits(&lane).await;
    fixture.close().await;
}

async fn also_after_it_was_acknowledged(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", ["a"]).await;
    let lane = open(&*fixture.broker, "f", WAIT).await;
    ack_all(&take(&lane, 1).await).await;
    assert_eq!(fixture.broker.publish(message("f", "a")).await.unwrap(), Stored::Duplicate);
    assert_nothing_waits(&lane).await;
    fixture.close().await;
}

async fn at_once_from_two_places(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let elsewhere = fixture.elsewhere().await;
    for n in 0..50 {
        let id = format!("m{n}");
        let both = [&fixture.broker, &elsewhere].map(|broker| broker.publish(message("f", &id)));
        let stored: Vec<_> = join_all(both).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(stored.iter().filter(|it| it.is_new()).count(), 1, "{stored:?}");
    }
    let lane = open(&*fixture.broker, "f", WAIT).await;
    assert_eq!(take(&lane, 50).await.len(), 50);
    assert_nothing_waits(&lane).await;
    fixture.close().await;
}

async fn a_queue_has_its_own_ids(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", ["a"]).await;
    let other = LaneKey { queue: proto::Queue::parse("other").unwrap(), ..lane("f") };
    let stored = fixture.broker.publish(Message { lane: other, ..message("f", "a") }).await.unwrap();
    assert!(stored.is_new());
    fixture.close().await;
}

async fn what_is_sent_once_is_not_remembered(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let elsewhere = fixture.elsewhere().await;
    let places =
        [fixture.broker.publish_once(message("f", "a")).await, elsewhere.publish_once(message("f", "a")).await];
    let places = places.map(|stored| stored.unwrap().place().unwrap());
    assert_ne!(places[0], places[1]);
    let lane = open(&*fixture.broker, "f", WAIT).await;
    let taken = take(&lane, 2).await;
    assert_eq!(ids(&taken), ["a", "a"], "it has its id all the same");
    ack_all(&taken[..1]).await;
    let own = super::steps::lane("f");
    assert!(!fixture.broker.withdraw(&own, places[1], "b").await.unwrap(), "that is another's");
    assert!(fixture.broker.withdraw(&own, places[1], "a").await.unwrap());
    assert_eq!(fixture.broker.backlog(&own.queue).await.unwrap(), []);
    fixture.close().await;
}
