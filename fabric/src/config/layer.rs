//! What one source says, read by the options' own parsers.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::{Arg, Command};

use super::Variables;
use super::error::Fault;
use super::file::{Entry, Value};
use super::known;
use super::nearest::{ALIKE, nearest};
use super::origin::Origin;
use crate::redact::redacted;

/// What one source says, by the names of the options.
pub(super) type Layer = BTreeMap<String, Setting>;

/// What one source says of one option.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// As they would be given to the flag, one after the other.
    pub(super) values: Vec<OsString>,
    /// Who says so.
    pub(super) origin: Origin,
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct File {
    /// To all commands.
    pub(super) all: Layer,
    /// To one command only.
    pub(super) tables: BTreeMap<String, Layer>,
}

/// What the environment says. Each value is checked when it is its turn: a variable may be meant for another command.
pub(super) fn environment(variables: &Variables, root: &Command) -> Layer {
    let setting = |(key, name): (String, String)| {
        let values = vec![variables.get(&name)?.clone()];
        Some((key, Setting { values, origin: Origin::Environment(name) }))
    };
    known::variables(root).into_iter().filter_map(setting).collect()
}

/// What the file says. It is checked whole, whichever command reads it.
pub(super) fn file(path: &str, entries: Vec<Entry>, root: &Command) -> Result<File, Vec<Fault>> {
    let (mut file, mut faults) = (File::default(), Vec::new());
    for Entry { command, key, line, value } in entries {
        let origin = Origin::File { path: path.to_owned(), line };
        let known = known::of_file(root, command.as_deref());
        let args: Vec<_> = known.iter().filter(|(name, _)| *name == key).map(|(_, arg)| *arg).collect();
        if args.is_empty() {
            let what = unknown(root, command.as_deref(), &key, known.iter().map(|(name, _)| *name));
            faults.push(Fault { at: origin, what });
            continue;
        }
        let read = value.map_err(ToOwned::to_owned).and_then(|value| match refused(&args, &value) {
            Some(what) => Err(what),
            None => Ok(texts(&value)),
        });
        let values = match read {
            Ok(values) => values,
            Err(what) => {
                faults.push(Fault { at: origin, what: format!("{key}: {what}") });
                continue;
            }
        };
        let layer = match command {
            Some(command) => file.tables.entry(command).or_default(),
            None => &mut file.all,
        };
        layer.insert(key, Setting { values, origin });
    }
    if faults.is_empty() { Ok(file) } else { Err(faults) }
}

fn unknown<'a>(root: &'a Command, command: Option<&str>, key: &str, options: impl Iterator<Item = &'a str>) -> String {
    let (unknown, meant) = match command {
        Some(command) => (format!("fabric {command} has no option {key:?}"), nearest(key, options, ALIKE)),
        None => {
            let names = options.chain(known::tables(root).map(Command::get_name));
            (format!("there is no option {key:?}"), nearest(key, names, ALIKE))
        }
    };
    match meant {
        Some(meant) => format!("{unknown}; did you mean {meant:?}?"),
        None => unknown,
    }
}

fn texts(value: &Value) -> Vec<OsString> {
    match value {
        Value::One(text) => vec![text.into()],
        Value::Many(texts) | Value::Named(texts) => texts.iter().map(OsString::from).collect(),
    }
}

/// What one of these, which have the same name in different commands, says against a value.
fn refused(args: &[&Arg], value: &Value) -> Option<String> {
    args.iter().find_map(|arg| shape(arg, value).or_else(|| refusal(arg, &texts(value))))
}

/// What is wrong with the shape of a value.
fn shape(arg: &Arg, value: &Value) -> Option<String> {
    match value {
        Value::Many(_) if !known::is_repeated(arg) => Some("takes one value, not a list".into()),
        Value::Named(_) if !known::is_named(arg) => Some("takes no table".into()),
        Value::One(_) | Value::Many(_) | Value::Named(_) => None,
    }
}

/// What the option's own parser says against these values: the words of the command line.
pub(super) fn refusal(arg: &Arg, values: &[OsString]) -> Option<String> {
    let flag = format!("--{}=", arg.get_long()?);
    let given = values.iter().map(|value| {
        let mut given = OsString::from(&flag);
        given.push(value);
        given
    });
    let alone = Command::new("fabric").no_binary_name(true).arg(arg.clone().required(false));
    let error = alone.try_get_matches_from(given).err()?.render().to_string();
    // What follows the first paragraph is advice for the command line.
    let what = error.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    Some(redacted(&what.split_whitespace().collect::<Vec<_>>().join(" ")))
}
