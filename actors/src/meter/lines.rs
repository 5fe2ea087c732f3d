//! How many calls wait in the cluster, and how old the first one is: what only the broker knows, asked now and then.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use proto::{Call, CallId, LaneKey, Queue, Timestamp, codec};
use tokio::time::sleep;

use super::Series;
use crate::call::Desk;
use crate::call::recorder::Recorder;
use crate::port::Payload;
use crate::port::broker::{Backlog, Error};
use crate::port::holdings::Held;

/// How many lanes are asked about at once.
const AT_ONCE: usize = 8;
/// How often it is asked what waits for its time.
const FOLLOW_EVERY: Duration = Duration::from_secs(5);

/// Brings up to date what is told of the lanes of a queue, in which so much was `found`. Those that have no series of
/// their own are told of as one: all that waits in them or is out, and nothing of its age.
pub async fn look(desk: &Desk, queue: &Queue, found: &[Backlog]) {
    if queue.is_callbacks() {
        let messages = found.iter().map(|it| it.messages).sum::<u64>();
        return desk.meter.callbacks.backlog.set(Some(messages as f64));
    }
    let (mut others, mut own, mut busy) = (0, Vec::new(), HashSet::new());
    for Backlog { function, messages } in found {
        let lane = LaneKey::new(queue.clone(), function.clone());
        match desk.meter.lanes.own(&lane) {
            Some(series) => own.push((lane.clone(), series)),
            None => others += messages,
        }
        busy.insert(lane);
    }
    for (lane, series) in desk.meter.lanes.all() {
        if lane.queue == *queue && !busy.contains(&lane) {
            series.backlog.set(Some(0.0));
            series.oldest.set(None);
        }
    }
    desk.meter.others_wait(queue, Some(others));
    let asked = own.into_iter().map(async |(lane, series)| {
        if let Err(error) = ask(desk, &lane, &series).await {
            tracing::debug!(%lane, %error, "what waits in a lane is not known now");
            unknown(&series);
        }
    });
    stream::iter(asked).buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// Says no more what waits in a queue: the broker does not tell, and what it told last is true no longer.
pub fn forget(desk: &Desk, queue: &Queue) {
    if queue.is_callbacks() {
        return unknown(&desk.meter.callbacks);
    }
    for (_, series) in desk.meter.lanes.all().iter().filter(|(lane, _)| lane.queue == *queue) {
        unknown(series);
    }
    desk.meter.others_wait(queue, None);
}

fn unknown(series: &Series) {
    series.backlog.set(None);
    series.oldest.set(None);
}

async fn ask(desk: &Desk, lane: &LaneKey, series: &Series) -> Result<(), Error> {
    let line = desk.broker.line(lane).await?;
    let since = match &line.first {
        Some(first) => since(&desk.recorder, first).await,
        None => None,
    };
    series.backlog.set(Some(line.waiting as f64));
    series.oldest.set(since.map(|since| since.unix_nanos() as f64 / 1e9));
    Ok(())
}

/// From when a call counts its age. Of one that is too large to be fetched for that, its record knows.
pub async fn since(recorder: &Recorder, held: &Held) -> Option<Timestamp> {
    if let Payload::Here(bytes) = &held.payload {
        return codec::decode(bytes).ok().map(|call| call.age_from);
    }
    let id = Call::life_in(&held.id).and_then(|(id, _)| CallId::parse(id).ok())?;
    recorder.known(&id).await.map(|known| known.record.accepted_at)
}

/// Brings up to date how much waits for its time, and how many dead letters there are, again and again.
pub async fn follow(desk: &Desk) {
    loop {
        match desk.broker.later().await {
            Ok(count) => desk.meter.later.set(Some(count as f64)),
            Err(error) => {
                tracing::debug!(%error, "how much waits for its time is not known now");
                desk.meter.later.set(None);
            }
        }
        match desk.broker.dead_count().await {
            Ok(count) => desk.meter.letters.set(Some(count as f64)),
            Err(error) => {
                tracing::debug!(%error, "how many dead letters there are is not known now");
                desk.meter.letters.set(None);
            }
        }
        sleep(FOLLOW_EVERY).await;
    }
}
