//! Two ways that take turns: each posts a part of the calls and waits until they have run, again and again.
//!
//! What a busy machine does to one turn it does to the one beside it, so the ratio of the two says what their rates alone
//! would not. Who is first changes with every pair.

use std::time::Duration;

use anyhow::Context;
use tokio::time::Instant;

use super::{CONNECTIONS, Fabric, PATIENCE, path};
use crate::bench::caller;
use crate::bench::child::Child;
use crate::bench::function::once_each;
use crate::bench::place::Place;

/// How many pairs of turns there are in a round. Spans are sent up to 200 ms after their calls: a turn is to be longer.
pub(super) const PAIRS: usize = 4;

/// The function that is called.
const FUNCTION: &str = "f";
/// How many calls are made of which nothing is told.
const WARM_UP: usize = 64;

/// A gateway and a worker that has nothing else to do.
pub(super) struct Whole<'a> {
    place: &'a Place,
    fabric: Fabric<'a>,
    worker: Child,
}

impl<'a> Whole<'a> {
    /// Starts both with these arguments.
    pub(super) async fn start(place: &'a Place, prefix: &'a str, args: &[&'a str]) -> anyhow::Result<Self> {
        let fabric = Fabric::start(place, prefix, args).await?;
        fabric.gateway.register(FUNCTION, &place.function.url(0), &[]).await?;
        let worker = fabric.worker(&[]).await?;
        Ok(Self { place, fabric, worker })
    }

    /// The two processes.
    pub(super) fn processes(&self) -> [&Child; 2] {
        [&self.fabric.gateway, &self.worker]
    }

    /// Some calls of which nothing is told.
    pub(super) async fn warm_up(&self) -> anyhow::Result<()> {
        self.calls(WARM_UP).await?;
        Ok(())
    }

    /// How many calls there are in a turn.
    pub(super) fn turn_len(&self) -> usize {
        (self.place.calls / PAIRS).max(1)
    }

    /// A turn: calls that are accepted and run in a second.
    pub(super) async fn turn(&self) -> anyhow::Result<f64> {
        let count = self.turn_len();
        Ok(count as f64 / self.calls(count).await?.as_secs_f64())
    }

    /// From the first of so many calls to the last that ran; fails if one ran twice.
    async fn calls(&self, count: usize) -> anyhow::Result<Duration> {
        let began = Instant::now();
        caller::post_all(&self.fabric.gateway.public, &[path(FUNCTION)], 0..count, CONNECTIONS).await?;
        let hits = self.place.function.reached(count, PATIENCE).await?;
        self.place.function.forget();
        once_each(&hits)?;
        let last = hits.iter().map(|hit| hit.began).max().context("nothing ran")?;
        Ok(last.duration_since(began))
    }

    /// Ends the worker; the gateway ends with this.
    pub(super) async fn kill(self) -> anyhow::Result<()> {
        self.worker.kill().await
    }
}
