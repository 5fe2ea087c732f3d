//! Every command of the book is run, and prints what the page shows.

use std::collections::BTreeSet;

use tests::book::{Block, Page, follow};

use super::links::{book, pages};

/// One test for each page that has commands.
macro_rules! pages {
    ($($name:ident = $path:literal),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                Box::pin(follow(&Page::read(&book(), $path))).await;
            }
        )+

        const FOLLOWED: &[&str] = &[$($path),+];
    };
}

pages!(
    first_five_minutes = "tutorial/first-five-minutes.md",
    two_workers = "tutorial/two-workers.md",
    back_pressure = "how-to/back-pressure.md",
    retries = "how-to/retries.md",
    dead_letters = "how-to/dead-letters.md",
    tenants = "how-to/tenants.md",
    drain = "how-to/drain.md",
    upgrade = "how-to/upgrade.md",
    openfaas = "how-to/openfaas.md",
    scale = "how-to/scale.md",
    autoscaling = "how-to/autoscaling.md",
    watchdog = "watchdog.md",
);

/// The commands that a bare machine cannot run: how many blocks of a page need what. They are to stay few.
const NOT_RUN: &[(&str, &str, usize)] = &[
    ("deploy.md", "docker", 2),
    ("deploy.md", "kubectl and helm", 1),
    ("how-to/openfaas.md", "kubectl", 1),
    ("tutorial/first-five-minutes.md", "the repository", 1),
];

#[test]
fn every_page_with_commands_is_followed() {
    let does = |page: &Page| page.blocks.iter().any(|block| !matches!(block, Block::Needs(_)));
    let with_commands: BTreeSet<_> =
        pages().iter().map(|path| Page::read(&book(), path)).filter(does).map(|page| page.path).collect();
    let followed: BTreeSet<_> = FOLLOWED.iter().map(|&path| path.to_owned()).collect();
    assert_eq!(with_commands, followed, "the pages with commands, and those that tests/it/book/commands.rs follows");
}

#[test]
fn what_is_not_run_is_known() {
    let mut found: Vec<(String, String, usize)> = Vec::new();
    for path in pages() {
        for block in Page::read(&book(), &path).blocks {
            let Block::Needs(what) = block else { continue };
            match found.iter_mut().find(|(page, needs, _)| (page, needs) == (&path, &what)) {
                Some((_, _, count)) => *count += 1,
                None => found.push((path.clone(), what, 1)),
            }
        }
    }
    let known: Vec<_> = NOT_RUN.iter().map(|&(page, what, count)| (page.to_owned(), what.to_owned(), count)).collect();
    assert_eq!(found, known, "the blocks that are not run");
}
