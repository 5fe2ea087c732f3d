//! A real nats-server on a free port of this machine.

use std::net::TcpListener;
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
}

impl Nats {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no server to start: `./tests/run` finds or provides one.
    pub async fn start() -> Self {
        let port = free_port();
        let mut nats = Self { process: None, port, store: tempfile::tempdir().unwrap() };
        nats.restart().await;
        nats
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
        self.process = Some(spawn(self.port, &self.store).unwrap());
        // It greets a client once it serves.
        eventually(async || {
            let stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await?;
            let mut greeting = [0; 4];
            tokio::io::AsyncReadExt::read_exact(&mut { stream }, &mut greeting).await.map(drop)
        })
        .await;
    }
}

fn spawn(port: u16, store: &TempDir) -> anyhow::Result<Process> {
    let mut command = server()?;
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
