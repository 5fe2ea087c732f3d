//! `GET /metrics`: what this process counts, as Prometheus reads it.
//!
//! | file | what |
//! |---|---|
//! | [`catalogue`] | every metric, once: its name, its labels, what it says |
//! | [`sheet`] | one exposition while it is written |
//! | [`format`] | which of the formats a scraper asks for |
//! | [`calls`], [`gateway`], [`process`] | what is told of calls that run, of those that come in, and of the process |
//! | [`openfaas`] | the same under the names that OpenFaaS's dashboards and scalers know |
//!
//! A scrape reads numbers that are there: it asks no actor and no broker, and walks no more functions than have series
//! of their own.

mod calls;
pub mod catalogue;
pub mod format;
mod gateway;
mod openfaas;
mod process;
mod sheet;

use std::fmt;
use std::sync::Arc;

use actors::directory::Directory;
use actors::membership::Membership;
use actors::meter::Meter;
use actors::port::Clock;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use self::format::Format;
use self::sheet::Sheet;
use crate::gateway::answer::{self, Answer};
use crate::telemetry::traces::tally::Tally;

/// How the connection to the broker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Whether there is one.
    pub is_up: bool,
    /// How often it was made again.
    pub reconnects: u64,
}

/// Where the numbers come from.
#[derive(Clone)]
pub struct Sources {
    /// What is counted of calls that run.
    pub meter: Arc<Meter>,
    /// What is counted of those that come in.
    pub gateway: Arc<crate::gateway::meter::Meter>,
    /// The functions.
    pub directory: watch::Receiver<Arc<Directory>>,
    /// Who is alive.
    pub membership: watch::Receiver<Arc<Membership>>,
    /// Whether this process wants to be sent requests.
    pub ready: watch::Receiver<bool>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// What became of spans.
    pub spans: Arc<Tally>,
    /// How the connection to the broker is.
    pub connection: Arc<dyn Fn() -> Connection + Send + Sync>,
}

/// The metrics of a process; clones share everything.
#[derive(Clone)]
pub struct Metrics(Arc<Registry>);

impl Metrics {
    /// Those that come from `sources`.
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(sources));
        Self(Arc::new(registry))
    }

    /// Answers a scrape, in the format that its headers ask for.
    pub async fn answer(&self, headers: &HeaderMap) -> Answer {
        let (format, registry) = (Format::asked_for(headers), self.0.clone());
        // Thousands of lines take milliseconds: calls do not wait behind them.
        let written = tokio::task::spawn_blocking(move || format.write(&registry)).await;
        let written = written.map_err(anyhow::Error::from).and_then(|written| written);
        match written {
            Ok(text) => {
                let mut answer = answer::bytes(StatusCode::OK, text.into());
                answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
                answer
            }
            Err(error) => {
                tracing::error!(%error, "the metrics could not be written");
                answer::empty(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet::new(encoder);
        let directory = self.directory.borrow().clone();
        let is_there = |lane: &proto::LaneKey| directory.get(&lane.function).is_some() || !directory.current;
        self.meter.lanes.sweep(is_there);
        self.gateway.functions.sweep(is_there);
        gateway::write(self, &mut sheet)?;
        calls::write(self, &mut sheet)?;
        openfaas::write(self, &directory, &mut sheet)?;
        process::write(self, &directory, &mut sheet)
    }
}
