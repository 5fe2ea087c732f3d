//! Which options there are, and what they take: read off the command line's own definition (pure).

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, Command, CommandFactory, Subcommand};

use crate::cli::{Cli, Operator, SHARED};

/// What the name of a variable begins with.
pub(super) const PREFIX: &str = "FABRIC_";
/// The option that names the file, which is therefore not said in it.
pub(super) const CONFIG: &str = "config";

/// The command line, in which what is said by flags only is marked as having no variable.
pub(super) fn root() -> Command {
    Cli::command().mut_subcommands(|command| match Operator::has_subcommand(command.get_name()) {
        true => with_flags_only(command),
        false => command,
    })
}

fn with_flags_only(command: Command) -> Command {
    let marked = |arg: Arg| match arg.get_long() {
        Some(long) if SHARED.contains(&long) => arg,
        _ => arg.hide_env(true),
    };
    command.mut_args(marked).mut_subcommands(with_flags_only)
}

/// An option that is not said by flags only, and the name that it has in the file, which is its flag's.
pub(super) fn options(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    let told = command.get_arguments().filter(|arg| !arg.is_hide_env_set());
    told.filter_map(|arg| Some((arg.get_long()?, arg)))
}

/// The variable of an option.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('-', "_"))
}

/// The commands that people run.
pub(super) fn commands(root: &Command) -> impl Iterator<Item = &Command> {
    root.get_subcommands().filter(|command| !command.is_hide_set())
}

/// Those of them that have a table in the file.
pub(super) fn tables(root: &Command) -> impl Iterator<Item = &Command> {
    commands(root).filter(|command| !Operator::has_subcommand(command.get_name()))
}

/// The options of a command and of those below it.
fn all(command: &Command) -> Vec<(&str, &Arg)> {
    options(command).chain(commands(command).flat_map(all)).collect()
}

/// The options that may be said in the file: of one command, or of all of them.
pub(super) fn of_file<'a>(root: &'a Command, command: Option<&str>) -> Vec<(&'a str, &'a Arg)> {
    let mut known = match command.and_then(|name| root.find_subcommand(name)) {
        Some(command) => options(root).chain(options(command)).collect(),
        None => all(root),
    };
    // What has the name of a table can be no option there.
    known.retain(|(key, _)| *key != CONFIG && tables(root).all(|command| command.get_name() != *key));
    known
}

/// The variables that are read, by the names of their options.
pub(super) fn variables(root: &Command) -> BTreeMap<String, String> {
    all(root).iter().map(|(key, _)| ((*key).to_owned(), variable(key))).collect()
}

/// Every option of this command and of those below it also shows its variable, and never what is in it: that may be a
/// password.
pub(super) fn with_variables(command: Command) -> Command {
    let named = |arg: Arg| match arg.get_long().map(variable) {
        Some(name) if !arg.is_hide_env_set() => arg.env(name).hide_env_values(true),
        _ => arg,
    };
    command.mut_args(named).mut_subcommands(with_variables)
}

/// The same command, content with what it gets.
pub(super) fn without_requirements(mut command: Command) -> Command {
    let groups: Vec<_> = command.get_groups().map(|group| group.get_id().clone()).collect();
    for group in groups {
        command = command.mut_group(group, |group| group.required(false));
    }
    command.mut_args(|arg| arg.required(false)).mut_subcommands(without_requirements)
}

