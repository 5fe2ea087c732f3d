//! Of a call the latest is told, and its end holds.

use std::time::Duration;

use actors::port::Broker;
use actors::port::broker::{Error, Stored};
use futures_util::StreamExt;
use futures_util::future::join_all;
use proto::record::{Kept, State};
use proto::{Call, CallId, Record, Request, Timestamp};
use tests::broker::{Fixture, Kind};
use tests::eventually;
use tokio::time::timeout;

use super::steps::{WAIT, lane, message};

behaviours!(
    the_latest_note_is_what_is_told,
    an_end_takes_the_place_of_any_note,
    what_is_noted_late_changes_nothing,
    a_call_ends_once,
    a_record_has_its_time,
    who_listens_hears_of_the_end,
    many_are_told_of_together,
    who_listens_to_everybody_hears_of_every_call,
    a_call_that_is_known_stays_known,
    the_first_end_holds,
    what_is_past_is_not_told_as_waiting,
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

/// A record of a call whose id was made for it when it was accepted, the `n`th of that moment.
fn made(at: Timestamp, n: usize, state: State) -> Record {
    let millis = format!("{:012x}", at.unix_nanos() / 1_000_000);
    let (high, low) = millis.split_at(8);
    let id = CallId::parse(&format!("{high}-{low}-72c9-9b96-{n:012x}")).unwrap();
    let call = Call::new(id, lane("f").function, at, Request::default());
    let mut record = Record::of(&call, &lane("f"), state, at);
    record.counts.deliveries = u32::from(state != State::Ready);
    record
}

async fn who_listens_to_everybody_hears_of_every_call(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let mut told = fixture.broker.told().await.unwrap();
    let (note, chosen) = (record(&fixture, State::Running), record(&fixture, State::Succeeded));
    fixture.broker.note(&note, 0, HOUR).await;
    store(&*fixture.broker, &chosen, HOUR).await.unwrap();
    // One that shares a page with others, where there are pages.
    let end = made(fixture.clock.now(), 0, State::Failed);
    fixture.broker.end_first(&end, HOUR).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 3 {
        let record = timeout(WAIT, told.next()).await.unwrap().unwrap();
        heard.push((record.id.to_string(), record.state));
    }
    // In what order is told of different calls is nobody's promise.
    heard.sort_by(|a, b| b.0.cmp(&a.0));
    let call = |state| (String::from("c"), state);
    assert_eq!(heard, [call(State::Running), call(State::Succeeded), (end.id.to_string(), State::Failed)]);
    fixture.close().await;
}

async fn many_are_told_of_together(kind: Kind) {
    const CALLS: usize = 300;
    let fixture = Fixture::new(kind).await;
    let at = fixture.clock.now();
    let elsewhere = fixture.elsewhere().await;
    let last = made(at, CALLS - 1, State::Succeeded);
    let mut changes = elsewhere.changes(&last.id).await.unwrap();
    for n in 0..CALLS {
        fixture.broker.note_accepted(&made(at, n, State::Ready), HOUR).await;
    }
    for n in 0..CALLS {
        let id = made(at, n, State::Ready).id;
        eventually(async || elsewhere.record(&id).await.unwrap().map(drop).ok_or("not yet")).await;
    }
    let ends = (0..CALLS).map(|n| {
        let (fixture, state) = (&fixture, if n % 3 == 0 { State::Failed } else { State::Succeeded });
        async move {
            let end = made(at, n, state);
            assert!(fixture.broker.end_first(&end, HOUR).await.unwrap().is_new());
            assert_eq!(fixture.broker.record(&end.id).await.unwrap().unwrap().record, end, "as soon as it is stored");
        }
    });
    join_all(ends).await;
    timeout(WAIT, changes.next()).await.unwrap().unwrap();
    fixture.close().await;
}

async fn the_first_end_holds(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let at = fixture.clock.now();
    let state = async |id| fixture.broker.record(&id).await.unwrap().map(|it| it.record.state);
    let end = made(at, 0, State::Succeeded);
    for again in [&end, &Record { state: State::Failed, ..end.clone() }] {
        fixture.broker.end_first(again, HOUR).await.unwrap();
        assert_eq!(state(end.id.clone()).await, Some(State::Succeeded));
    }
    fixture.broker.note(&Record { state: State::Running, ..end.clone() }, 0, HOUR).await;
    let other = made(at, 1, State::Running);
    fixture.broker.note(&other, 0, HOUR).await;
    eventually(async || state(other.id.clone()).await.map(drop).ok_or("not yet")).await;
    assert_eq!(state(end.id.clone()).await, Some(State::Succeeded), "whatever is noted late");
    fixture.close().await;
}

/// Also at the moment in which its note has left the process and is not stored yet.
async fn a_call_that_is_known_stays_known(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let asking = (0..20).map(async |n| {
        let ready = made(fixture.clock.now(), n, State::Ready);
        fixture.broker.note_accepted(&Record { place: None, ..ready.clone() }, HOUR).await;
        eventually(async || fixture.broker.record(&ready.id).await.unwrap().ok_or("not yet")).await;
        for look in 0..40 {
            let told = fixture.broker.record(&ready.id).await.unwrap();
            assert!(told.is_some(), "call {n} was forgotten by look {look}");
        }
    });
    join_all(asking).await;
    fixture.close().await;
}

async fn what_is_past_is_not_told_as_waiting(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let at = fixture.clock.now();
    let ready = made(at, 0, State::Ready);
    let call = Call::new(ready.id.clone(), ready.function.clone(), ready.accepted_at, Request::default());
    let stored = fixture.broker.publish(message("f", &call.message_id())).await.unwrap();
    fixture.broker.note_accepted(&Record { place: stored.place(), ..ready.clone() }, HOUR).await;
    let told = async || fixture.broker.record(&ready.id).await.unwrap().map(|it| it.record.state);
    eventually(async || if told().await == Some(State::Ready) { Ok(()) } else { Err("not yet") }).await;
    let end = made(at, 0, State::Succeeded);
    fixture.broker.end_first(&end, Duration::from_secs(1)).await.unwrap();
    assert_eq!(told().await, Some(State::Succeeded));
    assert!(fixture.broker.withdraw(&ready.lane(), stored.place().unwrap(), &call.message_id()).await.unwrap());
    eventually(async || told().await.map_or(Ok(()), |it| Err(format!("{it:?}")))).await;
    fixture.close().await;
}
