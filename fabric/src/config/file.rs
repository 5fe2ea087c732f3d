//! The file: TOML into what it says of which option, and in which line (pure).

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// What is said of one option.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    /// The command whose table it is in, if it is in one.
    pub(super) command: Option<String>,
    /// The option.
    pub(super) key: String,
    /// Where.
    pub(super) line: usize,
    /// What, or why that is nothing that an option could be.
    pub(super) value: Result<Value, &'static str>,
}

/// A value, as text: what it means is known to the option's own parser.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    One(String),
    /// A list, for a flag that may be repeated.
    Many(Vec<String>),
    /// A table, for a flag that is written NAME=VALUE and may be repeated.
    Named(Vec<String>),
}

/// Why the file cannot be read at all.
#[derive(Debug, PartialEq)]
pub(super) struct Flaw {
    pub(super) line: usize,
    pub(super) what: String,
}

/// Reads a file. A table with the name of one of `commands` holds what is said for that command only.
pub(super) fn entries(text: &str, commands: &[&str]) -> Result<Vec<Entry>, Flaw> {
    let line = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    // What the parser would show of the line is left out: it may hold a password.
    let parsed = DeTable::parse(text).map_err(|error| Flaw {
        line: line(error.span().map_or(0, |span| span.start)),
        what: format!("this is not TOML: {}; text needs quotes, as in lease = \"10s\"", error.message()),
    })?;
    let entry = |command: Option<&str>, (key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| Entry {
        command: command.map(ToOwned::to_owned),
        key: key.get_ref().to_string(),
        line: line(key.span().start),
        value: read(value.get_ref()),
    };
    let mut entries = Vec::new();
    for (key, value) in parsed.get_ref() {
        match value.get_ref() {
            DeValue::Table(table) if commands.contains(&key.get_ref().as_ref()) => {
                entries.extend(table.iter().map(|one| entry(Some(key.get_ref()), one)));
            }
            _ => entries.push(entry(None, (key, value))),
        }
    }
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
}

fn read(value: &DeValue<'_>) -> Result<Value, &'static str> {
    Ok(match value {
        DeValue::Array(list) => Value::Many(list.iter().map(|it| scalar(it.get_ref())).collect::<Result<_, _>>()?),
        DeValue::Table(table) => {
            let named = table
                .iter()
                .map(|(name, value)| scalar(value.get_ref()).map(|value| format!("{}={value}", name.get_ref())));
            Value::Named(named.collect::<Result<_, _>>()?)
        }
        one => Value::One(scalar(one)?),
    })
}

fn scalar(value: &DeValue<'_>) -> Result<String, &'static str> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map(|number| number.to_string())
            .map_err(|_| "the number is too large"),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Boolean(yes) => Ok(yes.to_string()),
        DeValue::Datetime(_) => Err("no option is a date"),
        DeValue::Array(_) => Err("a list within another value means nothing here"),
        DeValue::Table(_) => Err("a table within another value means nothing here; a name with a dot needs quotes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Value {
        let mut all = entries(text, &["worker"]).unwrap();
        assert_eq!(all.len(), 1, "{text}");
        all.pop().unwrap().value.unwrap()
    }

    #[test]
    fn every_way_to_write_a_value_becomes_text() {
        let one_of = |text: &str| Value::One(text.into());
        for (text, value) in [
            ("x = \"1h\"", one_of("1h")),
            ("x = 1_000_000", one_of("1000000")),
            ("x = 0x10", one_of("16")),
            ("x = -3", one_of("-3")),
            ("x = 2.5", one_of("2.5")),
            ("x = true", one_of("true")),
            ("x = [\"a\", 2]", Value::Many(vec!["a".into(), "2".into()])),
            ("x = []", Value::Many(vec![])),
            ("x = { b = 2, \"c.d\" = 3 }", Value::Named(vec!["b=2".into(), "c.d=3".into()])),
            ("[x]\nb = 2", Value::Named(vec!["b=2".into()])),
            ("x.b = 2", Value::Named(vec!["b=2".into()])),
        ] {
            assert_eq!(one(text), value, "{text}");
        }
    }

    #[test]
    fn a_table_with_a_commands_name_is_for_that_command() {
        let all =
            entries("\nlease = '5s'\n\n[worker]\nlease = '6s'\n[worker.queue-weight]\na = 1\n", &["worker"]).unwrap();
        let all: Vec<_> = all.iter().map(|it| (it.line, it.command.as_deref(), it.key.as_str())).collect();
        assert_eq!(all, [(2, None, "lease"), (5, Some("worker"), "lease"), (6, Some("worker"), "queue-weight")]);
        assert!(entries("", &[]).unwrap().is_empty());
        assert!(entries("# nothing\n\n", &[]).unwrap().is_empty());
    }

    #[test]
    fn what_no_option_could_be_is_told_and_the_rest_is_read() {
        for (value, why) in [
            ("2026-11-21", "no option is a date"),
            ("[[1]]", "a list within"),
            ("{ resize.acme = 'http://x' }", "a table within"),
            ("999999999999999999999999999999999999999999", "the number is too large"),
        ] {
            let all = entries(&format!("a = 1\nb = {value}\nc = 3"), &[]).unwrap();
            let flaws: Vec<_> = all.iter().filter_map(|it| Some((it.line, *it.value.as_ref().err()?))).collect();
            assert_eq!(all.len(), 3);
            assert!(matches!(flaws.as_slice(), [(2, what)] if what.starts_with(why)), "{value}: {flaws:?}");
        }
    }

    #[test]
    fn what_is_not_toml_is_refused_with_its_line() {
        for (text, line, what) in
            [("a = 1\nb = ", 2, "this is not TOML"), ("a = 1\na = 2", 2, "this is not TOML: duplicate key")]
        {
            let flaw = entries(text, &[]).unwrap_err();
            assert_eq!(flaw.line, line, "{text}");
            assert!(flaw.what.starts_with(what), "{text}: {}", flaw.what);
        }
    }

    #[test]
    fn what_is_not_toml_is_not_shown() {
        let flaw = entries("broker = nats://me:secret@host:4222", &[]).unwrap_err();
        assert!(!flaw.what.contains("secret"), "{}", flaw.what);
    }
}
