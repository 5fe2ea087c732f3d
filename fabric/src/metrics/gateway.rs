//! What is told of calls that come in.

use std::fmt;
use std::sync::Arc;

use proto::LaneKey;

use super::Sources;
use super::catalogue::{ACCEPTED, ENQUEUE, FORWARD, FORWARDING, REFUSED};
use super::sheet::{Sheet, Value};
use crate::gateway::meter::Series;

/// What stands for functions that have no series of their own.
pub(super) const OTHER: &str = "other";

pub(super) fn write(sources: &Sources, sheet: &mut Sheet<'_>) -> fmt::Result {
    let gateway = &sources.gateway;
    let all = gateway.functions.all();
    let named = |(lane, series): &(LaneKey, Arc<Series>)| (labels(lane), series.clone());
    let all: Vec<([String; 2], Arc<Series>)> = all.iter().map(named).chain(other(sources)).collect();
    let of = |value: fn(&Series) -> Value| all.iter().map(move |(labels, it)| (labels.clone(), value(it)));
    sheet.family(&ACCEPTED, of(|it| it.accepted.get().into()))?;
    sheet.family(&REFUSED, gateway.refused().into_iter().map(|(reason, count)| ([reason.into()], count.into())))?;
    if !all.is_empty() {
        sheet.one(&ENQUEUE, gateway.enqueue.counts())?;
    }
    let forwards = all.iter().flat_map(|([queue, function], it)| {
        let classes = it.forwards.classes().into_iter();
        classes.map(|(class, counts)| ([queue.clone(), function.clone(), class.into()], counts.into()))
    });
    sheet.family(&FORWARD, forwards)?;
    let forwarding = all.iter().filter(|(_, it)| it.forwards.count() + it.forwarding() > 0);
    sheet.family(&FORWARDING, forwarding.map(|(labels, it)| (labels.clone(), it.forwarding().into())))
}

pub(super) fn labels(lane: &LaneKey) -> [String; 2] {
    [lane.queue.to_string(), lane.function.to_string()]
}

fn other(sources: &Sources) -> Option<([String; 2], Arc<Series>)> {
    let other = sources.gateway.functions.other()?;
    Some(([OTHER.into(), OTHER.into()], other))
}
