//! A lane's limit holds for all holders together, and can be changed while they hold.

use std::num::NonZeroU32;

use actors::port::broker::Terms;
use tests::broker::{Fixture, Kind};

use super::steps::{WAIT, assert_nothing_waits, ids, open_with, publish, take};

behaviours!(so_many_are_out_and_no_more, a_raised_limit_lets_more_out_and_a_lowered_one_fewer);

fn terms(limit: u32) -> Terms {
    Terms { lease: 10 * WAIT, limit: NonZeroU32::new(limit), ..Terms::default() }
}

async fn so_many_are_out_and_no_more(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", 0..5).await;
    let here = open_with(&*fixture.broker, "f", terms(3)).await;
    let there = open_with(&*fixture.elsewhere().await, "f", terms(3)).await;
    let (first, second) = (take(&here, 2).await, take(&there, 1).await);
    assert_nothing_waits(&here).await;
    assert_nothing_waits(&there).await;
    first[0].lease.ack().await.unwrap();
    assert_eq!(ids(&take(&there, 1).await), ["3"]);
    assert_nothing_waits(&here).await;
    second[0].lease.give_back(None).await.unwrap();
    assert_eq!(ids(&take(&here, 1).await), ids(&second));
    fixture.close().await;
}

async fn a_raised_limit_lets_more_out_and_a_lowered_one_fewer(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    publish(&*fixture.broker, "f", 0..5).await;
    let lane = open_with(&*fixture.broker, "f", terms(1)).await;
    let first = take(&lane, 1).await;
    assert_nothing_waits(&lane).await;
    lane.set_limit(NonZeroU32::new(3)).await.unwrap();
    let more = take(&lane, 2).await;
    lane.set_limit(NonZeroU32::new(1)).await.unwrap();
    first[0].lease.ack().await.unwrap();
    more[0].lease.ack().await.unwrap();
    assert_nothing_waits(&lane).await;
    more[1].lease.ack().await.unwrap();
    assert_eq!(ids(&take(&lane, 1).await), ["3"]);
    fixture.close().await;
}
