//! `fabric watchdog`: a program as a function.

use std::time::Duration;

use clap::CommandFactory;
use clap::error::ErrorKind;

use crate::cli::{Cli, Watchdog, WatchdogMode};
use crate::config;
use crate::watchdog::limits::Timeouts;
use crate::watchdog::lines::Lines;
use crate::watchdog::program::Program;
use crate::watchdog::settings::{Mode, Settings};

pub(super) async fn run(args: Watchdog) -> anyhow::Result<()> {
    let settings = settings(args)?;
    Ok(crate::watchdog::run(settings, super::say).await?)
}

fn settings(args: Watchdog) -> anyhow::Result<Settings> {
    // Beside a command, the text is the environment's or the file's.
    let program = match args.what.process {
        Some(text) if args.what.command.is_empty() => Program::parse(&text)?,
        _ => Program::new(args.what.command)?,
    };
    let mode = match (args.mode, args.upstream_url) {
        (WatchdogMode::Streaming, _) => Mode::Exec { whole: false },
        (WatchdogMode::Serializing, _) => Mode::Exec { whole: true },
        (WatchdogMode::Http, Some(upstream)) => Mode::Http { upstream, whole: args.buffer_body },
        (WatchdogMode::Http, None) => {
            let what = "mode http needs --upstream-url (FABRIC_UPSTREAM_URL, upstream_url): where the program serves, \
                        such as http://127.0.0.1:3000";
            let error = Cli::command().error(ErrorKind::MissingRequiredArgument, what);
            return Err(config::Error::CommandLine(error).into());
        }
    };
    let limit = |timeout: Duration| (!timeout.is_zero()).then_some(timeout);
    let write = limit(args.write_timeout.unwrap_or(args.exec_timeout));
    let timeouts =
        Timeouts { exec: limit(args.exec_timeout), read: limit(args.read_timeout.unwrap_or(args.exec_timeout)), write };
    Ok(Settings {
        listen: args.listen,
        metrics_listen: args.metrics_listen,
        program: program.found()?,
        mode,
        timeouts,
        healthcheck_interval: args.healthcheck_interval,
        grace: args.grace.or(write),
        max_inflight: args.max_inflight,
        ready_path: args.ready_path,
        lock_file: args.lock_file,
        content_type: args.content_type,
        lines: Lines { prefixed: args.prefix_logs, longest: args.log_buffer_size, function: None },
    })
}
