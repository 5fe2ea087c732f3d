//! The contract of one pull.

use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::StreamExt;
use tests::broker::{Fixture, Kind};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::steps::{WAIT, ids, open, publish, pull, take};

behaviours!(
    what_is_there_comes_and_the_pull_ends,
    an_empty_lane_is_waited_for_and_the_first_message_ends_it,
    waiting_ends_with_the_wait,
    a_dropped_pull_gives_back,
    a_pull_that_is_told_that_it_is_enough_ends_and_loses_nothing,
);

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(600);

async fn what_is_there_comes_and_the_pull_ends(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", 0..5).await;
    let lane = open(&*fixture.broker, "f", WAIT).await;
    assert_eq!(ids(&timeout(LONG / 2, pull(&lane, 3, LONG)).await.unwrap().unwrap()), ["0", "1", "2"]);
    assert_eq!(ids(&timeout(LONG / 2, pull(&lane, 100, LONG)).await.unwrap().unwrap()), ["3", "4"]);
    fixture.close().await;
}

async fn an_empty_lane_is_waited_for_and_the_first_message_ends_it(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let lane = open(&*fixture.broker, "f", WAIT).await;
    let waiting = timeout(LONG / 2, pull(&lane, 100, LONG));
    let (taken, ()) = tokio::join!(waiting, publish(&*fixture.broker, "f", ["a"]));
    assert_eq!(ids(&taken.unwrap().unwrap()), ["a"]);
    fixture.close().await;
}

async fn a_pull_that_is_told_that_it_is_enough_ends_and_loses_nothing(kind: Kind) {
    const MESSAGES: usize = 300;
    let fixture = Fixture::new(kind).await;
    let lane = open(&*fixture.broker, "f", WAIT).await;
    publish(&*fixture.broker, "f", 0..MESSAGES).await;
    let mut taken = 0;
    while taken < MESSAGES {
        let enough = CancellationToken::new();
        let mut pull = lane.pull(NonZeroU32::new(50).unwrap(), SECOND, enough.clone());
        if taken % 2 == 0 {
            // At some moment while they are on their way.
            tokio::spawn(async move { enough.cancel() });
        }
        while let Some(delivery) = timeout(LONG / 2, pull.next()).await.unwrap() {
            let delivery = delivery.unwrap();
            assert_eq!(delivery.deliveries, 1, "none was delivered to nobody");
            delivery.lease.ack().await.unwrap();
            taken += 1;
        }
    }
    let enough = CancellationToken::new();
    enough.cancel();
    let mut pull = lane.pull(NonZeroU32::new(50).unwrap(), SECOND, enough);
    assert!(timeout(LONG / 2, pull.next()).await.unwrap().is_none());
    fixture.close().await;
}

async fn waiting_ends_with_the_wait(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let lane = open(&*fixture.broker, "f", WAIT).await;
    let (wait, start) = (Duration::from_millis(300), Instant::now());
    assert!(pull(&lane, 1, wait).await.unwrap().is_empty());
    assert!(start.elapsed() >= wait.mul_f64(0.9), "after {:?}", start.elapsed());
    fixture.close().await;
}

async fn a_dropped_pull_gives_back(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", 0..50).await;
    // A lease so long that only giving back explains a second delivery.
    let lane = open(&*fixture.broker, "f", LONG).await;
    let mut dropped = lane.pull(NonZeroU32::new(50).unwrap(), WAIT, CancellationToken::new());
    let kept = dropped.next().await.unwrap().unwrap();
    assert_eq!(&*kept.id, "0");
    drop(dropped);
    let mut rest: Vec<u32> = take(&lane, 49).await.iter().map(|it| it.id.parse().unwrap()).collect();
    rest.sort_unstable();
    assert_eq!(rest, (1..50).collect::<Vec<_>>());
    fixture.close().await;
}
