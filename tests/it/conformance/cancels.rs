//! Every worker learns which calls are to be cancelled.

use std::collections::HashSet;

use actors::port::Broker;
use actors::port::cancels::Mark;
use futures_util::StreamExt;
use proto::{CallId, Timestamp};
use tests::broker::{Fixture, Kind};
use tokio::time::timeout;

use super::steps::{WAIT, lane};

behaviours!(whoever_listens_hears_of_every_mark, a_mark_is_told_in_full);

fn mark(id: &str, redriven: u32) -> Mark {
    Mark { call: CallId::parse(id).unwrap(), accepted_at: Timestamp::default(), redriven, lane: lane("f.acme") }
}

/// Listens until so many different marks were told.
async fn heard(broker: &dyn Broker, count: usize) -> HashSet<Mark> {
    let (mut marks, mut heard) = (broker.cancelled().await.unwrap(), HashSet::new());
    while heard.len() < count {
        heard.insert(timeout(WAIT, marks.next()).await.unwrap().unwrap());
    }
    heard
}

async fn whoever_listens_hears_of_every_mark(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let there = fixture.elsewhere().await;
    fixture.broker.cancel(&mark("before", 0)).await.unwrap();
    let mark_another = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        fixture.broker.cancel(&mark("after", 0)).await.unwrap();
    };
    let (here, elsewhere, ()) = tokio::join!(heard(&*fixture.broker, 2), heard(&*there, 2), mark_another);
    assert_eq!((&here, here.len()), (&elsewhere, 2));
    fixture.close().await;
}

async fn a_mark_is_told_in_full(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.broker.cancel(&mark("A_-1", 0)).await.unwrap();
    fixture.broker.cancel(&mark("A_-1", 2)).await.unwrap();
    assert_eq!(heard(&*fixture.broker, 1).await, [mark("A_-1", 2)].into(), "the latest life counts");
    fixture.close().await;
}
