//! A command, and what came of it.

use std::process::Stdio;

use serde_json::Value;
use tests::fabric::{Fabric, binary};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What came of a command.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// That it went well.
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self
    }

    /// That it did not.
    pub(crate) fn failed(self) -> Self {
        assert_eq!(self.code, 1, "{}{}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// Runs `fabric` with these words, and with `input` on its stdin.
pub(crate) async fn run_with(words: &[&str], input: &str) -> Said {
    let mut command = Command::new(binary());
    command.args(words).env_remove("FABRIC_CONFIG").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Whoever does not read it may have ended before.
    drop(stdin.write_all(input.as_bytes()).await);
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs `fabric` with these words, separated by spaces.
pub(crate) async fn run(words: &str) -> Said {
    run_with(&words.split(' ').collect::<Vec<_>>(), "").await
}

/// The same, asking the admin API of a process.
pub(crate) async fn ask(fabric: &Fabric, words: &str) -> Said {
    run(&format!("{words} --admin {}", fabric.admin)).await
}

/// The same, for programs.
pub(crate) async fn json(fabric: &Fabric, words: &str) -> Value {
    ask(fabric, &format!("{words} --output json")).await.good().json()
}
