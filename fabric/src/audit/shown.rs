//! What is told of something that was changed: all of it but its secrets (pure).

use actors::port::control::Record;
use serde_json::{Map, Value};

use crate::redact::anonymous;

/// Stands for what is not told.
const HIDDEN: &str = "***";
/// Parts of names of what is not told. Too much rather than too little.
const SECRET: [&str; 5] = ["secret", "password", "token", "hash", "authorization"];
/// What holds what the function's owner keeps in its environment, which may be anything.
const ENVIRONMENT: &str = "envVars";

/// A record, whoever's.
pub(super) fn record(record: &Record) -> Value {
    // Every record is JSON.
    serde_json::to_value(record).unwrap_or_default()
}

pub(super) fn shown(value: &Value) -> Value {
    match value {
        Value::String(text) => anonymous(text).into(),
        Value::Array(all) => all.iter().map(shown).collect(),
        Value::Object(fields) => Value::Object(fields.iter().map(field).collect()),
        other => other.clone(),
    }
}

fn field((name, value): (&String, &Value)) -> (String, Value) {
    let is_secret = SECRET.iter().any(|part| name.to_ascii_lowercase().contains(part));
    let value = match value {
        Value::Object(fields) if name == ENVIRONMENT => {
            Value::Object(fields.keys().map(|name| (name.clone(), HIDDEN.into())).collect::<Map<_, _>>())
        }
        // Lists of names of secrets say nothing that is one.
        Value::String(_) if is_secret => HIDDEN.into(),
        value => shown(value),
    };
    (name.clone(), value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_left_out_and_nothing_else() {
        let told = shown(&json!({
            "service": "f",
            "envVars": {"DB_URL": "x", "LEVEL": "debug"},
            "annotations": {"fabric.upstream": "http://me:word@f:8080", "fabric.signing-secret": "x", "n": "5"},
            "secrets": ["db-password"],
            "hash": "00",
            "replicas": 1,
        }));
        assert_eq!(
            told,
            json!({
                "service": "f",
                "envVars": {"DB_URL": "***", "LEVEL": "***"},
                "annotations": {"fabric.upstream": "http://***@f:8080", "fabric.signing-secret": "***", "n": "5"},
                "secrets": ["db-password"],
                "hash": "***",
                "replicas": 1,
            })
        );
    }
}