/// Whether it may be repeated, so that a list does for it.
pub(super) fn is_repeated(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// Whether it is written NAME=VALUE, so that a table does for it.
pub(super) fn is_named(arg: &Arg) -> bool {
    arg.get_value_names().is_some_and(|names| names.iter().any(|name| name.contains('=')))
}

/// The sets of options of which only one may be given.
pub(super) fn alternatives(command: &Command) -> Vec<Vec<&str>> {
    let key = |id: &clap::Id| options(command).find(|(_, arg)| arg.get_id() == id).map(|(key, _)| key);
    let exclusive = command.get_groups().filter(|group| !(*group).clone().is_multiple());
    exclusive.map(|group| group.get_args().filter_map(key).collect()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{file, layer};
    use super::*;

    #[test]
    fn an_option_has_one_name_everywhere() {
        let root = super::root();
        let known: BTreeSet<_> = of_file(&root, None).into_iter().map(|(key, _)| key).collect();
        for key in ["log", "broker", "data-dir", "function", "queue", "queue-weight", "lease", "grace", "rounds"] {
            assert!(known.contains(key), "{key}");
        }
        assert!(!known.contains(CONFIG));
        assert_eq!(variables(&root)[CONFIG], "FABRIC_CONFIG");
        assert_eq!(variables(&root)["queue-weight"], "FABRIC_QUEUE_WEIGHT");
        let with_own = all(&root).into_iter().filter(|(_, arg)| arg.get_env().is_some()).map(|(key, _)| key);
        assert_eq!(
            with_own.collect::<Vec<_>>(),
            [""; 0],
            "a variable follows from the option's name: none is given in cli/"
        );
        assert!(tables(&root).all(|command| !known.contains(command.get_name())), "a table could be either");
    }

    #[test]
    fn what_one_purge_is_about_is_said_by_flags_only() {
        let root = super::root();
        let known: BTreeSet<_> = of_file(&root, None).into_iter().map(|(key, _)| key).collect();
        for key in ["admin", "output"] {
            assert!(known.contains(key), "{key}");
        }
        for key in ["yes", "max", "reason", "if-match", "dry-run", "upstream", "gateway"] {
            assert!(!known.contains(key), "{key}");
        }
        assert_eq!(variables(&root)["gateway"], "FABRIC_GATEWAY", "which no file can say: its table has that name");
        let functions = of_file(&root, None).into_iter().filter(|(key, _)| *key == "function");
        assert!(functions.map(|(_, arg)| is_named(arg)).eq([true, true]), "those of dev, and of `config dev`");
    }

    #[test]
    fn what_an_option_takes_is_read_off_its_definition() {
        let root = super::root();
        let worker = of_file(&root, Some("worker"));
        let arg = |key: &str| worker.iter().find(|(known, _)| *known == key).unwrap().1;
        assert!(is_repeated(arg("queue")) && !is_named(arg("queue")));
        assert!(is_repeated(arg("queue-weight")) && is_named(arg("queue-weight")));
        assert!(!is_repeated(arg("lease")) && !is_named(arg("lease")));
        assert!(worker.iter().any(|(key, _)| *key == "log"));
        assert!(!worker.iter().any(|(key, _)| *key == "listen"));
    }

    #[test]
    fn a_place_is_one_or_the_other() {
        let root = super::root();
        let identity = ["broker-password-file", "broker-token-file", "broker-nkey", "broker-creds"];
        let alternatives = |name: &str| alternatives(root.find_subcommand(name).unwrap());
        assert_eq!(alternatives("worker"), [&["broker", "data-dir"][..], &identity]);
        assert_eq!(alternatives("bench"), [identity]);
    }

    #[test]
    fn help_names_the_variable_of_every_option() {
        let mut command = with_variables(super::root());
        let help = command.find_subcommand_mut("worker").unwrap().render_long_help().to_string();
        for name in ["FABRIC_LEASE", "FABRIC_BROKER", "FABRIC_QUEUE_WEIGHT"] {
            assert!(help.contains(&format!("[env: {name}]")), "{name}");
        }
    }

    /// The example with all that is commented out: prose has a space after the `#`.
    fn example() -> String {
        let text = include_str!("../../../deploy/fabric.toml");
        let lines = text.lines().map(|line| line.strip_prefix('#').filter(|it| !it.starts_with(' ')).unwrap_or(line));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_example_names_every_option_and_its_default() {
        let root = super::root();
        let names: Vec<_> = tables(&root).map(Command::get_name).collect();
        let entries = file::entries(&example(), &names).unwrap();
        let named: BTreeSet<_> = entries.iter().map(|entry| entry.key.as_str()).collect();
        let processes = root.find_subcommand("config").unwrap().get_subcommands();
        let there: BTreeSet<_> = processes.flat_map(options).chain(options(&root)).map(|(key, _)| key).collect();
        let there = there.into_iter().chain(SHARED).filter(|key| ![CONFIG, "gateway"].contains(key));
        assert_eq!(named, there.collect());

        let serve = root.find_subcommand("serve").unwrap();
        for (key, arg) in options(serve).chain(options(&root)) {
            let Some(default) = arg.get_default_values().first() else { continue };
            let entry = entries.iter().find(|entry| entry.key == key && entry.command.is_none()).unwrap();
            assert_eq!(entry.value, Ok(file::Value::One(default.to_str().unwrap().into())), "{key}");
        }
        layer::file("fabric.toml", entries, &root).unwrap();
    }
}
