//! What each command does, and how the process ends.

mod bench;
mod dev;
mod gateway;
mod serve;
mod worker;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;

use actors::tree::Ending;

use crate::boot::Running;
use crate::cli::{Cli, Command};
use crate::signal::Signals;
use crate::telemetry;

/// Reads the command line, runs the command, and says in the last line why if it failed.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With stderr closed there is nobody to tell; the exit code tells.
            drop(writeln!(std::io::stderr(), "fabric: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    telemetry::start(&cli.log)?;
    // Two providers in one process would make rustls panic at its first use: this one is chosen before any.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        bail!("a TLS provider was installed before");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime could not be started")?;
    runtime.block_on(async {
        match cli.command {
            Command::Dev(args) => dev::run(args).await,
            Command::Serve(args) => serve::run(args).await,
            Command::Gateway(args) => gateway::run(args).await,
            Command::Worker(args) => worker::run(args).await,
            Command::Bench(args) => bench::run(args).await,
            Command::BenchLoop(args) => bench::run_loop(args).await,
            Command::BenchServer => bench::run_server().await,
        }
    })
}

/// Runs until the tree ends: by itself, or drained by a signal.
async fn until_the_end(mut running: Running) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("signals cannot be listened for")?;
    let ending = loop {
        tokio::select! {
            ending = &mut running.ending => break ending,
            name = signals.next() => {
                tracing::info!(signal = name, "asked to end");
                running.tree.drain();
            }
        }
    };
    running.close().await;
    match ending {
        Ok(Ending::Drained) => {
            tracing::info!("drained");
            Ok(())
        }
        Ok(Ending::Failed(cause)) => bail!("{cause}; giving up"),
        Err(_) => bail!("the root of the supervision tree panicked; giving up"),
    }
}

/// A line for people, on stderr.
fn tell(line: impl std::fmt::Display) -> anyhow::Result<()> {
    writeln!(std::io::stderr(), "{line}").context("stderr cannot be written to")
}

/// A line for people or scripts, on stdout.
fn say(line: impl std::fmt::Display) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("stdout cannot be written to")
}
