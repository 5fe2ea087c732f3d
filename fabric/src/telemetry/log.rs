//! Logs: lines for people or for machines, by a filter that is changed while the process runs.

use std::fmt;
use std::io::{IsTerminal, stderr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use clap::ValueEnum;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt as lines, reload};

/// What holds unless a filter says otherwise of just that.
///
/// Who changed what is told however quiet the log is. The NATS client tells the same things twice, once by itself and once
/// through us; while it cannot connect, at every try. ractor's own spans are left out: an actor's span lives as long as
/// the actor and would become the parent of everything.
const DEFAULTS: &str = "fabric::audit=info,ractor=off,async_nats=warn,async_nats::connector=off";

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
    parse(&format!("{DEFAULTS},{filter}"))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Which of some lines are written by a filter.
    fn written(filter: &str) -> String {
        let page = Page::default();
        let writer = page.clone();
        let lines = lines::layer().with_writer(move || writer.clone()).without_time().with_ansi(false);
        let registry = tracing_subscriber::registry().with(lines.with_filter(complete(filter).unwrap()));
        tracing::subscriber::with_default(registry, || {
            tracing::info!(target: "fabric::audit", "changed");
            tracing::info!(target: "fabric::other", "noted");
            tracing::debug!(target: "async_nats", "chatted");
            tracing::error!(target: "async_nats::connector", "repeated");
            tracing::error!(target: "ractor", "spanned");
        });
        let written = page.0.lock().unwrap().clone();
        let words = String::from_utf8(written).unwrap();
        words.lines().filter_map(|line| line.split(' ').next_back()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn changes_are_told_however_quiet_the_log_is() {
        assert_eq!(written("info"), "changed noted");
        assert_eq!(written("warn"), "changed");
        assert_eq!(written("fabric=error"), "changed");
        assert_eq!(written("off"), "changed");
        assert_eq!(written("info,fabric::audit=off"), "noted", "unless somebody says just that");
    }

    #[test]
    fn a_library_speaks_if_it_is_asked_by_its_name() {
        assert_eq!(written("debug"), "changed noted");
        assert_eq!(written("info,async_nats=debug"), "changed noted chatted");
        assert_eq!(written("info,async_nats::connector=error,ractor=error"), "changed noted repeated spanned");
    }
}
