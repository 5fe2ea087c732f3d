//! The commands of operators: which is which, and how they answer.

use std::io::{IsTerminal, Write, stdin};
use std::path::Path;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::{apply, call, dead, doctor, function, health, invoke, key, log, queue, setup, tail, top, tree, why};
use crate::cli::{Operator, Output};
use crate::config::Variables;

/// Does it; `file` and `variables` are what tells processes of this machine, if one of those is asked for.
pub(super) async fn run(operator: Operator, file: Option<&Path>, variables: &Variables) -> anyhow::Result<()> {
    match operator {
        Operator::Apply(args) => apply::run(args).await,
        Operator::Function(args) => function::run(args).await,
        Operator::Queue(args) => queue::run(args).await,
        Operator::Call(args) => call::run(args).await,
        Operator::Dead(args) => dead::run(args).await,
        Operator::Key(args) => key::run(args).await,
        Operator::Invoke(args) => invoke::run(args).await,
        Operator::Why(args) => why::run(args).await,
        Operator::Tree(args) => tree::run(args).await,
        Operator::Top(args) => top::run(args).await,
        Operator::Tail(args) => tail::run(args).await,
        Operator::Log(args) => log::run(args).await,
        Operator::Health(args) => health::run(args, file, variables).await,
        Operator::Doctor(args) => doctor::run(args).await,
        Operator::Setup(args) => setup::run(args).await,
    }
}

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
