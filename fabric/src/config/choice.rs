//! Which source is heard for which option of a command.

use std::collections::BTreeMap;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::error::Fault;
use super::known;
use super::layer::{self, Layer, Setting};
use super::origin::Origin;

/// What was chosen for a command: by the name of each option of which somebody says something.
pub(super) type Chosen<'a> = BTreeMap<String, &'a Setting>;

/// Chooses among `layers`, the strongest first, for the options of which no flag is `given`.
///
/// Of options that exclude each other only those are heard of which the strongest source speaks, flags included; it may
/// speak of one.
pub(super) fn choose<'a>(
    command: &Command,
    given: &ArgMatches,
    layers: &[&'a Layer],
) -> Result<Chosen<'a>, Vec<Fault>> {
    let rank = |key: &str| {
        if is_given(command, given, key) {
            return Some(0);
        }
        layers.iter().position(|layer| layer.contains_key(key)).map(|at| at + 1)
    };
    let mut ranks: BTreeMap<&str, usize> =
        known::options(command).filter_map(|(key, _)| Some((key, rank(key)?))).collect();
    let mut faults = Vec::new();
    for keys in known::alternatives(command) {
        let Some(strongest) = keys.iter().filter_map(|key| ranks.get(key)).min().copied() else { continue };
        ranks.retain(|key, rank| !keys.contains(key) || *rank == strongest);
        faults.extend(strongest.checked_sub(1).and_then(|at| ambiguity(layers.get(at)?, &keys)));
    }
    let mut chosen = Chosen::new();
    for (key, arg) in known::options(command) {
        let Some(at) = ranks.get(key).and_then(|rank| rank.checked_sub(1)) else { continue };
        let Some(setting) = layers.get(at).and_then(|layer| layer.get(key)) else { continue };
        match layer::refusal(arg, &setting.values) {
            Some(what) => faults.push(Fault { at: setting.origin.clone(), what }),
            None => drop(chosen.insert(key.to_owned(), setting)),
        }
    }
    if faults.is_empty() { Ok(chosen) } else { Err(faults) }
}

/// Whether there is a flag.
pub(super) fn is_given(command: &Command, given: &ArgMatches, key: &str) -> bool {
    let source = known::options(command)
        .find(|(known, _)| *known == key)
        .and_then(|(_, arg)| given.value_source(arg.get_id().as_str()));
    source == Some(ValueSource::CommandLine)
}

/// What is wrong if a source speaks of more than one of `keys`.
fn ambiguity(layer: &Layer, keys: &[&str]) -> Option<Fault> {
    let mut said = keys.iter().filter_map(|key| Some((key, &layer.get(*key)?.origin)));
    let ((other, first), (key, at)) = (said.next()?, said.next()?);
    let what = match first {
        Origin::File { line, .. } => {
            format!("{key} cannot be set beside {other}, which is set at line {line}; only one of {}", keys.join(", "))
        }
        _ => format!("cannot be set beside {first}; only one of them"),
    };
    Some(Fault { at: at.clone(), what })
}

/// Makes what was chosen the defaults of a command: clap then gives a flag the last word, and asks for nothing that is
/// chosen.
pub(super) fn as_defaults(mut command: Command, chosen: &Chosen<'_>) -> Command {
    let ids: Vec<_> = known::options(&command)
        .filter_map(|(key, arg)| Some((arg.get_id().clone(), chosen.get(key)?.values.clone())))
        .collect();
    for (id, values) in ids {
        let groups: Vec<_> = command
            .get_groups()
            .filter(|group| group.get_args().any(|arg| *arg == id))
            .map(|group| group.get_id().clone())
            .collect();
        for group in groups {
            command = command.mut_group(group, |group| group.required(false));
        }
        command = command.mut_arg(id, |arg| arg.required(false).default_values(values));
    }
    command
}
