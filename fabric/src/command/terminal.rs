//! How operators' commands speak with whoever runs them.

use std::io::{IsTerminal, Write, stdin};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::cli::Output;

/// An answer, for programs or for people.
pub(super) fn answer(output: Output, answer: &Value, human: impl FnOnce(&Value) -> String) -> anyhow::Result<()> {
    match output {
        Output::Json => super::say(format_args!("{answer:#}")),
        Output::Table => super::say(human(answer)),
    }
}

/// A list; people are told if there is more of it.
pub(super) fn list(
    output: Output,
    (items, more): (Vec<Value>, bool),
    human: impl FnOnce(&[Value]) -> String,
) -> anyhow::Result<()> {
    match output {
        Output::Json => super::say(format_args!("{:#}", Value::Array(items))),
        Output::Table => {
            super::say(human(&items))?;
            if more { super::tell("there are more: say how many with --limit") } else { Ok(()) }
        }
    }
}

/// Asks whether to go on. Where nobody can be asked, it must have been said.
pub(super) fn confirmed(what: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !stdin().is_terminal() {
        bail!("{what}: say --yes if that is meant");
    }
    write!(std::io::stderr(), "{what}. Go on? [y/N] ").context("stderr cannot be written to")?;
    let mut said = String::new();
    stdin().read_line(&mut said).context("stdin cannot be read")?;
    if matches!(said.trim(), "y" | "Y" | "yes") { Ok(()) } else { bail!("nothing was done") }
}

/// How far long work is, on a terminal.
pub(super) fn progress(count: u64) -> ProgressBar {
    let bar = ProgressBar::new(count);
    match ProgressStyle::with_template("{wide_bar} {pos} of {len}, {eta} to go") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
