//! Over a quota a message is refused, and nothing that waits is lost for it.

use actors::port::broker::{Error, Message, Quotas, Stored};
use proto::LaneKey;
use tests::broker::{Fixture, Kind};
use tests::eventually;

use super::steps::{WAIT, ids, lane, message, open, publish, take};

behaviours!(
    over_a_functions_quota_it_is_refused_and_others_are_not,
    over_a_queues_quota_everybody_is_refused,
    a_settled_message_makes_room,
    a_repeated_message_is_a_duplicate_even_when_full,
    a_message_that_is_too_large_is_refused,
);

const QUOTAS: Quotas = Quotas { queue: 5, function: 3 };

fn scope(result: Result<Stored, Error>) -> String {
    match result {
        Err(Error::Full { scope }) => scope,
        other => panic!("{other:?}"),
    }
}

async fn over_a_functions_quota_it_is_refused_and_others_are_not(kind: Kind) {
    let fixture = Fixture::with(kind, QUOTAS).await;
    publish(&*fixture.broker, "f", 0..3).await;
    assert_eq!(scope(fixture.broker.publish(message("f", "over")).await), "function f.openfaas-fn");
    publish(&*fixture.broker, "g", ["g"]).await;
    let lane = open(&*fixture.broker, "f", WAIT).await;
    assert_eq!(ids(&take(&lane, 3).await), ["0", "1", "2"]);
    fixture.close().await;
}

async fn over_a_queues_quota_everybody_is_refused(kind: Kind) {
    let fixture = Fixture::with(kind, QUOTAS).await;
    publish(&*fixture.broker, "f", 0..3).await;
    publish(&*fixture.broker, "g", 3..5).await;
    assert_eq!(scope(fixture.broker.publish(message("h", "over")).await), "queue default");
    let elsewhere = LaneKey { queue: proto::Queue::parse("other").unwrap(), ..lane("h") };
    let other = Message { lane: elsewhere, ..message("h", "over") };
    assert!(fixture.broker.publish(other).await.unwrap().is_new(), "another queue has its own quota");
    fixture.close().await;
}

async fn a_settled_message_makes_room(kind: Kind) {
    let fixture = Fixture::with(kind, QUOTAS).await;
    publish(&*fixture.broker, "f", 0..3).await;
    let lane = open(&*fixture.broker, "f", WAIT).await;
    let taken = take(&lane, 1).await;
    scope(fixture.broker.publish(message("f", "leased ones count")).await);
    taken[0].lease.ack().await.unwrap();
    // A server may take a moment between confirming an ack and removing the message.
    eventually(async || fixture.broker.publish(message("f", "next")).await).await;
    fixture.close().await;
}

async fn a_repeated_message_is_a_duplicate_even_when_full(kind: Kind) {
    let fixture = Fixture::with(kind, QUOTAS).await;
    publish(&*fixture.broker, "f", 0..3).await;
    assert_eq!(fixture.broker.publish(message("f", "1")).await.unwrap(), Stored::Duplicate);
    fixture.close().await;
}

async fn a_message_that_is_too_large_is_refused(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let limit = fixture.broker.payload_len_max();
    let sized = |id: &str, len| Message { payload: vec![7; len].into(), ..message("f", id) };
    assert!(fixture.broker.publish(sized("fits", limit)).await.unwrap().is_new());
    for id in ["over", "over again"] {
        let refused = fixture.broker.publish(sized(id, 8 * limit)).await;
        assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    }
    let lane = open(&*fixture.broker, "f", WAIT).await;
    assert_eq!(take(&lane, 1).await[0].payload.read().await.unwrap().len(), limit);
    fixture.close().await;
}
