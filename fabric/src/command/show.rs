//! `fabric config`: what is in force, and who says so.

use std::ffi::OsString;

use clap::CommandFactory;
use serde_json::Value;

use crate::cli::{Cli, Config, Output};
use crate::config::{self, Effective, Error, Variables};

/// Shows it for the command that was named, or for each of them.
pub(super) fn run(
    args: &Config,
    options: Vec<Effective>,
    missing: Option<clap::Error>,
    arguments: &[OsString],
    variables: &Variables,
) -> anyhow::Result<()> {
    let all = match &args.process {
        Some(process) => vec![(process.name().to_owned(), options)],
        None => of_each(arguments, variables)?,
    };
    match args.output {
        Output::Table => {
            let tables = all.iter().map(|(name, options)| format!("fabric {name}\n\n{}", config::table(options)));
            super::say(tables.collect::<Vec<_>>().join("\n\n"))?;
        }
        Output::Json => {
            let members = all.iter().map(|(name, options)| (name.clone(), config::json(options)));
            super::say(format_args!("{:#}", Value::Object(members.collect())))?;
        }
    }
    // What is shown is right as far as it goes, but the command would not start.
    missing.map_or(Ok(()), |error| Err(Error::CommandLine(error).into()))
}

fn of_each(arguments: &[OsString], variables: &Variables) -> Result<Vec<(String, Vec<Effective>)>, Error> {
    let command = Cli::command();
    let processes = command.find_subcommand("config").into_iter().flat_map(clap::Command::get_subcommands);
    let one = |process: &clap::Command| {
        let arguments: Vec<_> = arguments.iter().cloned().chain([process.get_name().into()]).collect();
        Ok((process.get_name().to_owned(), config::read(&arguments, variables)?.options))
    };
    processes.map(one).collect()
}
