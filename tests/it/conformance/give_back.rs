//! What is given back is there again: at once, or after its delay.

use std::time::Duration;

use tests::broker::{Fixture, Kind};
use tokio::time::Instant;

use super::steps::{WAIT, assert_nothing_waits, ids, open, publish, take};

behaviours!(without_a_delay_it_is_there_at_once_and_first, with_a_delay_it_is_there_after_it, to_anybody_who_pulls);

async fn without_a_delay_it_is_there_at_once_and_first(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", ["a", "b"]).await;
    let lane = open(&*fixture.broker, "f", 10 * WAIT).await;
    take(&lane, 1).await[0].lease.give_back(None).await.unwrap();
    let again = take(&lane, 2).await;
    assert_eq!(ids(&again), ["a", "b"]);
    assert_eq!(again[0].deliveries, 2);
    fixture.close().await;
}

async fn with_a_delay_it_is_there_after_it(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", ["a"]).await;
    let lane = open(&*fixture.broker, "f", 10 * WAIT).await;
    let (delay, given_at) = (Duration::from_secs(1), Instant::now());
    take(&lane, 1).await[0].lease.give_back(Some(delay)).await.unwrap();
    assert_nothing_waits(&lane).await;
    assert_eq!(ids(&take(&lane, 1).await), ["a"]);
    assert!(given_at.elapsed() >= delay, "after {:?}", given_at.elapsed());
    fixture.close().await;
}

async fn to_anybody_who_pulls(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", ["a"]).await;
    let here = open(&*fixture.broker, "f", 10 * WAIT).await;
    let there = open(&*fixture.elsewhere().await, "f", 10 * WAIT).await;
    take(&here, 1).await[0].lease.give_back(None).await.unwrap();
    assert_eq!(ids(&take(&there, 1).await), ["a"]);
    fixture.close().await;
}
