//! The pages about commands and options, written from the command line's own definition.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::{Arg, Command, Subcommand};

use super::known;
use crate::cli::Operator;
use crate::reference::{cell, held};

/// What a command or an option is for, as its help says it.
fn help(text: Option<&clap::builder::StyledStr>) -> String {
    cell(&text.map(ToString::to_string).unwrap_or_default())
}

fn default(arg: &Arg) -> String {
    let values = arg.get_default_values().iter().filter(|_| arg.get_action().takes_values());
    values.map(|value| format!("`{}`", value.to_string_lossy())).collect::<Vec<_>>().join(", ")
}

/// What it says, and the words that it takes, if it takes no others.
fn says(arg: &Arg) -> String {
    let says = help(arg.get_long_help().or(arg.get_help()));
    let words = arg.get_possible_values().into_iter().filter(|word| !word.is_hide_set());
    let words: Vec<_> = words.map(|word| format!("`{}`", word.get_name())).collect();
    match arg.get_action().takes_values() && !words.is_empty() {
        true => format!("{says}. One of {}", words.join(", ")),
        false => says,
    }
}

/// As it stands on a command line.
fn written(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let value = if arg.get_action().takes_values() {
        names.iter().map(|name| format!(" {name}")).collect()
    } else {
        String::new()
    };
    match (arg.get_long(), arg.get_short()) {
        (Some(long), Some(short)) => format!("-{short}, --{long}{value}"),
        (Some(long), None) => format!("--{long}{value}"),
        (None, _) => names.join(" "),
    }
}

/// Whether an option is shown with its command: some are every command's.
fn is_own(key: &str) -> bool {
    !["help", "version", "log", "log-format", "config"].contains(&key)
}

/// The commands below one. Those of `config` are those that it is about.
fn below(command: &Command) -> impl Iterator<Item = &Command> {
    known::commands(command).filter(|it| it.get_name() != "help" && command.get_name() != "config")
}

/// A command that is built, then those below it.
fn command(text: &mut String, command: &mut Command) {
    let usage = command.render_usage().to_string();
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    writeln!(text, "## {name}\n\n{}.\n", help(command.get_long_about().or(command.get_about()))).unwrap();
    for line in usage.trim_start_matches("Usage:").lines() {
        writeln!(text, "    {}", line.trim()).unwrap();
    }
    text.push('\n');
    let of_file: Vec<_> = known::options(command).map(|(key, _)| key).filter(|key| is_own(key)).collect();
    let is_here = |arg: &&Arg| {
        let key = arg.get_long().unwrap_or_default();
        !arg.is_hide_set() && is_own(key) && !of_file.contains(&key)
    };
    let rows: Vec<_> = command.get_arguments().filter(is_here).collect();
    if !rows.is_empty() {
        text.push_str("| argument | default | what it says |\n|---|---|---|\n");
        for arg in rows {
            writeln!(text, "| `{}` | {} | {} |", cell(&written(arg)), default(arg), says(arg)).unwrap();
        }
        text.push('\n');
    }
    if !of_file.is_empty() {
        let flags: Vec<_> = of_file.iter().map(|key| format!("`--{key}`")).collect();
        writeln!(text, "[Options](config.md): {}.\n", flags.join(", ")).unwrap();
    }
    let names: Vec<_> = below(command).map(|it| it.get_name().to_owned()).collect();
    for name in names {
        self::command(text, command.find_subcommand_mut(&name).unwrap());
    }
}

#[test]
fn the_command_line_is_as_it_is_defined() {
    let mut root = known::root();
    root.build();
    let mut text = String::new();
    let names: Vec<_> = below(&root).map(|it| it.get_name().to_owned()).collect();
    for name in names {
        command(&mut text, root.find_subcommand_mut(&name).unwrap());
    }
    held("cli.md", &format!("{}\n", text.trim_end()));
}

#[test]
fn the_options_are_those_that_are_defined() {
    let root = known::root();
    let mut options = Options::new();
    add("all", &root, &mut options);
    for command in below(&root) {
        add_all(command.get_name(), command, &mut options);
    }
    let mut text = String::from("| option | default | of | what it says |\n|---|---|---|---|\n");
    for ((key, default, says), of) in options {
        writeln!(text, "| `{key}` | {default} | {} | {says} |", of.join(", ")).unwrap();
    }
    held("config.md", &text);
}

/// An option, its default and what it says, and the commands that have it so.
type Options = BTreeMap<(String, String, String), Vec<String>>;

fn add(name: &str, command: &Command, options: &mut Options) {
    for (key, arg) in known::options(command) {
        options.entry((key.to_owned(), default(arg), says(arg))).or_default().push(name.to_owned());
    }
}

/// Adds the options of a command and of those below it: what all those below one have is told once.
fn add_all(name: &str, command: &Command, options: &mut Options) {
    add(name, command, options);
    let is_of_operators = Operator::has_subcommand(name);
    for command in below(command).filter(|_| !is_of_operators) {
        add_all(&format!("{name} {}", command.get_name()), command, options);
    }
}
