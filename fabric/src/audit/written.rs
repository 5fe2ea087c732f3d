//! How a change is written (pure): so that a terminal shows it as it is, and so that a message holds it.

use serde_json::{Value, json};

/// How much is left of a text where there is not room for all, in bytes.
const TEXT_LEN_MAX: usize = 256;

/// A change that somebody made.
pub(super) struct Change<'a> {
    pub(super) who: &'a str,
    pub(super) from: &'a str,
    pub(super) what: &'a str,
    pub(super) before: &'a Value,
    pub(super) after: &'a Value,
}

impl Change<'_> {
    /// JSON of no more than `len_max` bytes, which says so if it is not all.
    pub(super) fn message(&self, len_max: usize) -> String {
        let whole = json!({
            "who": self.who, "from": self.from, "what": self.what, "before": self.before, "after": self.after,
        });
        let cut = |mut less: Value| {
            if let Value::Object(fields) = &mut less {
                fields.insert("cut".into(), true.into());
            }
            plain(&less)
        };
        let whole_text = plain(&whole);
        if whole_text.len() <= len_max {
            return whole_text;
        }
        let less = cut(shortened(&whole));
        if less.len() <= len_max {
            return less;
        }
        // Too many fields, or fields with names that are too long. A byte of a text may be six in JSON.
        let (room, short) = (len_max / 32, len_max / 64);
        let text = |value: &Value| beginning(&value.to_string(), room);
        cut(json!({
            "who": beginning(self.who, short),
            "from": self.from,
            "what": beginning(self.what, short),
            "before": text(self.before),
            "after": text(self.after),
        }))
    }
}

/// JSON in which nothing is left that a terminal would take for an order, or show in another place than where it stands.
pub(super) fn plain(value: &Value) -> String {
    let text = value.to_string();
    let mut plain = String::with_capacity(text.len());
    for char in text.chars() {
        let is_plain = if char.is_ascii() { char != '\u{7f}' } else { char.escape_debug().len() == 1 };
        if is_plain {
            plain.push(char);
            continue;
        }
        // It is part of a string, as all is that is not ASCII.
        for unit in char.encode_utf16(&mut [0; 2]) {
            plain.push_str(&format!("\\u{unit:04x}"));
        }
    }
    plain
}

fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) => beginning(text, TEXT_LEN_MAX).into(),
        Value::Array(all) => all.iter().map(shortened).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), shortened(value))).collect())
        }
        other => other.clone(),
    }
}

/// As many bytes of a text, and how many there are if that is not all.
fn beginning(text: &str, len_max: usize) -> String {
    if text.len() <= len_max {
        return text.to_owned();
    }
    // A letter is of four bytes at the most.
    let kept = (0..4).find_map(|less| text.get(..len_max.saturating_sub(less))).unwrap_or_default();
    format!("{kept}… (cut: {} bytes in all)", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(before: &Value, after: &Value, len_max: usize) -> Value {
        let change = Change { who: "key k1 (ci)", from: "::1", what: "put function f.acme", before, after };
        let text = change.message(len_max);
        assert!(text.len() <= len_max, "{} > {len_max}", text.len());
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_change_that_fits_is_told_whole() {
        let told = message(&Value::Null, &json!({"labels": {"a": "b".repeat(3000)}}), 4096);
        assert_eq!((told["after"]["labels"]["a"].as_str().unwrap().len(), told.get("cut")), (3000, None));
    }

    #[test]
    fn a_change_that_does_not_fit_is_told_cut_and_never_left_out() {
        let long = |fill: &str| json!({"service": "f", "labels": {"a": fill.repeat(600 * 1024)}});
        let told = message(&long("x"), &long("y"), 1024 * 1024);
        assert_eq!((&told["cut"], &told["after"]["service"]), (&json!(true), &json!("f")));
        let label = told["after"]["labels"]["a"].as_str().unwrap();
        assert!(label.starts_with("yyy") && label.ends_with("(cut: 614400 bytes in all)"), "{label}");
        // Whatever it is made of.
        for fill in ["\u{7f}", "\"", "\\", "\u{1}", "é", "\u{202e}", "\u{e0001}", "\u{9b}"] {
            let fields: serde_json::Map<_, _> =
                (0..20_000).map(|n| (format!("{n}{}", fill.repeat(20)), fill.repeat(9).into())).collect();
            let fields = json!({ "labels": fields });
            for len_max in [8 * 1024, 64 * 1024, 1024 * 1024] {
                let told = message(&fields, &fields, len_max);
                assert_eq!((&told["cut"], &told["what"]), (&json!(true), &json!("put function f.acme")), "{fill:?}");
                assert!(told["before"].as_str().unwrap().starts_with("{\"labels\""), "{fill:?}");
            }
        }
        let who = "\u{7f}".repeat(64 * 1024);
        let change = Change { who: &who, from: "", what: &who, before: &fields_of(&who), after: &fields_of(&who) };
        assert!(change.message(64 * 1024).len() <= 64 * 1024);
    }

    fn fields_of(name: &str) -> Value {
        json!({ name: name })
    }

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        let value = json!({"a": "\u{9b}2J\u{7f}\u{85}\u{2028}\u{202e}\u{1b}[0m\u{e0001}\u{feff}", "grüße": "日本 ✓"});
        let text = plain(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value, "it says the same");
        for escaped in
            ["\\u009b2J", "\\u007f", "\\u0085", "\\u2028", "\\u202e", "\\u001b[0m", "\\udb40\\udc01", "\\ufeff"]
        {
            assert!(text.contains(escaped), "{escaped} in {text}");
        }
        assert!(text.contains("grüße") && text.contains("日本 ✓"), "{text}");
        assert!(text.chars().all(|char| !char.is_control()), "{text}");
    }
}
