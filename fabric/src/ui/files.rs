//! The files of the dashboard, each with its type and its tag.

use std::sync::LazyLock;

use http::HeaderValue;
use uuid::Uuid;

/// A file as it is served.
pub(super) struct File {
    /// Its path below the dashboard's.
    pub(super) name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) bytes: &'static [u8],
    /// What it is known by in a browser: made of its bytes.
    pub(super) tag: HeaderValue,
}

/// Names and bytes, as they are in the program.
macro_rules! embedded {
    ($($name:literal),* $(,)?) => { &[$(($name, include_bytes!(concat!("../../ui/", $name)))),*] };
}

const EMBEDDED: &[(&str, &[u8])] = embedded![
    "app.js",
    "icon.svg",
    "index.html",
    "data/api.js",
    "data/clock.js",
    "data/live.js",
    "data/place.js",
    "data/series.js",
    "dom/h.js",
    "dom/morph.js",
    "page/all.js",
    "page/call.js",
    "page/cells.js",
    "page/dead.js",
    "page/function.js",
    "page/functions.js",
    "page/letter.js",
    "page/overview.js",
    "page/queue.js",
    "page/queues.js",
    "page/tree.js",
    "page/workers.js",
    "part/badge.js",
    "part/body.js",
    "part/branch.js",
    "part/card.js",
    "part/chart.js",
    "part/confirm.js",
    "part/fields.js",
    "part/icon.js",
    "part/limits.js",
    "part/meter.js",
    "part/pager.js",
    "part/spark.js",
    "part/state.js",
    "part/table.js",
    "part/time.js",
    "part/timeline.js",
    "part/toast.js",
    "shell/bar.js",
    "shell/door.js",
    "shell/nav.js",
    "shell/pulse.js",
    "shell/screen.js",
    "shell/search.js",
    "shell/theme.js",
    "style/base.css",
    "style/card.css",
    "style/chart.css",
    "style/control.css",
    "style/dialog.css",
    "style/shell.css",
    "style/table.css",
    "style/timeline.css",
    "style/tokens.css",
    "style/tree.css",
    "text/format.js",
    "text/words.js",
];

pub(super) static FILES: LazyLock<Vec<File>> =
    LazyLock::new(|| EMBEDDED.iter().map(|(name, bytes)| file(name, bytes)).collect());

fn file(name: &'static str, bytes: &'static [u8]) -> File {
    let content_type = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let tag = format!("\"{}\"", Uuid::new_v5(&Uuid::NAMESPACE_OID, bytes).simple());
    // Hexadecimal digits in quotes are always a header value.
    let tag = HeaderValue::from_str(&tag).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
    File { name, content_type, bytes, tag }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};

    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("ui")
    }

    fn below(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
    }

    fn texts() -> BTreeMap<&'static str, &'static str> {
        FILES.iter().map(|file| (file.name, std::str::from_utf8(file.bytes).unwrap())).collect()
    }

    #[test]
    fn every_file_is_in_the_program_and_has_a_type() {
        let there = below(&root());
        let there: BTreeSet<_> =
            there.iter().map(|path| path.strip_prefix(root()).unwrap().to_str().unwrap()).collect();
        assert_eq!(there, FILES.iter().map(|file| file.name).collect());
        assert!(FILES.iter().all(|file| file.content_type != "application/octet-stream"));
        let tags: BTreeSet<_> = FILES.iter().map(|file| file.tag.as_bytes()).collect();
        assert_eq!(tags.len(), FILES.len(), "no two are alike");
    }

    #[test]
    fn each_is_short_and_says_what_it_is() {
        for (name, text) in texts() {
            assert!(text.lines().count() <= 250, "{name} is usually two ideas");
            let begins = if name.ends_with(".js") { "// " } else { "/* " };
            assert!(text.starts_with(begins) || !name.ends_with("js") && !name.ends_with("css"), "{name}");
        }
    }

    /// The policy forbids all of this as well; a browser would say so only when it comes to it.
    #[test]
    fn nothing_makes_markup_of_text_or_asks_another_host() {
        let bad = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "https://",
            "style=",
        ];
        for (name, text) in texts() {
            for word in bad {
                assert!(!text.contains(word) || (name == "dom/h.js" && word == "style="), "{name} has {word}");
            }
            let hosts = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!hosts.contains("http://"), "{name} names a host");
        }
    }

    #[test]
    fn what_is_imported_is_there() {
        let texts = texts();
        for (name, text) in &texts {
            let imports =
                text.lines().filter(|line| line.starts_with("import ")).filter_map(|line| line.split('"').nth(1));
            for import in imports {
                let path = root().join(Path::new(name).parent().unwrap()).join(import);
                assert!(path.exists(), "{name} imports {import}");
            }
        }
        let page = texts["index.html"];
        let linked = page.split('"').filter(|it| texts.contains_key(it)).count();
        assert_eq!(
            linked,
            2 + texts.keys().filter(|name| name.ends_with(".css")).count(),
            "the styles, the icon, app.js"
        );
    }
}
