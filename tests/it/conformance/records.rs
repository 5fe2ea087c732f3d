//! Of a call the latest is told, and its end holds.

use std::time::Duration;

use actors::port::Broker;
use actors::port::broker::{Error, Stored};
use futures_util::StreamExt;
use proto::record::{Kept, State};
use proto::{Call, CallId, Record, Request};
use tests::broker::{Fixture, Kind};
use tests::eventually;
use tokio::time::timeout;

use super::steps::{WAIT, lane};

behaviours!(
    the_latest_note_is_what_is_told,
    an_end_takes_the_place_of_any_note,
    what_is_noted_late_changes_nothing,
    a_call_ends_once,
    a_record_has_its_time,
    who_listens_hears_of_the_end,
);

const HOUR: Duration = Duration::from_secs(3600);

fn record(fixture: &Fixture, state: State) -> Record {
    let id = CallId::parse("c").unwrap();
    let call = Call::new(id, lane("f").function, fixture.clock.now(), Request::default());
    Record::of(&call, &lane("f"), state, fixture.clock.now())
}

/// Its state and revision.
async fn told(fixture: &Fixture) -> Option<(State, u64)> {
    let recorded = fixture.broker.record(&CallId::parse("c").unwrap()).await.unwrap();
    recorded.map(|it| (it.record.state, it.revision))
}

async fn until_told(fixture: &Fixture, state: State) -> u64 {
    let revision = std::cell::Cell::new(0);
    eventually(async || match told(fixture).await {
        Some((found, at)) if found == state => {
            revision.set(at);
            Ok(())
        }
        other => Err(format!("{other:?}")),
    })
    .await;
    revision.get()
}

async fn store(broker: &dyn Broker, record: &Record, keep_for: Duration) -> Result<Stored, Error> {
    broker.end(record, record.end_id(), keep_for).await
}

async fn the_latest_note_is_what_is_told(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    assert_eq!(told(&fixture).await, None);
    let ready = record(&fixture, State::Ready);
    fixture.broker.note(&ready, 0, HOUR).await;
    let first = until_told(&fixture, State::Ready).await;
    fixture.broker.note(&record(&fixture, State::Running), first, HOUR).await;
    let second = until_told(&fixture, State::Running).await;
    assert!(first != 0 && second != first);
    fixture.close().await;
}

async fn an_end_takes_the_place_of_any_note(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.broker.note(&record(&fixture, State::Ready), 0, HOUR).await;
    until_told(&fixture, State::Ready).await;
    let mut end = record(&fixture, State::Succeeded);
    end.result = Some(Kept { content_type: Some("x/y".into()), body: vec![0, 255].into(), omitted: None });
    assert!(store(&*fixture.broker, &end, HOUR).await.unwrap().is_new());
    let recorded = fixture.broker.record(&end.id).await.unwrap().unwrap();
    assert_eq!(recorded.record, end, "as soon as it is stored");
    fixture.close().await;
}

async fn what_is_noted_late_changes_nothing(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.broker.note(&record(&fixture, State::Ready), 0, HOUR).await;
    let first = until_told(&fixture, State::Ready).await;
    store(&*fixture.broker, &record(&fixture, State::Failed), HOUR).await.unwrap();
    for over in [0, first] {
        fixture.broker.note(&record(&fixture, State::Running), over, HOUR).await;
    }
    // Another note, of another call, is behind them.
    let other = Record { id: CallId::parse("d").unwrap(), ..record(&fixture, State::Ready) };
    fixture.broker.note(&other, 0, HOUR).await;
    eventually(async || fixture.broker.record(&other.id).await.unwrap().map(drop).ok_or("not yet")).await;
    assert_eq!(told(&fixture).await.map(|it| it.0), Some(State::Failed));
    fixture.close().await;
}

async fn a_call_ends_once(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    assert!(store(&*fixture.broker, &record(&fixture, State::Cancelled), HOUR).await.unwrap().is_new());
    let again = store(&*fixture.broker, &record(&fixture, State::Succeeded), HOUR).await.unwrap();
    assert_eq!((again, told(&fixture).await.map(|it| it.0)), (Stored::Duplicate, Some(State::Cancelled)));
    let anew = Record { redriven: 1, ..record(&fixture, State::Succeeded) };
    assert!(store(&*fixture.broker, &anew, HOUR).await.unwrap().is_new(), "a call that was redriven ends again");
    assert_eq!(told(&fixture).await.map(|it| it.0), Some(State::Succeeded));
    fixture.close().await;
}

async fn a_record_has_its_time(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    store(&*fixture.broker, &record(&fixture, State::Succeeded), Duration::from_secs(1)).await.unwrap();
    eventually(async || told(&fixture).await.map_or(Ok(()), |it| Err(format!("{it:?}")))).await;
    fixture.close().await;
}

async fn who_listens_hears_of_the_end(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let mut changes = fixture.broker.changes(&CallId::parse("c").unwrap()).await.unwrap();
    store(&*fixture.elsewhere().await, &record(&fixture, State::Succeeded), HOUR).await.unwrap();
    timeout(WAIT, changes.next()).await.unwrap().unwrap();
    fixture.close().await;
}
