//! Links lead to what is there, and the table of contents to every page.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const CONTENTS: &str = "SUMMARY.md";

/// Where the book is.
pub(super) fn book() -> PathBuf {
    root().join("docs")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

/// Every page of the book, by its path, but for the table of contents.
pub(super) fn pages() -> Vec<String> {
    let (mut pages, mut folders) = (Vec::new(), vec![book()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path.strip_prefix(book()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    pages.retain(|page| page != CONTENTS);
    pages.sort();
    pages
}

/// The targets of a page's links and pictures, those in code left out.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for block in text.split("```").step_by(2) {
        for prose in block.split('`').step_by(2) {
            let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            links.extend(targets.map(|(target, _)| target.to_owned()));
        }
    }
    links
}

/// What a heading is linked to by.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let headings = prose.lines().filter_map(|line| line.strip_prefix('#')).map(|line| line.trim_start_matches('#'));
    let slug = |heading: &str| {
        let kept = heading.trim().to_lowercase();
        kept.chars()
            .filter(|it| it.is_alphanumeric() || "-_ ".contains(*it))
            .map(|it| if it == ' ' { '-' } else { it })
            .collect()
    };
    headings.map(slug).collect()
}

/// What is wrong with a link of the file at `from`.
fn fault(from: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let to = if file.is_empty() { from.to_owned() } else { from.parent().unwrap().join(file) };
    if !to.exists() {
        return Some(format!("{}: {link} leads nowhere", from.display()));
    }
    let is_there = anchor.is_empty() || anchors(&std::fs::read_to_string(to).unwrap()).contains(anchor);
    (!is_there).then(|| format!("{}: {link} leads to no heading", from.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let own = pages().into_iter().chain([CONTENTS.to_owned()]).map(|page| book().join(page));
    let others = ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    let mut faults = Vec::new();
    for path in own.chain(others.map(|it| root().join(it))) {
        let text = std::fs::read_to_string(&path).unwrap();
        faults.extend(links(&text).iter().filter_map(|link| fault(&path, link)));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_table_of_contents_has_every_page_once() {
    let text = std::fs::read_to_string(book().join(CONTENTS)).unwrap();
    let mut listed: Vec<String> = links(&text).into_iter().filter(|link| !link.starts_with("..")).collect();
    listed.sort();
    assert_eq!(listed, pages());
}

#[test]
fn dead_links_are_found() {
    let page = book().join(CONTENTS);
    for (link, is_dead) in [
        ("nowhere.md", true),
        ("metrics.md", false),
        ("metrics.md#nothing-of-this-name", true),
        ("../README.md#the-first-call", false),
        ("https://example.com/nowhere", false),
    ] {
        assert_eq!(fault(&page, link).is_some(), is_dead, "{link}");
    }
    assert_eq!(links("[a](b.md) `[c](d.md)`\n```\n[e](f.md)\n```\n![g](h.png)"), ["b.md", "h.png"]);
}
