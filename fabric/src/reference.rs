//! The reference of the book, held against the code: what follows the mark in a page is written from here.

use std::path::Path;

/// What ends the part of a page that people write, and says how the rest is written.
const MARK: &str =
    "<!-- What follows is written from the code: FABRIC_WRITE_DOCS=1 cargo test -p fabric reference -->\n";

/// Fails unless the rest of `docs/reference/<page>` is `text`; with `FABRIC_WRITE_DOCS=1` it is from then on.
pub(crate) fn held(page: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(page);
    let found = std::fs::read_to_string(&path).unwrap();
    let (before, _) = found.split_once(MARK).unwrap_or_else(|| panic!("{page} does not have the line {MARK}"));
    let expected = format!("{before}{MARK}\n{text}");
    if std::env::var_os("FABRIC_WRITE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    assert!(
        found == expected,
        "docs/reference/{page} is not what the code says; this writes it anew:\n\
         FABRIC_WRITE_DOCS=1 cargo test -p fabric reference"
    );
}

/// A cell of a table: a line, in which nothing ends the cell, and nothing but code is marked up.
pub(crate) fn cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let part = |(n, part): (usize, &str)| if n % 2 == 0 { part.replace('*', "\\*") } else { part.to_owned() };
    line.split('`').enumerate().map(part).collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use serde_json::Value;

    use super::*;

    #[test]
    fn headers_are_those_that_are_read_and_written() {
        let mut text = String::from("| header | what it says |\n|---|---|\n");
        for (name, says) in proto::header::ALL {
            writeln!(text, "| `{name}` | {} |", cell(says)).unwrap();
        }
        held("headers.md", &text);
    }

    #[test]
    fn the_admin_api_is_what_its_document_says() {
        let document: Value = serde_json::from_str(crate::admin::DOCUMENT).unwrap();
        let mut text = String::from("| request | scope | what it does |\n|---|---|---|\n");
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in ["get", "post", "put", "patch", "delete"] {
                let Some(operation) = methods.get(method) else { continue };
                let scopes = operation["security"][0]["key"].as_array();
                let scopes: Vec<_> = scopes.into_iter().flatten().filter_map(Value::as_str).collect();
                let summary = cell(operation["summary"].as_str().unwrap());
                let method = method.to_uppercase();
                writeln!(text, "| `{method} /admin/v1{path}` | {} | {summary} |", scopes.join(", ")).unwrap();
            }
        }
        held("http.md", &text);
    }
}
