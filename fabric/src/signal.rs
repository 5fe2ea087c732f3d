//! SIGTERM and SIGINT: the first begins the drain, the second cuts it short. And one that is no reason to end.

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both signals, as one stream of requests to end.
#[derive(Debug)]
pub struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    /// Listens from now on; the default, dying at once, no longer holds.
    ///
    /// # Errors
    /// When the operating system refuses to register a handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// The next request to end; its name, for the log.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}

/// From now on, to write more into a file than this process may (`ulimit -f`, `LimitFSIZE=`) fails as it does on a full
/// disk; by default the process ends, with whatever it was about to store.
///
/// # Errors
/// When the operating system refuses to register a handler.
pub fn outlive_full_files() -> io::Result<()> {
    // The handler stays when the stream is gone; a child process has the default again.
    signal(SignalKind::from_raw(Number::XFSZ.as_raw())).map(drop)
}
