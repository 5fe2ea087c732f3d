//! Child processes that do not outlive their test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::eventually;

/// A running process, killed when dropped. What it prints is kept, and shown if the test fails.
pub struct Process {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

/// How long the last lines of a process that has ended may take to be read. Its own children may hold its outputs open.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let outputs: [Option<Box<dyn std::io::Read + Send>>; 2] =
            [child.stdout.take().map(|it| Box::new(it) as _), child.stderr.take().map(|it| Box::new(it) as _)];
        let read = |output: Box<dyn std::io::Read + Send>| {
            let lines = lines.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    lines.lock().unwrap().push(line);
                }
            })
        };
        let readers = outputs.into_iter().flatten().map(read).collect();
        Ok(Self { name: name.into(), child, lines, readers })
    }

    /// What it has printed so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The rest of the first line that begins with `prefix`, once there is one.
    ///
    /// # Errors
    /// When the process ends before it prints one.
    pub async fn line_after(&mut self, prefix: &str) -> anyhow::Result<String> {
        loop {
            let found = self.lines().iter().find_map(|line| line.strip_prefix(prefix).map(ToOwned::to_owned));
            if let Some(found) = found {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                self.last_lines().await;
                bail!("{} ended with {status} before it printed {prefix:?}:\n{}", self.name, self.lines().join("\n"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until all that it printed before it ended is read.
    async fn last_lines(&self) {
        let read = async {
            while !self.readers.iter().all(JoinHandle::is_finished) {
                tokio::time::sleep(PAUSE).await;
            }
        };
        // If it is not to be had, what is there is shown.
        drop(tokio::time::timeout(LAST_LINES_WITHIN, read).await);
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it at once: nothing of it is cleaned up.
    pub fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by its name.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(format!("-{signal}")).arg(self.pid().to_string()).status().unwrap();
        assert!(status.success(), "{} cannot be signalled", self.name);
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended, and what it printed is read.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = Mutex::new(&mut self.child);
        let status = eventually(async || child.lock().unwrap().try_wait().unwrap().ok_or("it still runs")).await;
        self.last_lines().await;
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; either way it is gone after this.
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            let lines = self.lines();
            let last = lines.len().saturating_sub(60);
            for line in lines.iter().skip(last) {
                eprintln!("[{}] {line}", self.name);
            }
        }
    }
}
