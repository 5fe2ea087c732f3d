//! What is scheduled comes when it is due, not before, and once.

use std::sync::Arc;
use std::time::Duration;

use actors::port::broker::{Stored, Terms};
use actors::port::{Broker, Lane};
use proto::CallId;
use tests::broker::{Fixture, Kind};
use tokio::time::Instant;

use super::steps::{SHORT, WAIT, ack_all, assert_nothing_waits, ids, message, take};

behaviours!(
    it_comes_when_it_is_due,
    what_is_due_already_comes_at_once,
    a_new_schedule_replaces_the_old_one,
    a_repeated_schedule_is_stored_once,
    what_is_due_is_leased_like_anything_else,
);

async fn due(broker: &dyn Broker, lease: Duration) -> Arc<dyn Lane> {
    broker.due(Terms { lease, ..Terms::default() }).await.unwrap()
}

fn call(id: &str) -> CallId {
    CallId::parse(id).unwrap()
}

async fn it_comes_when_it_is_due(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let lane = due(&*fixture.broker, WAIT).await;
    let (delay, start) = (Duration::from_secs(1), Instant::now());
    let at = fixture.clock.now().after(delay);
    assert!(fixture.broker.schedule(message("f", "a"), &call("a"), at).await.unwrap().is_new());
    assert_nothing_waits(&lane).await;
    let taken = take(&lane, 1).await;
    assert!(start.elapsed() >= delay.mul_f64(0.95), "after {:?}", start.elapsed());
    assert_eq!(
        (ids(&taken), &taken[0].lane, taken[0].payload.read().await.unwrap()),
        (vec!["a"], &super::steps::lane("f"), "payload of a".into())
    );
    ack_all(&taken).await;
    assert_nothing_waits(&lane).await;
    fixture.close().await;
}

async fn what_is_due_already_comes_at_once(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let lane = due(&*fixture.broker, WAIT).await;
    for (id, at) in [("past", proto::Timestamp::from_unix_nanos(1)), ("now", fixture.clock.now())] {
        fixture.broker.schedule(message("f", id), &call(id), at).await.unwrap();
        assert_eq!(ids(&take(&lane, 1).await), [id]);
    }
    fixture.close().await;
}

async fn a_new_schedule_replaces_the_old_one(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let lane = due(&*fixture.broker, WAIT).await;
    let now = fixture.clock.now();
    fixture.broker.schedule(message("f", "first"), &call("a"), now.after(Duration::from_secs(1))).await.unwrap();
    fixture.broker.schedule(message("f", "second"), &call("a"), now.after(Duration::from_secs(2))).await.unwrap();
    fixture.broker.schedule(message("f", "other"), &call("b"), now.after(Duration::from_secs(2))).await.unwrap();
    let mut taken = take(&lane, 2).await;
    taken.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(ids(&taken), ["other", "second"]);
    ack_all(&taken).await;
    assert_nothing_waits(&lane).await;
    fixture.close().await;
}

async fn a_repeated_schedule_is_stored_once(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let lane = due(&*fixture.broker, WAIT).await;
    let at = fixture.clock.now().after(Duration::from_millis(500));
    assert!(fixture.broker.schedule(message("f", "a"), &call("a"), at).await.unwrap().is_new());
    assert_eq!(fixture.broker.schedule(message("f", "a"), &call("a"), at).await.unwrap(), Stored::Duplicate);
    ack_all(&take(&lane, 1).await).await;
    assert_eq!(fixture.broker.schedule(message("f", "a"), &call("a"), at).await.unwrap(), Stored::Duplicate);
    assert_nothing_waits(&lane).await;
    fixture.close().await;
}

async fn what_is_due_is_leased_like_anything_else(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let lane = due(&*fixture.broker, SHORT).await;
    fixture.broker.schedule(message("f", "a"), &call("a"), fixture.clock.now()).await.unwrap();
    let first = take(&lane, 1).await;
    assert_nothing_waits(&lane).await;
    let second = take(&lane, 1).await;
    assert_eq!((ids(&second), second[0].deliveries), (ids(&first), 2));
    second[0].lease.give_back(None).await.unwrap();
    ack_all(&take(&lane, 1).await).await;
    assert_nothing_waits(&lane).await;
    fixture.close().await;
}
