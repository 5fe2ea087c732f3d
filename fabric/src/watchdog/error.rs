//! Why a watchdog gives up.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use tokio::task::JoinError;

use crate::listener;

/// Why it ended, if nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be had.
    #[error(transparent)]
    Listen(#[from] listener::Error),
    /// Signals cannot be listened for.
    #[error("signals cannot be listened for: {0}")]
    Signals(io::Error),
    /// The file that says that it is healthy cannot be written.
    #[error("the lock file {path:?} cannot be written: {source}; name another with --lock-file")]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The function's process cannot be started.
    #[error("the function's process cannot be started: {0}")]
    Start(io::Error),
    /// The function's process ended.
    #[error("the function's process ended with {0}; giving up, so that both are started anew")]
    Function(ExitStatus),
    /// Nobody knows how it is.
    #[error("the function's process cannot be waited for: {0}")]
    Wait(io::Error),
    /// A server panicked.
    #[error("a server broke: {0}")]
    Server(#[from] JoinError),
    /// Where it listens cannot be told.
    #[error(transparent)]
    Announce(anyhow::Error),
}

/// Why a function's process that ended is a failure.
pub(super) fn ended(status: io::Result<ExitStatus>) -> Error {
    status.map_or_else(Error::Wait, Error::Function)
}
