//! Signs of life: everybody hears everybody, and who goes says so.

use std::collections::BTreeSet;

use actors::membership::{Member, Serves};
use actors::port::BoxStream;
use actors::port::presence::Sign;
use futures_util::StreamExt;
use proto::Queue;
use tests::broker::{Fixture, Kind};
use tokio::time::timeout;

use super::steps::WAIT;

behaviours!(those_who_are_there_are_heard_and_those_who_come_and_go);

async fn next(signs: &mut BoxStream<'static, Sign>) -> Sign {
    timeout(WAIT, signs.next()).await.unwrap().unwrap()
}

async fn those_who_are_there_are_heard_and_those_who_come_and_go(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let presence = &*fixture.presence;
    let queues = BTreeSet::from([Queue::default()]);
    let worker = Member { serves: Serves::Queues(queues), ..Member::default() }.draining();
    let gateway = Member { gateway: true, ..Member::default() };
    presence.announce("w", &worker).await.unwrap();
    let mut signs = presence.signs().await.unwrap();
    assert_eq!(next(&mut signs).await, Sign::Alive("w".into(), worker.clone()));
    presence.announce("g", &gateway).await.unwrap();
    assert_eq!(next(&mut signs).await, Sign::Alive("g".into(), gateway.clone()));
    presence.announce("g", &gateway).await.unwrap();
    assert_eq!(next(&mut signs).await, Sign::Alive("g".into(), gateway), "again and again");
    presence.leave("w").await.unwrap();
    assert_eq!(next(&mut signs).await, Sign::Left("w".into()));
    fixture.close().await;
}
