//! Logs: lines for people or for machines, by a filter that is changed while the process runs.

use std::fmt;
use std::io::{IsTerminal, stderr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use clap::ValueEnum;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt as lines, reload};

/// The NATS client tells the same things twice, once by itself and once through us; while it cannot connect, at every try. ractor's own spans are left out: an
/// actor's span lives as long as the actor and would become the parent of everything.
const QUIET: &str = "ractor=off,async_nats=warn,async_nats::connector=off";

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Console,
    /// For machines: an object for each line.
    Json,
}

/// What is logged; clones are the same.
#[derive(Clone)]
pub struct Log {
    filter: Arc<Mutex<String>>,
    change: reload::Handle<EnvFilter, Registry>,
}

impl Log {
    /// Starts logging by `filter`.
    ///
    /// # Errors
    /// When the filter cannot be read, or logging was started before.
    pub fn start(filter: &str, format: LogFormat) -> anyhow::Result<Self> {
        let (layer, change) = reload::Layer::new(complete(filter).map_err(anyhow::Error::msg)?);
        let lines = lines::layer().with_writer(stderr).with_ansi(stderr().is_terminal());
        let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
            LogFormat::Console => lines.boxed(),
            LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
        };
        let registry = tracing_subscriber::registry().with(lines.with_filter(layer));
        registry.try_init().context("logging could not be started")?;
        Ok(Self { filter: Arc::new(Mutex::new(filter.to_owned())), change })
    }

    /// What is logged.
    #[must_use]
    pub fn filter(&self) -> String {
        // Nothing panics while it holds the lock.
        self.filter.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on, this is.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn set(&self, filter: &str) -> Result<(), String> {
        let read = complete(filter)?;
        let mut now = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
        self.change.reload(read).map_err(|error| error.to_string())?;
        filter.clone_into(&mut now);
        Ok(())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("filter", &self.filter()).finish_non_exhaustive()
    }
}

/// Reads a filter.
///
/// # Errors
/// Why it is none.
pub fn parse(filter: &str) -> Result<EnvFilter, String> {
    if filter.trim().is_empty() {
        return Err("a filter is not empty; write info, or info,fabric::jetstream=debug".into());
    }
    EnvFilter::try_new(filter).map_err(|error| format!("{error}; write info, or info,fabric::jetstream=debug"))
}

fn complete(filter: &str) -> Result<EnvFilter, String> {
    parse(filter)?;
    parse(&format!("{filter},{QUIET}"))
}
