//! What is told of calls that run, and of those that wait.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actors::meter::Series;
use actors::meter::series::{DEATHS, ENDS, OUTCOMES, word};
use actors::waiting::Reason;
use proto::record::State;
use proto::{LaneKey, Outcome, Queue};

use super::Sources;
use super::catalogue::{
    ADAPTIVE, ATTEMPTS, BACKLOG, BUSY, CALLBACKS, CONCURRENCY, DEAD, DEAD_LETTERS, ENDED, HELD, IN_FLIGHT, INVOKE,
    LATER, LEASES_LOST, Metric, OLDEST_AGE, PAUSED, RATE, REDELIVERIES, RETRIES, WAIT,
};
use super::gateway::{OTHER, labels};
use super::sheet::{Sheet, Value};

/// The series of a worker, by the values of their labels: queue and function.
type All = Vec<([String; 2], Arc<Series>)>;

pub(super) fn write(sources: &Sources, sheet: &mut Sheet<'_>) -> fmt::Result {
    let (meter, now) = (&sources.meter, sources.clock.now());
    if let Some(depth) = meter.later.get() {
        sheet.one(&LATER, depth)?;
    }
    if let Some(count) = meter.letters.get() {
        sheet.one(&DEAD_LETTERS, count)?;
    }
    let all = all(sources);
    let gauges = |value: fn(&Series) -> Option<f64>| {
        all.iter().filter_map(move |(labels, it)| Some((labels.clone(), value(it)?.into())))
    };
    sheet.family(&BACKLOG, gauges(|it| it.backlog.get()))?;
    let age = |it: &Series| it.oldest_age(now).map_or(0.0, |age| age.as_secs_f64());
    let ages = all.iter().filter(|(_, it)| it.backlog.get().is_some());
    sheet.family(
        &OLDEST_AGE,
        ages.filter(|([_, function], _)| function != OTHER).map(|(labels, it)| (labels.clone(), age(it).into())),
    )?;
    sheet.family(&WAIT, all.iter().map(|(labels, it)| (labels.clone(), it.wait.counts().into())))?;
    parted(sheet, &INVOKE, &all, |it| it.invoke.classes().into_iter().map(|(class, it)| (class, it.into())).collect())?;
    let attempts = OUTCOMES.into_iter().filter(|it| *it != Outcome::Busy);
    let attempts: Vec<Outcome> = attempts.collect();
    parted(sheet, &ATTEMPTS, &all, |it| attempts.iter().map(|one| (word(*one), it.attempts(*one).into())).collect())?;
    let counters = |value: fn(&Series) -> u64| all.iter().map(move |(labels, it)| (labels.clone(), value(it).into()));
    sheet.family(&BUSY, counters(|it| it.attempts(Outcome::Busy)))?;
    sheet.family(&RETRIES, counters(|it| it.retries.get()))?;
    parted(sheet, &ENDED, &all, |it| ENDS.iter().map(|end| (end.as_str(), it.ends(*end).into())).collect())?;
    parted(sheet, &DEAD, &all, |it| {
        let there = DEATHS.iter().filter(|one| it.deaths(**one) > 0);
        there.map(|one| (one.as_str(), it.deaths(*one).into())).collect()
    })?;
    sheet.family(&REDELIVERIES, counters(|it| it.redeliveries.get()))?;
    sheet.family(&LEASES_LOST, counters(|it| it.leases_lost.get()))?;
    sheet.family(&IN_FLIGHT, counters(Series::in_flight))?;
    parted(sheet, &HELD, &all, |it| {
        let there = Reason::ALL.into_iter().map(|one| (one, it.held_for(one))).filter(|it| it.1 > Duration::ZERO);
        there.map(|(one, long)| (one.as_str(), long.as_secs_f64().into())).collect()
    })?;
    // What is set for one of those that share a series says nothing of the others.
    let own: All = all.iter().filter(|([_, function], _)| function != OTHER).cloned().collect();
    let limits = |value: fn(&Series) -> Option<f64>| {
        own.iter().filter_map(move |(labels, it)| Some((labels.clone(), value(it)?.into())))
    };
    sheet.family(&CONCURRENCY, limits(|it| it.concurrency.get()))?;
    sheet.family(&ADAPTIVE, limits(|it| it.adaptive.get()))?;
    sheet.family(&RATE, limits(|it| it.rate.get()))?;
    sheet.family(&PAUSED, limits(|it| it.paused.get()))?;
    callbacks(&meter.callbacks, sheet)
}

/// Every series: of a process that runs calls, that of callbacks among them.
fn all(sources: &Sources) -> All {
    let meter = &sources.meter;
    let other = meter.lanes.other().map(|it| ([OTHER.into(), OTHER.into()], it));
    // Who has no permits runs nothing.
    let callbacks = meter.capacity().map(|_| ([Queue::callbacks().to_string(), OTHER.into()], meter.callbacks.clone()));
    let own = meter.lanes.all().into_iter().map(|(lane, it): (LaneKey, _)| (labels(&lane), it));
    own.chain(other).chain(callbacks).collect()
}

/// A metric whose series are parted by one more label.
fn parted(
    sheet: &mut Sheet<'_>,
    metric: &Metric,
    all: &All,
    parts: impl Fn(&Series) -> Vec<(&'static str, Value)>,
) -> fmt::Result {
    sheet.family(
        metric,
        all.iter().flat_map(|([queue, function], it)| {
            parts(it).into_iter().map(|(part, value)| ([queue.clone(), function.clone(), part.into()], value))
        }),
    )
}

fn callbacks(series: &Series, sheet: &mut Sheet<'_>) -> fmt::Result {
    let dead = ENDS.into_iter().filter(|end| *end != State::Succeeded).map(|end| series.ends(end)).sum::<u64>();
    let outcomes = [("delivered", series.ends(State::Succeeded)), ("put_off", series.retries.get()), ("dead", dead)];
    sheet.family(&CALLBACKS, outcomes.map(|(outcome, count)| ([outcome.into()], count.into())))
}
