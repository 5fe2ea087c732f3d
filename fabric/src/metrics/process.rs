//! What is told of the process itself: its place in the fabric, and what it takes of the machine.

use std::fmt;

use actors::directory::Directory;
use actors::membership::Serves;

use super::Sources;
use super::catalogue::{
    BUILD, CONNECTED, DRAIN_REMAINING, DRAINING, FUNCTIONS, OVERFLOWS, PERMITS, PERMITS_FREE, PERMITS_WAITING,
    PROCESSES, READY, RECONNECTS, RESTARTS, SPANS,
};
use super::sheet::Sheet;

pub(super) fn write(sources: &Sources, directory: &Directory, sheet: &mut Sheet<'_>) -> fmt::Result {
    let (meter, connection) = (&sources.meter, (sources.connection)());
    if let Some(capacity) = meter.capacity() {
        let (permits, free) = capacity.count();
        sheet.one(&PERMITS, u64::from(permits))?;
        sheet.one(&PERMITS_FREE, u64::from(free))?;
        let mut queues: Vec<_> = meter.lanes.all().into_iter().map(|(lane, _)| lane.queue).collect();
        queues.dedup();
        let waiting = queues.iter().map(|queue| ([queue.to_string()], u64::from(capacity.of_queue(queue).0).into()));
        sheet.family(&PERMITS_WAITING, waiting)?;
    }
    let restarts = [("child", &meter.child_restarts), ("subscriber", &meter.subscriber_restarts)];
    sheet.family(&RESTARTS, restarts.map(|(part, count)| ([part.into()], count.get().into())))?;
    sheet.one(&DRAINING, meter.is_draining())?;
    sheet.one(&DRAIN_REMAINING, if meter.is_draining() { meter.in_flight() } else { 0 })?;
    sheet.one(&READY, *sources.ready.borrow())?;
    sheet.one(&CONNECTED, connection.is_up)?;
    sheet.one(&RECONNECTS, connection.reconnects)?;
    sheet.one(&FUNCTIONS, directory.count() as u64)?;
    let membership = sources.membership.borrow().clone();
    let gateways = membership.iter().filter(|(_, member)| member.gateway).count();
    let workers = membership.iter().filter(|(_, member)| member.serves != Serves::Nothing).count();
    let roles = [("gateway", gateways), ("worker", workers)];
    sheet.family(&PROCESSES, roles.map(|(role, count)| ([role.into()], (count as u64).into())))?;
    sheet.one(&OVERFLOWS, meter.lanes.refused() + sources.gateway.functions.refused())?;
    let spans = &sources.spans;
    let became = [("sent", spans.sent()), ("dropped", spans.dropped()), ("lost", spans.lost())];
    sheet.family(&SPANS, became.map(|(outcome, count)| ([outcome.into()], count.into())))?;
    sheet.family(&BUILD, [([env!("CARGO_PKG_VERSION").into()], 1.into())])?;
    machine(sheet)
}

/// Of a kernel that does not tell, nothing is told.
#[cfg(not(target_os = "linux"))]
fn machine(_: &mut Sheet<'_>) -> fmt::Result {
    Ok(())
}

#[cfg(target_os = "linux")]
fn machine(sheet: &mut Sheet<'_>) -> fmt::Result {
    use super::catalogue::{CPU, MAX_FDS, OPEN_FDS, RESIDENT, STARTED, THREADS, VIRTUAL};

    let process = match procfs::process::Process::myself() {
        Ok(process) => process,
        Err(error) => {
            tracing::debug!(%error, "the kernel does not tell of this process");
            return Ok(());
        }
    };
    if let Ok(stat) = process.stat() {
        let tick = procfs::ticks_per_second() as f64;
        sheet.one(&CPU, (stat.utime + stat.stime) as f64 / tick)?;
        sheet.one(&RESIDENT, stat.rss * procfs::page_size())?;
        sheet.one(&VIRTUAL, stat.vsize)?;
        sheet.one(&THREADS, u64::try_from(stat.num_threads).unwrap_or_default())?;
        if let Ok(booted) = procfs::boot_time_secs() {
            sheet.one(&STARTED, booted as f64 + stat.starttime as f64 / tick)?;
        }
    }
    if let Ok(count) = process.fd_count() {
        sheet.one(&OPEN_FDS, count as u64)?;
    }
    if let Ok(limits) = process.limits()
        && let procfs::process::LimitValue::Value(most) = limits.max_open_files.soft_limit
    {
        sheet.one(&MAX_FDS, most)?;
    }
    Ok(())
}
