//! The watchdog's end: nobody is sent away who was let in.
//!
//! 1. Unhealthy at once, so that whoever sends requests looks for somebody else; until he has had the time to notice
//!    (`healthcheck_interval`), they are still taken.
//! 2. No new connections; what runs goes on, for as long as the grace is.
//! 3. The function's process is asked to end: not before, it has the requests.
//!
//! A second signal goes to the end of each of them.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::{Error, ended};
use super::health::Health;
use super::slots::Slots;
use super::upstream::Upstream;
use crate::listener;
use crate::signal::Signals;

/// How often it is said how many requests still run.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// How long it may take to answer the requests that the function has died of.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);
/// As good as without an end.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What serves, and has to end.
pub(super) struct Life {
    pub(super) signals: Signals,
    /// The function's process, if there is one for all requests.
    pub(super) upstream: Option<Upstream>,
    pub(super) server: JoinSet<Result<(), listener::Error>>,
    /// Ends the server, by a deadline.
    pub(super) drain: watch::Sender<Option<Instant>>,
    pub(super) slots: Slots,
    pub(super) health: Health,
    /// Processes of single requests.
    pub(super) tasks: TaskTracker,
    /// Says that processes are not waited for any longer.
    pub(super) hurry: CancellationToken,
}

/// What came in between.
enum Event {
    Over,
    Signal(&'static str),
    Upstream(io::Result<ExitStatus>),
    Server(Option<Result<Result<(), listener::Error>, JoinError>>),
}

impl Life {
    /// Serves until it is asked to end, and drains.
    ///
    /// # Errors
    /// When the function's process or the server ended by itself.
    pub(super) async fn serve(&mut self, interval: Duration, grace: Option<Duration>) -> Result<(), Error> {
        let event = self.until(std::future::pending::<()>()).await;
        let Event::Signal(signal) = event else { return self.broken(event).await };
        self.health.end();
        tracing::info!(
            signal,
            running = self.slots.running(),
            "asked to end: unhealthy from now on, requests are still taken for {interval:?}"
        );
        match self.until(sleep(interval)).await {
            Event::Over => self.drain(grace).await,
            Event::Signal(signal) => {
                self.cut(signal);
                Ok(())
            }
            event => self.broken(event).await,
        }
    }

    /// Finishes what runs.
    async fn drain(&mut self, grace: Option<Duration>) -> Result<(), Error> {
        let (now, most) =
            (Instant::now(), grace.map_or_else(|| "as long as it takes".into(), |it| format!("at most {it:?}")));
        self.drain.send_replace(Some(now + grace.unwrap_or(FOREVER).min(FOREVER)));
        tracing::info!(running = self.slots.running(), "no new connections: draining, for {most}");
        let mut ticks = interval_at(now + TOLD_EVERY, TOLD_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match self.until(ticks.tick()).await {
                Event::Over => tracing::info!(running = self.slots.running(), "draining"),
                Event::Signal(signal) => {
                    self.cut(signal);
                    return Ok(());
                }
                // It may, if it has nothing to do any more.
                Event::Upstream(Ok(status)) if self.slots.running() == 0 => {
                    tracing::info!(%status, "the function's process has ended by itself");
                }
                event @ Event::Upstream(_) => return self.broken(event).await,
                Event::Server(Some(Ok(served))) => return Ok(served?),
                Event::Server(Some(Err(error))) => return Err(error.into()),
                Event::Server(None) => return Ok(()),
            }
        }
    }

    /// Ends what runs, and not by waiting for it.
    fn cut(&mut self, signal: &'static str) {
        tracing::warn!(signal, running = self.slots.running(), "asked to end again: what runs is cut off");
        self.hurry.cancel();
        self.server.abort_all();
    }

    /// Something ended that was to go on: those who wait are told, and that is all.
    async fn broken(&mut self, event: Event) -> Result<(), Error> {
        self.health.end();
        let error = match event {
            Event::Upstream(status) => ended(status),
            Event::Server(Some(Err(error))) => error.into(),
            Event::Server(Some(Ok(Err(error)))) => error.into(),
            Event::Server(Some(Ok(Ok(()))) | None) | Event::Over | Event::Signal(_) => return Ok(()),
        };
        tracing::error!(%error, running = self.slots.running(), "no new connections");
        self.drain.send_replace(Some(Instant::now() + ANSWERED_WITHIN));
        while self.server.join_next().await.is_some() {}
        Err(error)
    }

    /// Waits, unless something comes in between.
    async fn until(&mut self, over: impl Future) -> Event {
        let Self { signals, upstream, server, .. } = self;
        let upstream_ended = async {
            match upstream {
                Some(process) => process.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            signal = signals.next() => Event::Signal(signal),
            served = server.join_next() => Event::Server(served),
            status = upstream_ended => Event::Upstream(status),
            _ = over => Event::Over,
        }
    }

    /// Ends all processes, and says that it is over.
    pub(super) async fn close(mut self) {
        self.health.end();
        self.server.shutdown().await;
        self.tasks.close();
        if self.slots.running() > 0 {
            tracing::warn!(running = self.slots.running(), "the processes of these requests are ended");
        }
        let Self { signals, upstream, tasks, hurry, .. } = &mut self;
        let ended = async {
            tasks.wait().await;
            if let Some(upstream) = upstream {
                upstream.end(hurry).await;
            }
        };
        let hurried = async {
            let signal = signals.next().await;
            tracing::warn!(signal, "asked to end again: processes are killed");
            hurry.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = ended => {}
            () = hurried => {}
        }
        tracing::info!(running = self.slots.running(), "exiting");
    }
}
