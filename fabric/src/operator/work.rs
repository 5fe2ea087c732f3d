//! Long work in steps that are short enough to tell how far it is.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::sleep;

use super::api::{Api, Condition, Query};
use super::site::Error;

/// How much is done in a step where nothing is said about the pace.
const STEP: u64 = 250;
/// More than there can be.
const ALL: u64 = u32::MAX as u64;

/// What is to be done with everything that matches.
#[derive(Clone, Debug)]
pub struct Work {
    /// How the admin API is asked for it.
    pub method: Method,
    /// Where.
    pub path: String,
    /// What matches.
    pub query: Query,
    /// How many a second, at the most.
    pub rate: Option<f64>,
    /// How many, at the most.
    pub max: Option<u64>,
}

/// What was done.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Tally {
    /// How many.
    pub done: u64,
    /// How many were left although they match.
    pub left: u64,
    /// Which, and why: the first of them.
    #[serde(default)]
    pub why_left: Vec<Value>,
    /// Whether there may be more that match.
    #[serde(default)]
    pub more: bool,
}

impl Work {
    /// How much there is to do; nothing is done.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn count(&self, api: &Api) -> Result<Tally, Error> {
        self.step(api, self.query.clone().flag("dry_run", true), self.max.unwrap_or(ALL)).await
    }

    /// Does as much as `count` found, and tells after each step how much that was: what comes meanwhile is left, so that
    /// what dies again at once is not taken back for ever.
    ///
    /// # Errors
    /// [`Error`]; what was done before stays done.
    pub async fn run(&self, api: &Api, count: u64, told: impl Fn(u64)) -> Result<Tally, Error> {
        let mut all = Tally::default();
        let step = self.rate.map_or(STEP, |rate| rate.clamp(1.0, STEP as f64) as u64);
        let pause = self.rate.and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok()).unwrap_or_default();
        loop {
            let wanted = count.saturating_sub(all.done).min(step);
            let query = self.query.clone().with("rate", self.rate);
            let tally = self.step(api, query, wanted).await?;
            all = Tally { done: all.done + tally.done, ..tally };
            told(all.done);
            if all.done >= count || tally.done == 0 || !all.more {
                return Ok(all);
            }
            sleep(pause).await;
        }
    }

    async fn step(&self, api: &Api, query: Query, max: u64) -> Result<Tally, Error> {
        let query = query.with("max", Some(max));
        let (body, _) = api.ask(self.method.clone(), &self.path, &query, &Condition::None, None).await?;
        let strange = |_| api.site().strange(&self.path, http::StatusCode::OK);
        serde_json::from_value(body).map_err(strange)
    }
}
