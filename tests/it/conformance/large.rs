//! Payloads of several times what a NATS server takes as one message.

use std::time::Duration;

use actors::port::Delivery;
use actors::port::broker::{Error, Message, Stored, Terms};
use async_nats::jetstream::stream::Config;
use bytes::Bytes;
use proto::dead::Filter;
use proto::{CallId, Dead, dead};
use tests::broker::{Fixture, Kind, PAYLOAD_LEN_MAX};
use tests::eventually;

use super::steps::{WAIT, lane, message, open, take};

behaviours!(
    it_comes_whole_and_again_after_it_was_given_back,
    a_schedule_and_a_dead_letter_take_it_too,
    what_is_taken_away_leaves_nothing,
    a_repeated_one_is_a_duplicate_and_leaves_the_first_whole,
    what_there_is_no_room_for_is_refused_and_nothing_of_it_kept,
    one_whose_pieces_are_gone_says_so
);

fn large(id: &str) -> Message {
    let payload: Vec<u8> = (0..PAYLOAD_LEN_MAX).map(|n| (n * 31 + n / 256) as u8).collect();
    Message { payload: payload.into(), ..message("f", id) }
}

async fn payload(delivery: &Delivery) -> Bytes {
    delivery.payload.read().await.unwrap()
}

async fn it_comes_whole_and_again_after_it_was_given_back(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    assert!(fixture.broker.publish(large("a")).await.unwrap().is_new());
    let lane = open(&*fixture.broker, "f", WAIT).await;
    for _ in 0..2 {
        let taken = take(&lane, 1).await;
        assert!(payload(&taken[0]).await == large("a").payload, "every byte of it");
        taken[0].lease.give_back(None).await.unwrap();
    }
    let taken = take(&lane, 1).await;
    taken[0].lease.ack().await.unwrap();
    assert_eq!(fixture.pieces().await, 0, "what was kept aside goes with the message");
    fixture.close().await;
}

async fn a_schedule_and_a_dead_letter_take_it_too(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let due = fixture.clock.now().after(Duration::from_millis(300));
    let id = CallId::parse("c").unwrap();
    fixture.broker.schedule(large("a"), &id, due).await.unwrap();
    let lane_of_due = fixture.broker.due(Terms::default()).await.unwrap();
    let taken = take(&lane_of_due, 1).await;
    assert!(payload(&taken[0]).await == large("a").payload);
    taken[0].lease.ack().await.unwrap();
    assert_eq!(fixture.pieces().await, 0);

    let letter = Dead {
        lane: lane("f"),
        reason: dead::Reason::Exhausted,
        detail: "status 500".into(),
        at: due,
        payload: large("a").payload.slice(..PAYLOAD_LEN_MAX - 4096),
    };
    assert!(fixture.broker.bury(letter, "a".into(), Some(&id)).await.unwrap().is_new());
    assert_eq!(fixture.broker.dead_count().await.unwrap(), 1);
    let letters = fixture.broker.letters(&Filter::default(), 0, 9).await.unwrap();
    assert!(letters[0].dead.payload == large("a").payload.slice(..PAYLOAD_LEN_MAX - 4096));
    assert!(fixture.broker.remove_letter(letters[0].number).await.unwrap());
    assert_eq!(fixture.pieces().await, 0);
    fixture.close().await;
}

async fn what_is_taken_away_leaves_nothing(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let place = fixture.broker.publish(large("a")).await.unwrap().place().unwrap();
    assert!(fixture.broker.withdraw(&lane("f"), place, "a").await.unwrap());
    let (id, due) = (CallId::parse("c").unwrap(), fixture.clock.now().after(Duration::from_secs(60)));
    fixture.broker.schedule(large("b"), &id, due).await.unwrap();
    assert!(fixture.broker.unschedule(&lane("f"), &id).await.unwrap());
    assert_eq!(fixture.pieces().await, 0);
    fixture.close().await;
}

async fn a_repeated_one_is_a_duplicate_and_leaves_the_first_whole(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    assert!(fixture.broker.publish(large("a")).await.unwrap().is_new());
    assert_eq!(fixture.broker.publish(large("a")).await.unwrap(), Stored::Duplicate);
    let lane = open(&*fixture.broker, "f", WAIT).await;
    let pieces = fixture.pieces().await;
    assert_eq!(fixture.broker.publish(large("a")).await.unwrap(), Stored::Duplicate);
    assert_eq!(fixture.pieces().await, pieces, "nothing is kept of a duplicate");
    let taken = take(&lane, 1).await;
    assert!(payload(&taken[0]).await == large("a").payload);
    fixture.close().await;
}

async fn what_there_is_no_room_for_is_refused_and_nothing_of_it_kept(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let Some((context, stream)) = fixture.stream_of_pieces().await else { return fixture.close().await };
    let room = Config { max_bytes: (PAYLOAD_LEN_MAX / 2) as i64, ..stream.cached_info().config.clone() };
    context.update_stream(room).await.unwrap();
    let refused = fixture.broker.publish(large("a")).await;
    assert!(matches!(refused, Err(Error::Full { .. } | Error::StorageFull(_))), "{refused:?}");
    eventually(async || match fixture.pieces().await {
        0 => Ok(()),
        pieces => Err(format!("{pieces} pieces are left")),
    })
    .await;
    fixture.close().await;
}

async fn one_whose_pieces_are_gone_says_so(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let Some((_, stream)) = fixture.stream_of_pieces().await else { return fixture.close().await };
    fixture.broker.publish(large("a")).await.unwrap();
    stream.purge().await.unwrap();
    let lane = open(&*fixture.broker, "f", WAIT).await;
    let taken = take(&lane, 1).await;
    let gone = taken[0].payload.read().await;
    assert!(matches!(gone, Err(Error::Refused(_))), "{gone:?}");
    fixture.close().await;
}
