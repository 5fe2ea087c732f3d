//! Many lanes side by side: each yields its own and only its own.

use std::collections::HashMap;

use futures_util::future::join_all;
use tests::broker::{Fixture, Kind};

use super::steps::{WAIT, ack_all, ids, open, publish, take};

behaviours!(each_lane_yields_its_own, an_empty_lane_does_not_hold_up_another);

async fn each_lane_yields_its_own(kind: Kind) {
    const LANES: usize = 200;
    let fixture = Fixture::new(kind).await;
    let name = |lane: usize| format!("f{lane}.ns{}", lane % 7);
    for round in 0..3 {
        let publishes = (0..LANES).map(|lane| {
            let (broker, name) = (fixture.broker.clone(), name(lane));
            async move { publish(&*broker, &name, [format!("{lane}-{round}")]).await }
        });
        join_all(publishes).await;
    }
    let backlog = fixture.broker.backlog(&proto::Queue::default()).await.unwrap();
    let counts: HashMap<String, u64> = backlog.into_iter().map(|it| (it.function.to_string(), it.messages)).collect();
    assert_eq!(counts, (0..LANES).map(|lane| (name(lane), 3)).collect());
    let checks = (0..LANES).map(|lane| {
        let (broker, name) = (fixture.broker.clone(), name(lane));
        async move {
            let opened = open(&*broker, &name, WAIT).await;
            let taken = take(&opened, 3).await;
            assert_eq!(ids(&taken), (0..3).map(|round| format!("{lane}-{round}")).collect::<Vec<_>>());
            ack_all(&taken).await;
        }
    });
    join_all(checks).await;
    assert!(fixture.broker.backlog(&proto::Queue::default()).await.unwrap().is_empty());
    fixture.close().await;
}

async fn an_empty_lane_does_not_hold_up_another(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "full", ["a"]).await;
    let empty = open(&*fixture.broker, "empty", WAIT).await;
    let full = open(&*fixture.broker, "full", WAIT).await;
    let waiting = super::steps::pull(&empty, 1, 10 * WAIT);
    tokio::select! {
        taken = take(&full, 1) => assert_eq!(ids(&taken), ["a"]),
        _ = waiting => panic!("the empty lane yielded something"),
    }
    fixture.close().await;
}
