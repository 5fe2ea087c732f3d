//! SIGTERM and SIGINT: the first begins the drain, the second cuts it short.

use std::io;

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
