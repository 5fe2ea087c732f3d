//! What a page has its reader do.

use std::path::Path;

/// A page.
#[derive(Debug)]
pub struct Page {
    /// Its path below the book.
    pub path: String,
    /// What there is to do, in order.
    pub blocks: Vec<Block>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Commands, each with what it prints.
    Run(Vec<Command>),
    /// One that runs on.
    Stays(Command),
    /// What a command that runs on prints, sooner or later: its beginning, and the lines.
    Says(String, Vec<String>),
    /// A file: its name, and its text.
    File(String, String),
    /// Commands that need something which is not here.
    Needs(String),
}

/// A command, and what it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The command; it may have several lines.
    pub line: String,
    /// The lines that it prints.
    pub prints: Vec<String>,
}

impl Page {
    /// Reads the page at `path` below `book`.
    #[must_use]
    pub fn read(book: &Path, path: &str) -> Self {
        let text = std::fs::read_to_string(book.join(path)).unwrap();
        Self { path: path.into(), blocks: blocks(&text) }
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut lines) = (Vec::new(), text.lines());
    while let Some(line) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let indent = line.len() - line.trim_start().len();
        let body: Vec<String> = lines
            .by_ref()
            .take_while(|line| line.trim() != "```")
            .map(|line| line.get(indent..).unwrap_or_default().to_owned())
            .collect();
        let (language, what) = info.split_once(' ').unwrap_or((info, ""));
        let block = match (language, what) {
            ("console", "") => Block::Run(commands(&body)),
            ("console", "stays") => {
                let mut commands = commands(&body);
                assert!(commands.len() == 1, "one command stays in a terminal of its own: {body:?}");
                Block::Stays(commands.remove(0))
            }
            ("console", needs) => {
                Block::Needs(needs.strip_prefix("needs ").unwrap_or_else(|| panic!("what is {info:?}?")).into())
            }
            ("text", of) if of.starts_with("of ") => Block::Says(of["of ".len()..].into(), body),
            ("sh" | "bash" | "shell", "") => panic!("commands stand in console blocks, after $: {body:?}"),
            (_, "") => continue,
            (_, file) => Block::File(file.into(), body.join("\n") + "\n"),
        };
        blocks.push(block);
    }
    blocks
}

fn commands(body: &[String]) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut is_open = false;
    for line in body {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(line), _) if !is_open => commands.push(Command { line: line.into(), prints: Vec::new() }),
            (_, Some(command)) if is_open => command.line = format!("{}\n{line}", command.line),
            (_, Some(command)) => command.prints.push(line.clone()),
            (_, None) => panic!("a console block begins with a command: {line:?}"),
        }
        // A line that ends so, or a quotation that is open, goes on in the next.
        is_open = commands.last().is_some_and(|it| it.prints.is_empty() && goes_on(&it.line));
    }
    assert!(!is_open, "the last command goes on: {body:?}");
    commands
}

fn goes_on(line: &str) -> bool {
    line.ends_with('\\') || line.matches('\'').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_by_what_stands_behind_their_fence() {
        let text = "# A page\n\n```console\n$ a \\\n    b\nprints\n$ c -d '{\n  $ }'\n```\n```rust\nfn f() {}\n```\n\
                    - in a list:\n  ```text of fabric dev\n  x\n    y\n  ```\n```toml a.toml\nk = 1\n```\n\
                    ```console stays\n$ fabric dev\nready\n…\n```\n```console needs docker\n$ docker run x\n```\n";
        let command = |line: &str, prints: &[&str]| Command {
            line: line.into(),
            prints: prints.iter().map(|&it| it.into()).collect(),
        };
        let expected = [
            Block::Run(vec![command("a \\\n    b", &["prints"]), command("c -d '{\n  $ }'", &[])]),
            Block::Says("fabric dev".into(), vec!["x".into(), "  y".into()]),
            Block::File("a.toml".into(), "k = 1\n".into()),
            Block::Stays(command("fabric dev", &["ready", "…"])),
            Block::Needs("docker".into()),
        ];
        assert_eq!(blocks(text), expected);
    }
}
