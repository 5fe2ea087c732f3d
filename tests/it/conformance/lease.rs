//! A lease ends when nobody extends it, and not before.

use std::num::NonZeroU32;

use actors::port::broker::Terms;
use proto::Queue;
use tests::broker::{Fixture, Kind};
use tests::eventually;
use tokio::time::{Instant, sleep};

use super::steps::{SHORT, ack_all, assert_nothing_waits, ids, open, open_with, publish, take};

behaviours!(
    an_expired_lease_is_delivered_again,
    an_extended_lease_is_not,
    a_leased_message_is_nobody_elses,
    a_lane_stays_while_a_lease_is_extended,
    what_is_acknowledged_without_waiting_is_gone_all_the_same
);

async fn an_expired_lease_is_delivered_again(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", ["a"]).await;
    let lane = open(&*fixture.broker, "f", SHORT).await;
    let taken_at = Instant::now();
    let first = take(&lane, 1).await;
    let second = take(&lane, 1).await;
    // JetStream counts from when it sent the message, a moment before it came.
    assert!(taken_at.elapsed() >= SHORT.mul_f64(0.9), "after {:?}", taken_at.elapsed());
    assert_eq!(ids(&second), ids(&first));
    assert_eq!(second[0].deliveries, 2);
    ack_all(&second).await;
    fixture.close().await;
}

async fn an_extended_lease_is_not(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", ["a"]).await;
    let lane = open(&*fixture.broker, "f", SHORT).await;
    let taken = take(&lane, 1).await;
    for _ in 0..6 {
        sleep(SHORT / 3).await;
        taken[0].lease.extend().await.unwrap();
        assert_nothing_waits(&lane).await;
    }
    ack_all(&taken).await;
    assert_nothing_waits(&lane).await;
    fixture.close().await;
}

async fn a_leased_message_is_nobody_elses(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", ["a"]).await;
    let here = open(&*fixture.broker, "f", 5 * SHORT).await;
    let there = open(&*fixture.elsewhere().await, "f", 5 * SHORT).await;
    let taken = take(&here, 1).await;
    assert_nothing_waits(&there).await;
    ack_all(&taken).await;
    fixture.close().await;
}

/// Even if nobody pulls from it for longer than the broker remembers idle lanes: a lane that was forgotten would
/// deliver the message a second time.
async fn a_lane_stays_while_a_lease_is_extended(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", ["a", "b"]).await;
    let terms = Terms { lease: SHORT, limit: NonZeroU32::new(1), idle: SHORT };
    let lane = open_with(&*fixture.broker, "f", terms).await;
    let taken = take(&lane, 1).await;
    for _ in 0..16 {
        sleep(SHORT / 4).await;
        taken[0].lease.extend().await.unwrap();
    }
    taken[0].lease.ack().await.unwrap();
    assert_eq!(ids(&take(&open_with(&*fixture.broker, "f", terms).await, 1).await), ["b"]);
    fixture.close().await;
}

async fn what_is_acknowledged_without_waiting_is_gone_all_the_same(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", 0..100).await;
    let lane = open(&*fixture.broker, "f", SHORT).await;
    for delivery in take(&lane, 100).await {
        delivery.lease.ack_unconfirmed().await.unwrap();
    }
    eventually(async || {
        let backlog = fixture.broker.backlog(&Queue::default()).await.unwrap();
        if backlog.is_empty() { Ok(()) } else { Err(format!("{backlog:?}")) }
    })
    .await;
    sleep(SHORT).await;
    assert_nothing_waits(&lane).await;
    fixture.close().await;
}
