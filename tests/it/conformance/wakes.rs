//! Hints tell that a function got work: soon, and the last one too.

use std::time::Duration;

use futures_util::StreamExt;
use proto::{Function, Queue};
use tests::broker::{Fixture, Kind};
use tokio::time::timeout;

use super::steps::{WAIT, lane, publish};

behaviours!(
    a_message_is_hinted_at,
    what_is_given_back_is_hinted_at_by_whoever_does,
    to_those_of_its_queue_and_for_each_function,
);

async fn a_message_is_hinted_at(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let elsewhere = fixture.elsewhere().await;
    let mut hints = elsewhere.wakes(&Queue::default()).await.unwrap();
    for round in 0..3 {
        publish(&*fixture.broker, "f", [round]).await;
        assert_eq!(timeout(WAIT, hints.next()).await.unwrap(), Some(Function::parse("f").unwrap()), "{round}");
    }
    fixture.close().await;
}

async fn what_is_given_back_is_hinted_at_by_whoever_does(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let elsewhere = fixture.elsewhere().await;
    let mut hints = elsewhere.wakes(&Queue::default()).await.unwrap();
    // A hint is not heard that overtakes, on another connection, the word that somebody listens.
    let first = async {
        while timeout(Duration::from_millis(150), hints.next()).await.is_err() {
            fixture.broker.hint(&lane("first")).await;
        }
    };
    timeout(WAIT, first).await.unwrap();
    let function = Function::parse("f").unwrap();
    for round in 0..3 {
        fixture.broker.hint(&lane("f")).await;
        let mut heard = hints.by_ref().filter(|it| std::future::ready(*it == function));
        assert!(timeout(WAIT, heard.next()).await.is_ok_and(|it| it.is_some()), "{round}");
    }
    fixture.close().await;
}

async fn to_those_of_its_queue_and_for_each_function(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let mut other = fixture.broker.wakes(&Queue::parse("other").unwrap()).await.unwrap();
    let hints = fixture.broker.wakes(&Queue::default()).await.unwrap();
    for name in ["f", "g", "h"] {
        publish(&*fixture.broker, name, [name]).await;
    }
    let mut functions: Vec<String> =
        timeout(WAIT, hints.take(3).map(|it| it.name().to_owned()).collect()).await.unwrap();
    functions.sort();
    assert_eq!(functions, ["f", "g", "h"]);
    assert!(timeout(Duration::from_millis(150), other.next()).await.is_err(), "a hint for another queue");
    fixture.close().await;
}
