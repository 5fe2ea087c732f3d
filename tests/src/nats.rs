//! A real nats-server on a free port of this machine.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use tempfile::TempDir;

use crate::eventually;
use crate::process::Process;

/// A server with JetStream and a store of its own.
pub struct Nats {
    process: Option<Process>,
    port: u16,
    store: TempDir,
    /// What its configuration's variables stand for, if it has one.
    variables: Option<Vec<(String, String)>>,
}

/// The file of the configuration, beside the store.
const CONFIG: &str = "nats.conf";

impl Nats {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no server to start: `./tests/run` finds or provides one.
    pub async fn start() -> Self {
        let port = free_port();
        let mut nats = Self { process: None, port, store: tempfile::tempdir().unwrap(), variables: None };
        nats.restart().await;
        nats
    }

    /// Starts one that is configured so; files that it names lie where [`dir`](Self::dir) says.
    pub async fn configured(config: &str, variables: &[(&str, &str)], files: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (port, store) = (free_port(), tempfile::tempdir().unwrap());
        let mut nats = Self { process: None, port, store, variables: Some(variables) };
        for (name, text) in files.iter().chain(&[(CONFIG, config)]) {
            nats.write(name, text);
        }
        nats.restart().await;
        nats
    }

    /// Where its files are; a test may put others there.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.store.path()
    }

    /// Writes a file there; its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.dir().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Has it read another configuration while it runs, and waits until it has.
    pub async fn reconfigure(&self, config: &str) {
        self.write(CONFIG, config);
        let reloads = || self.lines().iter().filter(|line| line.contains("Reloaded server configuration")).count();
        let before = reloads();
        self.process.as_ref().unwrap().signal("HUP");
        eventually(async || if reloads() > before { Ok(()) } else { Err("it has not read it yet") }).await;
    }

    /// What it has logged since it was started.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.process.as_ref().unwrap().lines()
    }

    /// Where it listens: `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills it at once.
    pub fn kill9(&mut self) {
        self.process.as_mut().unwrap().kill9();
        self.process = None;
    }

    /// Starts it again, at the same port and with the same store.
    pub async fn restart(&mut self) {
        self.process = Some(spawn(self.port, &self.store, self.variables.as_deref()).unwrap());
        if self.variables.is_some() {
            // It may say nothing to a client that does not speak TLS.
            let is_ready = || self.lines().iter().any(|line| line.contains("Server is ready"));
            return eventually(async || if is_ready() { Ok(()) } else { Err(self.lines().join("\n")) }).await;
        }
        // It greets a client once it serves.
        eventually(async || {
            let stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await?;
            let mut greeting = [0; 4];
            tokio::io::AsyncReadExt::read_exact(&mut { stream }, &mut greeting).await.map(drop)
        })
        .await;
    }
}

fn spawn(port: u16, store: &TempDir, variables: Option<&[(String, String)]>) -> anyhow::Result<Process> {
    let mut command = server()?;
    if let Some(variables) = variables {
        command.args(["-c", CONFIG, "-p", &port.to_string()]).current_dir(store.path());
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        return Process::start("nats-server", &mut command);
    }
    command.args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"]).arg(store.path());
    Process::start("nats-server", &mut command)
}

/// The program.
pub(crate) fn server() -> anyhow::Result<Command> {
    let program = std::env::var("NATS_SERVER")
        .context("NATS_SERVER does not say where nats-server (2.12 or newer) is: run the tests by ./tests/run")?;
    Ok(Command::new(program))
}

/// A port that nobody listened on a moment ago.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
