//! Variables, options and metrics that files of `deploy/` name are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fabric::cli::SHARED;
use serde_json::Value;
use tests::tool::says_yes;

use super::{deploy, fabric};
use crate::metrics::scrape::metric;

/// What looks like a variable and is the name of a stream.
const STREAMS: [&str; 1] = ["FABRIC_AUDIT"];
/// What looks like a metric and is something else: a claim, a word of a key.
const CLAIMS: [&str; 1] = ["fabric_namespaces"];

/// All files below a folder, but for configurations of NATS, in which names are of streams and users.
fn files(folder: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    all.filter(|it| !it.ends_with("deploy/nats"))
        .flat_map(|it| if it.is_dir() { files(&it) } else { vec![it] })
        .collect()
}

/// Words that begin with `prefix`, in any text.
fn words<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').filter(move |it| it.starts_with(prefix))
}

/// Options of all commands, as their variables are called.
fn variables() -> BTreeSet<String> {
    let told: Value = serde_json::from_str(&says_yes(fabric().args(["config", "--output", "json"]))).unwrap();
    let of_processes = told.as_object().unwrap().values().flat_map(|it| it.as_object().unwrap().keys().cloned());
    let all = of_processes.chain(SHARED.map(ToOwned::to_owned));
    all.map(|it| format!("FABRIC_{}", it.replace('-', "_").to_uppercase())).collect()
}

#[test]
fn what_is_named_is_there() {
    let (variables, mut faults, mut seen) = (variables(), Vec::new(), 0);
    for path in files(&deploy("")) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let unknown = words(&text, "FABRIC_").filter(|it| !variables.contains(*it) && !STREAMS.contains(it));
        faults.extend(unknown.map(|it| format!("{}: {it} is no variable", path.display())));
        let unknown = words(&text, "fabric_").filter(|it| metric(it).is_none() && !CLAIMS.contains(it));
        faults.extend(unknown.map(|it| format!("{}: {it} is no metric", path.display())));
        seen += words(&text, "FABRIC_").count() + words(&text, "fabric_").count();
    }
    assert_eq!(faults, [""; 0]);
    assert!(seen > 50, "only {seen} names were found");
}

#[test]
fn commands_that_the_page_shows_are_there() {
    let page = deploy("../docs/deploy.md");
    let text = std::fs::read_to_string(page).unwrap();
    let shown = text.lines().filter_map(|line| line.strip_prefix("$ fabric "));
    let told = text.split('`').skip(1).step_by(2).filter_map(|it| it.strip_prefix("fabric "));
    let commands: BTreeSet<&str> = shown.chain(told).collect();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        // With this the words before it are read, and nothing is done.
        says_yes(fabric().args(command.split(' ')).arg("--help"));
    }
    let unknown = words(&text, "FABRIC_").filter(|it| !variables().contains(*it));
    assert_eq!(unknown.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn what_is_not_there_is_found() {
    let variables = variables();
    for name in ["FABRIC_ADMIN_KEY_FILE", "FABRIC_ADMIN_LISTEN", "FABRIC_KEY", "FABRIC_GATEWAY", "FABRIC_CONFIG"] {
        assert!(variables.contains(name), "{name}");
    }
    assert!(!variables.contains("FABRIC_ADMIN_KEYFILE"));
    assert_eq!(words("a $FABRIC_X, {FABRIC_Y=\"1\"}", "FABRIC_").collect::<Vec<_>>(), ["FABRIC_X", "FABRIC_Y"]);
}
