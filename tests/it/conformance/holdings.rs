//! What is held can be looked at, page by page, and stays where it is.

use std::time::Duration;

use actors::port::broker::Terms;
use actors::port::holdings::{Held, Hold, Whose};
use proto::{CallId, Namespace, Queue};
use tests::broker::{Fixture, Kind, PAYLOAD_LEN_MAX};
use tests::eventually;

use super::steps::{SHORT, ack_all, ids, lane, message, open, publish, take};

behaviours!(
    every_queue_that_is_in_use_is_known,
    a_lane_is_read_without_being_taken_from,
    what_nobody_has_taken_is_counted,
    what_is_scheduled_is_seen_until_it_is_moved,
    large_payloads_are_read_where_they_lie,
);

fn names(held: &[Held]) -> Vec<&str> {
    held.iter().map(|held| held.id.as_str()).collect()
}

async fn every_queue_that_is_in_use_is_known(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let (broker, now) = (&*fixture.broker, fixture.clock.now());
    publish(broker, "f", ["a"]).await;
    let mut delayed = message("f", "b");
    delayed.lane.queue = Queue::parse("other").unwrap();
    broker.schedule(delayed, &CallId::parse("b").unwrap(), now.after(Duration::from_secs(3600))).await.unwrap();
    let known = broker.queues().await.unwrap();
    assert!([Queue::default(), Queue::parse("other").unwrap()].iter().all(|it| known.contains(it)), "{known:?}");
    fixture.close().await;
}

async fn a_lane_is_read_without_being_taken_from(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let broker = &*fixture.broker;
    assert!(broker.ready(&lane("f"), 0, 10).await.unwrap().is_empty());
    publish(broker, "f", ["a", "b", "c"]).await;
    publish(broker, "g", ["x"]).await;
    let f = open(broker, "f", SHORT).await;
    let leased = take(&f, 1).await;
    assert_eq!(ids(&leased), ["a"]);
    let first = broker.ready(&lane("f"), 0, 2).await.unwrap();
    assert_eq!(names(&first), ["a", "b"], "what is leased is held as well");
    assert_eq!((first[0].hold, first[1].hold), (Hold::Taken, Hold::Waiting));
    assert_eq!((&first[0].lane, first[0].payload.read().await.unwrap()), (&lane("f"), message("f", "a").payload));
    let rest = broker.ready(&lane("f"), first[1].place, 2).await.unwrap();
    assert_eq!(names(&rest), ["c"]);
    assert!(broker.ready(&lane("f"), rest[0].place, 2).await.unwrap().is_empty());
    ack_all(&leased).await;
    assert!(broker.withdraw(&lane("f"), rest[0].place, "c").await.unwrap(), "its place is where it lies");
    assert_eq!(names(&broker.ready(&lane("f"), 0, 10).await.unwrap()), ["b"]);
    assert_eq!(ids(&take(&f, 1).await), ["b"], "and it is still to be had");
    fixture.close().await;
}

async fn what_nobody_has_taken_is_counted(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let broker = &*fixture.broker;
    let line = async |function| {
        let line = broker.line(&lane(function)).await.unwrap();
        (line.waiting, line.first.map(|first| first.id))
    };
    assert_eq!(line("f").await, (0, None));
    publish(broker, "f", ["a", "b", "c"]).await;
    publish(broker, "g", ["x"]).await;
    assert_eq!(line("f").await, (3, Some("a".into())), "also while nobody has opened the lane");
    let f = open(broker, "f", SHORT).await;
    let leased = take(&f, 1).await;
    assert_eq!(line("f").await, (2, Some("b".into())));
    let rest = take(&f, 2).await;
    assert_eq!(line("f").await, (0, None), "what is leased does not wait");
    ack_all(&leased).await;
    ack_all(&rest).await;
    assert_eq!((line("f").await, line("g").await), ((0, None), (1, Some("x".into()))));

    assert_eq!(broker.later().await.unwrap(), 0);
    let now = fixture.clock.now();
    for (id, after) in [("later", 3600), ("due", 0)] {
        broker
            .schedule(message("f", id), &CallId::parse(id).unwrap(), now.after(Duration::from_secs(after)))
            .await
            .unwrap();
    }
    eventually(async || match broker.later().await.unwrap() {
        2 => Ok(()),
        other => Err(format!("{other} wait for their time")),
    })
    .await;
    fixture.close().await;
}

async fn what_is_scheduled_is_seen_until_it_is_moved(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let (broker, now) = (&*fixture.broker, fixture.clock.now());
    for (function, id, after) in [("f", "a", 3600), ("g", "b", 3600), ("f", "c", 0)] {
        let due = now.after(Duration::from_secs(after));
        broker.schedule(message(function, id), &CallId::parse(id).unwrap(), due).await.unwrap();
    }
    let (queue, f) = (Queue::default(), lane("f").function);
    let seen = async |function| broker.scheduled(&queue, function, 0, 10).await.unwrap();
    eventually(async || {
        let all = seen(None).await;
        let mut all = names(&all);
        all.sort_unstable();
        if all == ["a", "b", "c"] { Ok(()) } else { Err(format!("{all:?}")) }
    })
    .await;
    let count = async |whose| broker.scheduled_count(&whose).await.unwrap();
    assert_eq!((count(Whose::Queue(queue.clone())).await, count(Whose::Lane(lane("f"))).await), (3, 2));
    assert_eq!(count(Whose::Queue(Queue::parse("other").unwrap())).await, 0);
    assert_eq!(count(Whose::Namespace(f.namespace().clone())).await, 3);
    assert_eq!(count(Whose::Namespace(Namespace::parse("acme").unwrap())).await, 0);
    let of_f = seen(Some(&f)).await;
    assert!(of_f.iter().all(|held| held.lane == lane("f")) && of_f.len() == 2, "{:?}", names(&of_f));
    let page = broker.scheduled(&queue, Some(&f), 0, 1).await.unwrap();
    assert_eq!(page[0].hold, Hold::Scheduled);
    let rest = broker.scheduled(&queue, Some(&f), page[0].place, 10).await.unwrap();
    assert_eq!((page.len(), rest.len()), (1, 1));
    assert!(broker.scheduled(&Queue::parse("other").unwrap(), None, 0, 10).await.unwrap().is_empty());
    let due = broker.due(Terms { lease: SHORT, ..Terms::default() }).await.unwrap();
    let moved = take(&due, 1).await;
    assert_eq!(ids(&moved), ["c"]);
    ack_all(&moved).await;
    assert!(broker.unschedule(&lane("f"), &CallId::parse("a").unwrap()).await.unwrap());
    assert!(seen(Some(&f)).await.is_empty());
    fixture.close().await;
}

async fn large_payloads_are_read_where_they_lie(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let mut large = message("f", "a");
    large.payload = vec![7; PAYLOAD_LEN_MAX - 1024].into();
    fixture.broker.publish(large.clone()).await.unwrap();
    let held = fixture.broker.ready(&lane("f"), 0, 1).await.unwrap();
    assert!(held[0].payload.read().await.unwrap() == large.payload);
    fixture.close().await;
}
