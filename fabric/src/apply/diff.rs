//! What is different between two records (pure).

use std::fmt;

use serde_json::{Map, Value};

/// One field that is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its path.
    pub field: String,
    /// What is there, if anything is.
    pub before: Option<Value>,
    /// What is to be there, if anything is.
    pub after: Option<Value>,
}

/// Every field that is different, in order.
#[must_use]
pub fn between(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Difference> {
    let mut differences = Vec::new();
    compare("", before, after, &mut differences);
    differences
}

fn compare(path: &str, before: &Map<String, Value>, after: &Map<String, Value>, differences: &mut Vec<Difference>) {
    let empty = Map::new();
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let field = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (before.get(name), after.get(name)) {
            (before, after) if before == after => {}
            (Some(Value::Object(before)), Some(Value::Object(after))) => compare(&field, before, after, differences),
            (Some(Value::Object(before)), None) => compare(&field, before, &empty, differences),
            (None, Some(Value::Object(after))) => compare(&field, &empty, after, differences),
            (before, after) => {
                differences.push(Difference { field, before: before.cloned(), after: after.cloned() });
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, before, after } = self;
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        match (before.as_ref().map(text), after.as_ref().map(text)) {
            (Some(before), Some(after)) => write!(f, "~ {field}: {before} → {after}"),
            (Some(before), None) => write!(f, "- {field}: {before}"),
            (None, after) => write!(f, "+ {field}: {}", after.unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_field_that_is_different_is_a_line() {
        let before = json!({"a": {"x": "1", "y": "2"}, "b": [1], "same": "s"});
        let after = json!({"a": {"x": "3", "z": "4"}, "c": {"d": "5"}, "same": "s"});
        let lines = between(before.as_object().unwrap(), after.as_object().unwrap());
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["~ a.x: 1 → 3", "- a.y: 2", "+ a.z: 4", "- b: [1]", "+ c.d: 5"]);
    }
}
