//! What OpenFaaS's dashboards and scalers look at, under the names that it has there.

use std::collections::BTreeMap;
use std::fmt;

use actors::directory::Directory;
use actors::meter::Series;
use actors::meter::histogram::Counts;
use proto::record::State;
use proto::{Function, LaneKey};

use super::Sources;
use super::catalogue::{
    FUNCTION_IN_FLIGHT, FUNCTION_INVOCATIONS, FUNCTION_SECONDS, FUNCTION_STARTED, GATEWAY_RECONNECTS, PENDING,
    PROCESSED, SERVICE_COUNT, SUBMITTED, TARGET_LOAD, WORKER_IN_FLIGHT, WORKER_RECONNECTS,
};
use super::gateway::{OTHER, labels};
use super::sheet::Sheet;

/// What a label of a function says of how it is scaled.
const SCALE_TYPE: &str = "com.openfaas.scale.type";
const SCALE_TARGET: &str = "com.openfaas.scale.target";
/// What it is scaled by if nothing is said, and to what.
const USUAL_TYPE: &str = "rps";
const USUAL_TARGET: f64 = 50.0;

/// Requests to one function.
#[derive(Default)]
struct Requests {
    codes: BTreeMap<u16, Counts>,
    in_flight: u64,
}

impl Requests {
    fn add(&mut self, codes: impl Iterator<Item = (u16, Counts)>, in_flight: u64) {
        for (code, counts) in codes {
            let all = self.codes.entry(code).or_default();
            *all = std::mem::take(all).and(&counts);
        }
        self.in_flight += in_flight;
    }

    fn started(&self) -> u64 {
        self.codes.values().map(Counts::count).sum::<u64>() + self.in_flight
    }
}

pub(super) fn write(sources: &Sources, directory: &Directory, sheet: &mut Sheet<'_>) -> fmt::Result {
    let lanes = sources.meter.lanes.all();
    let (mut processed, mut submitted) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, u64>::new());
    let mut requests = BTreeMap::<String, Requests>::new();
    for (lane, it) in &lanes {
        *processed.entry(lane.queue.to_string()).or_default() += ended(it);
        requests.entry(lane.function.to_string()).or_default().add(it.invoke.iter(), it.in_flight());
    }
    let functions = sources.gateway.functions.all();
    for (lane, it) in &functions {
        *submitted.entry(lane.queue.to_string()).or_default() += it.accepted.get();
        if it.forwards.count() + it.forwarding() > 0 {
            requests.entry(lane.function.to_string()).or_default().add(it.forwards.iter(), it.forwarding());
        }
    }
    if let Some(other) = sources.meter.lanes.other() {
        *processed.entry(OTHER.into()).or_default() += ended(&other);
        requests.entry(OTHER.into()).or_default().add(other.invoke.iter(), other.in_flight());
    }
    if let Some(other) = sources.gateway.functions.other() {
        *submitted.entry(OTHER.into()).or_default() += other.accepted.get();
        requests.entry(OTHER.into()).or_default().add(other.forwards.iter(), other.forwarding());
    }

    let pending = lanes.iter().filter_map(|(lane, it)| Some((labels(lane), it.backlog.get()?.into())));
    sheet.family(&PENDING, pending)?;
    sheet.family(&PROCESSED, processed.into_iter().map(|(queue, count)| ([queue], count.into())))?;
    sheet.family(&SUBMITTED, submitted.into_iter().map(|(queue, count)| ([queue], count.into())))?;
    sheet.family(&WORKER_IN_FLIGHT, lanes.iter().map(|(lane, it)| (labels(lane), it.in_flight().into())))?;
    let reconnects = (sources.connection)().reconnects;
    sheet.one(&WORKER_RECONNECTS, reconnects)?;

    let codes = || requests.iter().flat_map(|(name, it)| it.codes.iter().map(move |(code, it)| (name, code, it)));
    let labelled = |name: &String, code: &u16| [name.clone(), code.to_string()];
    sheet.family(&FUNCTION_INVOCATIONS, codes().map(|(name, code, it)| (labelled(name, code), it.count().into())))?;
    sheet.family(&FUNCTION_SECONDS, codes().map(|(name, code, it)| (labelled(name, code), it.clone().into())))?;
    sheet.family(&FUNCTION_STARTED, requests.iter().map(|(name, it)| ([name.clone()], it.started().into())))?;
    sheet.family(&FUNCTION_IN_FLIGHT, requests.iter().map(|(name, it)| ([name.clone()], it.in_flight.into())))?;

    let named = lanes.iter().map(|(lane, _)| lane).chain(functions.iter().map(|(lane, _)| lane));
    let named: BTreeMap<String, &Function> =
        named.map(|LaneKey { function, .. }| (function.to_string(), function)).collect();
    sheet.family(&SERVICE_COUNT, named.keys().map(|name| ([name.clone()], 1.into())))?;
    let targets = named.iter().filter_map(|(name, function)| {
        let labels = directory.get(function)?.deployment.open().labels;
        let by = labels.get(SCALE_TYPE).map_or(USUAL_TYPE, String::as_str);
        let target = labels.get(SCALE_TARGET).and_then(|it| it.parse().ok()).unwrap_or(USUAL_TARGET);
        Some(([name.clone(), by.into()], target.into()))
    });
    sheet.family(&TARGET_LOAD, targets)?;
    sheet.one(&GATEWAY_RECONNECTS, reconnects)
}

fn ended(series: &Series) -> u64 {
    let ends = [State::Succeeded, State::Failed, State::Dead, State::Cancelled, State::Expired];
    ends.into_iter().map(|end| series.ends(end)).sum()
}
