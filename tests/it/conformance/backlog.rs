//! The backlog is the truth: who has messages, waiting or leased, and how many.

use actors::port::broker::Backlog;
use proto::{Function, Queue};
use tests::broker::{Fixture, Kind};

use super::steps::{WAIT, ack_all, open, publish, take};

behaviours!(it_counts_what_waits_and_what_is_leased, a_lane_says_how_many_wait_in_it);

async fn it_counts_what_waits_and_what_is_leased(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let backlog = async || {
        let mut backlog = fixture.broker.backlog(&Queue::default()).await.unwrap();
        backlog.sort_by(|a, b| a.function.cmp(&b.function));
        backlog
    };
    let of = |name: &str, messages| Backlog { function: Function::parse(name).unwrap(), messages };
    assert_eq!(backlog().await, []);
    publish(&*fixture.broker, "f", 0..3).await;
    publish(&*fixture.broker, "g.acme", 3..4).await;
    assert_eq!(backlog().await, [of("f", 3), of("g.acme", 1)]);
    let lane = open(&*fixture.broker, "f", WAIT).await;
    let taken = take(&lane, 2).await;
    assert_eq!(backlog().await, [of("f", 3), of("g.acme", 1)]);
    taken[0].lease.ack().await.unwrap();
    assert_eq!(backlog().await, [of("f", 2), of("g.acme", 1)]);
    assert_eq!(fixture.broker.backlog(&Queue::parse("other").unwrap()).await.unwrap(), []);
    fixture.close().await;
}

async fn a_lane_says_how_many_wait_in_it(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", 0..5).await;
    publish(&*fixture.broker, "g", 5..6).await;
    let lane = open(&*fixture.broker, "f", WAIT).await;
    assert_eq!(lane.waiting().await.unwrap(), 5);
    let taken = take(&lane, 2).await;
    assert_eq!(lane.waiting().await.unwrap(), 3, "what is leased does not wait");
    ack_all(&taken).await;
    assert_eq!(lane.waiting().await.unwrap(), 3);
    take(&lane, 3).await;
    assert_eq!(lane.waiting().await.unwrap(), 0);
    fixture.close().await;
}
