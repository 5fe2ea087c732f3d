//! The function's side: any program as a function.

mod crowd;
mod drain;
mod exec;
mod http;
mod local;
mod story;
mod told;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::eventually;
use tests::fabric::binary;
use tests::process::Process;

/// A watchdog at work.
struct Watchdog {
    process: Process,
    /// Where its function answers.
    url: String,
    /// Where its metrics are.
    metrics: String,
}

/// `fabric watchdog` with these options and this program, on free ports, told nothing else.
fn watchdog(options: &[&str], program: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FABRIC_") {
            command.env_remove(name);
        }
    }
    command.args(["watchdog", "--metrics-listen", "127.0.0.1:0"]);
    if !options.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command.args(options).arg("--").args(program);
    command
}

impl Watchdog {
    async fn start(options: &[&str], program: &[&str]) -> Self {
        let mut process = Process::start("watchdog", &mut watchdog(options, program)).unwrap();
        let metrics = process.line_after("listening: metrics ").await.unwrap();
        let url = process.line_after("listening: function ").await.unwrap();
        Self { process, url, metrics }
    }

    /// One whose function is a script of the shell.
    async fn shell(options: &[&str], script: &str) -> Self {
        Self::start(options, &["/bin/sh", "-c", script]).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Where to connect to.
    fn addr(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Waits for a line of its log that has all of these.
    async fn says(&self, words: &[&str]) -> String {
        eventually(async || {
            let lines = self.process.lines();
            let found = lines.iter().find(|line| words.iter().all(|word| line.contains(word)));
            found.cloned().ok_or_else(|| format!("no line has {words:?}"))
        })
        .await
    }

    /// Waits until this is in the last line that it has printed; all of them.
    async fn says_last(&self, text: &str) -> Vec<String> {
        eventually(async || {
            let lines = self.process.lines();
            if lines.last().is_some_and(|line| line.contains(text)) { Ok(lines) } else { Err(lines.join("\n")) }
        })
        .await
    }

    /// Its children, by their ids, with their states.
    fn children(&self) -> Vec<(u32, char)> {
        let pid = self.process.pid();
        let stats = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, std::fs::read_to_string(entry.path().join("stat")).ok()?))
        });
        let of = stats.filter_map(|(child, stat)| {
            // After the name, which may have anything in it: state and parent.
            let mut fields = stat.rsplit_once(") ")?.1.split(' ');
            let state = fields.next()?.chars().next()?;
            (fields.next()?.parse() == Ok(pid)).then_some((child, state))
        });
        of.collect()
    }

    /// Waits until it has no children any more, zombies included.
    async fn is_alone(&self) {
        eventually(async || match self.children() {
            none if none.is_empty() => Ok(()),
            some => Err(format!("these are there: {some:?}")),
        })
        .await;
    }

    /// The files that it has open. One that is closed meanwhile is not.
    fn open_files(&self) -> Vec<PathBuf> {
        let all = std::fs::read_dir(format!("/proc/{}/fd", self.process.pid())).unwrap();
        all.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok()).collect()
    }
}

impl Drop for Watchdog {
    /// A watchdog that is killed has nobody who ends its processes: it is asked, until it has.
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Asks it to end again and again, which does not wait.
fn end(process: &mut Process) {
    for _ in 0..200 {
        if !process.is_running() {
            return;
        }
        process.terminate();
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// The lines of a file that functions write to; none while it is not there.
fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(ToOwned::to_owned).collect()
}

/// Waits until a file has so many lines.
async fn has_lines(file: &Path, count: usize) -> Vec<String> {
    eventually(async || {
        let lines = lines(file);
        if lines.len() == count { Ok(lines) } else { Err(format!("{} lines are there", lines.len())) }
    })
    .await
}

/// Whether a process is there, and no zombie.
fn is_there(pid: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let (_, after_the_name) = stat.rsplit_once(") ").unwrap();
    !after_the_name.starts_with(['Z', 'X'])
}

/// Waits until none of these processes is.
async fn are_gone(pids: &[String]) {
    eventually(async || {
        let there: HashSet<&String> = pids.iter().filter(|pid| is_there(pid)).collect();
        if there.is_empty() { Ok(()) } else { Err(format!("these still run: {there:?}")) }
    })
    .await;
}
