//! `fabric health`: whether a process is alive, as an exit code.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context;
use serde_json::json;
use url::Url;

use super::terminal;
use crate::cli::{Asked, Command, Config, Health, Process};
use crate::config::{self, Variables};
use crate::operator::health;
use crate::operator::site::Site;

pub(super) async fn run(args: Health, file: Option<&Path>, variables: &Variables) -> anyhow::Result<()> {
    let (url, option) = match args.process {
        Some(process) => of_process(process, file, variables)?,
        None => (args.reach.admin, "--admin"),
    };
    let path = match (args.process, args.ready) {
        (Some(Asked::Watchdog), false) => "/_/health",
        (Some(Asked::Watchdog), true) => "/_/ready",
        (_, false) => "/healthz",
        (_, true) => "/readyz",
    };
    // That is told to everybody: no key is shown.
    let site = Site::new(&url, option, None)?;
    let status = health::ask(&site, path, args.within).await?;
    let (url, status) = (site.url(path), status.as_u16());
    terminal::answer(args.reach.output, &json!({"url": url, "status": status}), |_| format!("{url} answers {status}"))
}

/// Where a process answers that is told by the same variables and the same file, and the option that says so.
fn of_process(process: Asked, file: Option<&Path>, variables: &Variables) -> anyhow::Result<(Url, &'static str)> {
    // As `fabric config` reads it, which does not ask for what else the process must be told.
    let mut words: Vec<OsString> = vec!["fabric".into(), "config".into(), process.name().into()];
    if let Some(file) = file {
        words.extend(["--config".into(), file.into()]);
    }
    let (listens, option) = match config::read(&words, variables)?.cli.command {
        Command::Config(Config { process: Some(process), .. }) => match process {
            Process::Dev(it) => (it.listen.admin_listen, "--admin-listen"),
            Process::Serve(it) => (it.listen.admin_listen, "--admin-listen"),
            Process::Gateway(it) => (it.listen.admin_listen, "--admin-listen"),
            Process::Worker(it) => (it.admin_listen, "--admin-listen"),
            Process::Watchdog(it) => (it.listen, "--listen"),
        },
        _ => anyhow::bail!("fabric {} has no options to read", process.name()),
    };
    let url = format!("http://{}", health::reached(listens));
    Ok((url.parse().with_context(|| format!("{url} is no URL"))?, option))
}
