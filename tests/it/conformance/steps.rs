//! The words that the behaviours are written in.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actors::port::broker::{Error, Message, Terms};
use actors::port::{Broker, Delivery, Lane};
use futures_util::TryStreamExt;
use proto::{Function, LaneKey, Queue};
use tests::eventually;
use tokio_util::sync::CancellationToken;

/// A lease that ends soon enough for a test, and lasts long enough for a slow machine to use it.
pub(super) const SHORT: Duration = Duration::from_secs(2);
/// A wait within which everything that is there has come.
pub(super) const WAIT: Duration = Duration::from_secs(10);

pub(super) fn lane(function: &str) -> LaneKey {
    LaneKey::new(Queue::default(), Function::parse(function).unwrap())
}

pub(super) fn message(function: &str, id: &str) -> Message {
    Message { lane: lane(function), id: id.into(), payload: format!("payload of {id}").into() }
}

pub(super) async fn publish(broker: &dyn Broker, function: &str, ids: impl IntoIterator<Item = impl ToString>) {
    for id in ids {
        let stored = broker.publish(message(function, &id.to_string())).await.unwrap();
        assert!(stored.is_new(), "{}", id.to_string());
    }
}

pub(super) async fn open(broker: &dyn Broker, function: &str, lease: Duration) -> Arc<dyn Lane> {
    open_with(broker, function, Terms { lease, ..Terms::default() }).await
}

pub(super) async fn open_with(broker: &dyn Broker, function: &str, terms: Terms) -> Arc<dyn Lane> {
    broker.lane(&lane(function), terms).await.unwrap()
}

/// One pull.
pub(super) async fn pull(lane: &Arc<dyn Lane>, max: u32, wait: Duration) -> Result<Vec<Delivery>, Error> {
    lane.pull(NonZeroU32::new(max).unwrap(), wait, CancellationToken::new()).try_collect().await
}

/// Pulls until `count` messages have come.
pub(super) async fn take(lane: &Arc<dyn Lane>, count: usize) -> Vec<Delivery> {
    let taken = std::sync::Mutex::new(Vec::new());
    eventually(async || {
        let missing = count - taken.lock().unwrap().len();
        let more = pull(lane, u32::try_from(missing).unwrap(), WAIT).await.unwrap();
        let mut taken = taken.lock().unwrap();
        taken.extend(more);
        if taken.len() == count { Ok(()) } else { Err(format!("{} of {count} came", taken.len())) }
    })
    .await;
    taken.into_inner().unwrap()
}

pub(super) fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| &*delivery.id).collect()
}

pub(super) async fn ack_all(deliveries: &[Delivery]) {
    for delivery in deliveries {
        delivery.lease.ack().await.unwrap();
    }
}

/// Nothing is there now. Asked with the shortest of waits: an empty answer is an answer.
pub(super) async fn assert_nothing_waits(lane: &Arc<dyn Lane>) {
    let there = pull(lane, 1, Duration::from_millis(50)).await.unwrap();
    assert!(there.is_empty(), "{:?} should not be there", ids(&there));
}
