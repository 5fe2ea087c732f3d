//! Style as a test: what the architecture promises, read off the sources.

mod cycles;

use std::path::Path;
use std::process::Command;

/// What is wrong with a source.
type Rule = fn(&Source) -> Vec<String>;

/// A file and its text.
struct Source {
    path: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let args = ["ls-files", "--cached", "--others", "--exclude-standard", "--", "*.rs", "*.toml"];
    let listed = Command::new("git").args(args).current_dir(root).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let sources: Vec<_> = listed
        .lines()
        .filter(|path| root.join(path).exists())
        .map(|path| Source { path: path.into(), text: std::fs::read_to_string(root.join(path)).unwrap() })
        .collect();
    assert!(sources.len() > 50, "only {} sources were found", sources.len());
    sources
}

/// Checks every source; fails with all that is wrong.
fn check(rule: impl Fn(&Source) -> Vec<String>) {
    let sources = sources();
    let faults: Vec<_> = sources
        .iter()
        .flat_map(|source| rule(source).into_iter().map(|fault| format!("{}: {fault}", source.path)))
        .collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// The code of a source, without its tests and comments: what is for tests only is one item, or the rest of the file.
fn code(source: &Source) -> String {
    let mut parts = source.text.split("#[cfg(test)]");
    let mut code = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_short = |item: &str| item.trim_start().starts_with("use ") || !item.contains('{');
        let Some((item, rest)) = part.split_once(';').filter(|(item, _)| is_short(item)) else { break };
        code.push_str(&item.replace(|letter| letter != '\n', ""));
        code.push_str(rest);
    }
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Words that a source under `folder` must not contain.
fn forbid(source: &Source, folder: &str, words: &[&str]) -> Vec<String> {
    if !source.path.starts_with(folder) || !source.path.ends_with(".rs") {
        return Vec::new();
    }
    let code = code(source);
    words.iter().filter(|word| code.contains(**word)).map(|word| format!("must not use {word}")).collect()
}

fn length(source: &Source) -> Vec<String> {
    const LINES_MAX: usize = 450;
    let lines = source.text.lines().count();
    if source.path.ends_with(".rs") && lines > LINES_MAX {
        vec![format!("{lines} lines are usually two ideas; at most {LINES_MAX}")]
    } else {
        Vec::new()
    }
}

fn layers(source: &Source) -> Vec<String> {
    let mut faults = forbid(
        source,
        "proto/src",
        &["tokio", "ractor", "hyper", "async_nats", "std::fs", "std::net", "SystemTime::now", "rand::"],
    );
    faults.extend(forbid(source, "actors/src", &["async_nats", "hyper", "redb", "std::fs", "std::env", "std::net"]));
    const PARTS: [&str; 5] = ["gateway", "invoke", "jetstream", "embedded", "demo"];
    for part in PARTS {
        let others: Vec<String> =
            PARTS.iter().filter(|other| **other != part).map(|other| format!("crate::{other}")).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        faults.extend(forbid(source, &format!("fabric/src/{part}"), &others));
    }
    faults
}

/// A file that calls itself pure decides by its arguments alone.
fn purity(source: &Source) -> Vec<String> {
    let pure = source.text.lines().next().is_some_and(|line| line.contains("(pure)"));
    if pure { forbid(source, "actors/src", &["tokio", "ractor", "rand::", "Instant::now"]) } else { Vec::new() }
}

/// Every file in the tree is one actor with the four headings, but for the tree's own root.
fn actors(source: &Source) -> Vec<String> {
    let actors = code(source).matches("impl Actor for").count();
    let in_tree = source.path.starts_with("actors/src/tree/");
    let mut faults = Vec::new();
    if actors != usize::from(in_tree) && source.path.ends_with(".rs") && source.path.contains("/src/") {
        faults.push(format!("holds {actors} actors, should hold {}", usize::from(in_tree)));
    }
    if in_tree {
        let headings = ["//! # Owns", "//! # Takes", "//! # Children", "//! # Stops"];
        faults.extend(headings.iter().filter(|it| !source.text.contains(*it)).map(|it| format!("lacks {it:?}")));
    }
    faults
}

fn habits(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    if source.path.ends_with("mod.rs") {
        faults.push("a module's root is foo.rs beside foo/".into());
    }
    // Written apart, so that this file does not contain them.
    for word in [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("dbg", "!("),
    ] {
        if source.text.contains(word) {
            faults.push(format!("contains {word}"));
        }
    }
    let is_member = source.path.ends_with("/Cargo.toml") && !source.text.contains("\n[workspace]");
    if is_member && !source.text.contains("[lints]\nworkspace = true") {
        faults.push("does not take the workspace's lints".into());
    }
    faults
}

/// What a compiler begins with: nothing in it may be unsafe, and nobody can allow it further down.
fn roots(source: &Source) -> Vec<String> {
    let is_root =
        ["src/lib.rs", "src/main.rs", "it/main.rs", "sim/main.rs"].iter().any(|end| source.path.ends_with(end))
            || source.text.contains("\nfn main()")
            || source.text.lines().any(|line| line == "#![no_main]");
    let forbids =
        source.text.contains("\n#![forbid(unsafe_code)]") || source.text.starts_with("#![forbid(unsafe_code)]");
    if source.path.ends_with(".rs") && is_root && !forbids {
        return vec!["does not forbid unsafe code".into()];
    }
    Vec::new()
}

#[test]
fn no_crate_is_unsafe() {
    check(roots);
}

#[test]
fn files_are_short() {
    check(length);
}

#[test]
fn dependencies_point_one_way() {
    check(layers);
}

#[test]
fn pure_files_are_pure() {
    check(purity);
}

#[test]
fn the_folder_is_the_supervision_tree() {
    check(actors);
}

#[test]
fn habits_are_kept() {
    check(habits);
}

#[test]
fn the_rules_can_fail() {
    let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    let long = "x\n".repeat(451);
    let cases: [(Rule, Source); 14] = [
        (length, source("proto/src/a.rs", &long)),
        (layers, source("proto/src/a.rs", "use tokio::time;")),
        (layers, source("actors/src/a.rs", "use async_nats::Client;")),
        (layers, source("fabric/src/gateway/a.rs", "use crate::jetstream::JetStream;")),
        (purity, source("actors/src/a.rs", "//! Rules (pure).\nuse tokio::time::Instant;")),
        (actors, source("actors/src/a.rs", "impl Actor for A {}")),
        (actors, source("actors/src/tree/a.rs", "struct A;")),
        (actors, source("actors/src/tree/a.rs", "//! # Owns\n//! # Takes\n//! # Stops\nimpl Actor for A {}")),
        (habits, source("proto/src/a/mod.rs", "")),
        (habits, source("proto/src/a.rs", concat!("// TO", "DO: later"))),
        (habits, source("proto/Cargo.toml", "[package]")),
        (roots, source("proto/src/lib.rs", "pub mod a;")),
        (roots, source("tests/bench/a.rs", "//! A.\n\nfn main() {}")),
        (roots, source("fuzz/targets/a.rs", "#![no_main]")),
    ];
    for (n, (rule, bad)) in cases.iter().enumerate() {
        assert!(!rule(bad).is_empty(), "case {n}");
    }
    assert!(layers(&source("proto/src/a.rs", "// tokio\n#[cfg(test)] use tokio;")).is_empty());
}
