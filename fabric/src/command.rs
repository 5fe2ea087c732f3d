//! What each command does, and how the process ends.

mod apply;
mod bench;
mod call;
mod change;
mod completions;
mod dead;
mod dev;
mod doctor;
mod function;
mod gateway;
mod health;
mod invoke;
mod key;
mod log;
mod operator;
mod queue;
mod serve;
mod setup;
mod show;
mod tail;
mod terminal;
mod top;
mod tree;
mod watchdog;
mod why;
mod worker;
mod workers;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};

use actors::tree::Ending;

use crate::boot::Running;
use crate::cli::{Cli, Command, Process};
use crate::config::{self, Told, Variables};
use crate::signal::Signals;
use crate::telemetry::Log;

/// Reads what is to be done, does it, and says in the last line why if it failed.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let variables = config::variables();
    let told = match config::read(&arguments, &variables) {
        Ok(told) => told,
        Err(error) => return misunderstood(&error),
    };
    match run(told, &arguments, &variables) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref() {
            Some(error) => misunderstood(error),
            None => {
                // With stderr closed there is nobody to tell; the exit code tells.
                drop(tell(format_args!("fabric: {error:#}")));
                ExitCode::FAILURE
            }
        },
    }
}

/// Says why it was not even begun; clap does so itself, and answers who asked for help.
fn misunderstood(error: &config::Error) -> ExitCode {
    if let config::Error::CommandLine(error) = error {
        error.exit();
    }
    drop(tell(error));
    ExitCode::from(2)
}

fn run(told: Told, arguments: &[OsString], variables: &Variables) -> anyhow::Result<()> {
    let log = Log::start(&told.cli.log, told.cli.log_format)?;
    for stranger in &told.strangers {
        let name = &stranger.name;
        match &stranger.meant {
            Some(meant) => {
                tracing::warn!("{name} is set in the environment, and read by nothing; did you mean {meant}?");
            }
            // Another program's, as a rule: Kubernetes sets FABRIC_PORT and its like where a service is called fabric.
            None => tracing::debug!("{name} is set in the environment, and read by nothing"),
        }
    }
    // Two providers in one process would make rustls panic at its first use: this one is chosen before any.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        bail!("a TLS provider was installed before");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime could not be started")?;
    let Told { cli: Cli { command, config: file, .. }, options, missing, .. } = told;
    runtime.block_on(async {
        match command {
            Command::Process(Process::Dev(args)) => Box::pin(dev::run(args, log)).await,
            Command::Process(Process::Serve(args)) => Box::pin(serve::run(args, log)).await,
            Command::Process(Process::Gateway(args)) => Box::pin(gateway::run(args, log)).await,
            Command::Process(Process::Worker(args)) => Box::pin(worker::run(args, log)).await,
            Command::Process(Process::Watchdog(args)) => Box::pin(watchdog::run(*args)).await,
            Command::Config(args) => show::run(&args, options, missing, arguments, variables),
            Command::Completions(args) => completions::run(&args),
            Command::Operator(operator) => Box::pin(operator::run(operator, file.as_deref(), variables)).await,
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
