//! `fabric completions`: what makes a shell complete commands, flags and values.

use clap::{Command, CommandFactory};

use crate::cli::{Cli, Completions};

pub(super) fn run(args: &Completions) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut visible(&Cli::command()), "fabric", &mut script);
    super::say(String::from_utf8(script)?.trim_end())
}

/// The command line without the commands that nobody types, which the scripts would offer.
fn visible(command: &Command) -> Command {
    Command::new(command.get_name().to_owned())
        .version(command.get_version().map(ToOwned::to_owned).unwrap_or_default())
        .propagate_version(true)
        .args(command.get_arguments().cloned())
        .subcommands(command.get_subcommands().filter(|command| !command.is_hide_set()).cloned())
}
