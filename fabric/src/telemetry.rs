//! What the process says about itself: logs, on stderr.

use std::io::{IsTerminal, stderr};

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging by `filter`.
///
/// The NATS client tells the same things twice, once by itself and once through us.
/// ractor's own spans are left out: an actor's span lives as long as the actor and would become the parent of
/// everything.
///
/// # Errors
/// When the filter cannot be read, or logging was started before.
pub fn start(filter: &str) -> anyhow::Result<()> {
    let filter = parse(&format!("{filter},ractor=off,async_nats=warn")).map_err(anyhow::Error::msg)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal());
    tracing_subscriber::registry().with(filter).with(lines).try_init().context("logging could not be started")
}

/// Reads a filter.
///
/// # Errors
/// Why it is none.
pub fn parse(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(filter).map_err(|error| format!("{error}; write info, or info,fabric::jetstream=debug"))
}
