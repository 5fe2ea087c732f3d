//! A program that serves HTTP by itself: started once, watched, ended last.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::lines::{Lines, Stream};
use super::process::{Process, Streams};
use super::program::Program;

/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(20);
/// How often it is said that it is waited for.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// The program at work.
pub(super) struct Upstream {
    process: Process,
    /// Whether it has ended by itself, and that was told.
    is_over: bool,
    /// What it says.
    _lines: JoinSet<()>,
}

impl Upstream {
    /// Starts it.
    ///
    /// # Errors
    /// When the operating system does not.
    pub(super) fn start(program: &Program, lines: &Lines) -> io::Result<Self> {
        let (process, Streams { stdout, stderr, .. }) = Process::start(program, [], false)?;
        let mut tasks = JoinSet::new();
        if let Some(stdout) = stdout {
            let lines = lines.clone();
            tasks.spawn(async move { lines.follow(Stream::Stdout, stdout, None).await });
        }
        if let Some(stderr) = stderr {
            let lines = lines.clone();
            tasks.spawn(async move { lines.follow(Stream::Stderr, stderr, None).await });
        }
        tracing::info!(%program, process = process.id(), "the function's process was started");
        Ok(Self { process, is_over: false, _lines: tasks })
    }

    /// Waits for its end, which nobody wished for. It is told once.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        if self.is_over {
            std::future::pending::<()>().await;
        }
        let status = self.process.ended().await;
        self.is_over = true;
        status
    }

    /// Ends it, and what it has left behind.
    pub(super) async fn end(&mut self, hurry: &CancellationToken) {
        if !self.is_over {
            tracing::info!(process = self.process.id(), "the function's process is asked to end");
        }
        match self.process.end(hurry).await {
            Ok(_) if self.is_over => {}
            Ok(status) => tracing::info!(%status, "the function's process has ended"),
            Err(error) => tracing::warn!(%error, "the function's process cannot be waited for"),
        }
    }
}

/// Waits until somebody accepts connections there.
pub(super) async fn accepts(url: &Url) {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or_default();
    let mut told = Instant::now();
    loop {
        let Err(error) = TcpStream::connect((host, port)).await else { return };
        if told.elapsed() >= TOLD_EVERY {
            told = Instant::now();
            tracing::info!(%url, %error, "the function's process does not accept connections yet");
        }
        sleep(PAUSE).await;
    }
}
