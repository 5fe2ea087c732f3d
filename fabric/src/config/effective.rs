//! What is in force, and who says so: for people, and for programs.

use clap::{ArgMatches, Command};
use serde_json::{Value, json};

use super::choice::{Chosen, is_given};
use super::known;
use super::origin::Origin;
use crate::redact::shown;
use crate::table;

/// What is in force for one option.
#[derive(Debug)]
pub struct Effective {
    /// The option: its flag's name.
    pub key: String,
    /// Its values as they were written, without passwords.
    pub values: Vec<String>,
    /// Whether it may have several.
    pub is_repeated: bool,
    /// Who says so.
    pub origin: Origin,
}

/// What is in force for the options of a command.
pub(super) fn effective(command: &Command, matches: &ArgMatches, chosen: &Chosen<'_>) -> Vec<Effective> {
    let one = |(key, arg): (&str, &clap::Arg)| {
        let raw = matches.get_raw(arg.get_id().as_str()).into_iter().flatten();
        let values: Vec<_> = raw.map(|value| shown(key, &value.to_string_lossy())).collect();
        let origin = match chosen.get(key) {
            _ if is_given(command, matches, key) => Origin::Flag(format!("--{key}")),
            Some(setting) => setting.origin.clone(),
            None if values.is_empty() => Origin::Absent,
            None => Origin::Default,
        };
        Effective { key: key.to_owned(), values, is_repeated: known::is_repeated(arg), origin }
    };
    known::options(command).map(one).collect()
}

/// A line for each option.
#[must_use]
pub fn table(options: &[Effective]) -> String {
    let row = |it: &Effective| vec![it.key.clone(), it.values.join(", "), it.origin.to_string()];
    table::table(&["OPTION", "VALUE", "SOURCE"], &options.iter().map(row).collect::<Vec<_>>())
}

/// An object with a member for each option.
#[must_use]
pub fn json(options: &[Effective]) -> Value {
    let member = |it: &Effective| {
        let value = match it.values.as_slice() {
            all if it.is_repeated => json!(all),
            [] => Value::Null,
            [one, ..] => json!(one),
        };
        let at = match &it.origin {
            Origin::Default | Origin::Absent => Value::Null,
            somewhere => json!(somewhere.to_string()),
        };
        (it.key.clone(), json!({"value": value, "source": it.origin.kind(), "at": at}))
    };
    Value::Object(options.iter().map(member).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Vec<Effective> {
        let option = |key: &str, values: &[&str], is_repeated, origin| Effective {
            key: key.into(),
            values: values.iter().map(|it| (*it).into()).collect(),
            is_repeated,
            origin,
        };
        vec![
            option("lease", &["5s"], false, Origin::Flag("--lease".into())),
            option("queue-weight", &["a=1", "b=2"], true, Origin::File { path: "f.toml".into(), line: 3 }),
            option("grace", &[], false, Origin::Absent),
            option("prefix", &["fabric"], false, Origin::Default),
        ]
    }

    #[test]
    fn people_get_columns() {
        let expected = "\
OPTION        VALUE     SOURCE
lease         5s        --lease
queue-weight  a=1, b=2  f.toml:3
grace                   absent
prefix        fabric    default";
        assert_eq!(table(&options()), expected);
    }

    #[test]
    fn programs_get_members() {
        let expected = json!({
            "lease": {"value": "5s", "source": "flag", "at": "--lease"},
            "queue-weight": {"value": ["a=1", "b=2"], "source": "file", "at": "f.toml:3"},
            "grace": {"value": null, "source": "absent", "at": null},
            "prefix": {"value": "fabric", "source": "default", "at": null},
        });
        assert_eq!(json(&options()), expected);
    }
}
