//! The embedded broker: the in-memory machine over a file, for one process without a server.
//!
//! The file is a [redb](https://docs.rs/redb) database: one dependency, copy-on-write with checksums, so that a
//! process killed at any moment leaves the last commit whole. One thread writes; whatever waits for it is committed
//! together, with one `fsync` ([`writer`]).

mod format;
mod writer;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actors::memory::{Memory, Settings};
use actors::port::Clock;

use self::writer::{File, Writer};

/// The broker of one directory.
pub struct Embedded {
    memory: Memory,
    writer: Arc<Writer>,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be created.
    #[error("the data directory {dir} cannot be created: {source}")]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error("{file} is in use by another fabric process; end that one, or choose another --data-dir")]
    InUse {
        /// The file.
        file: PathBuf,
    },
    /// Written by a version that this one does not understand.
    #[error("{file} has format {found}, this fabric reads format {known}; use the version that wrote it")]
    Format {
        /// The file.
        file: PathBuf,
        /// What it says.
        found: u64,
        /// What is understood.
        known: u64,
    },
    /// No room to open it.
    #[error("{file} cannot be opened: {source}; make room on its disk, or raise the limit that holds for files")]
    Full {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Not readable as what it should be.
    #[error("{file} cannot be read: {source}; restore it from a backup, or move it away to begin anew")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The thread that writes cannot be started.
    #[error("the thread that writes to disk cannot be started: {0}")]
    Thread(std::io::Error),
}

impl Embedded {
    /// Opens the broker of `dir`, creating it if it is missing.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open(dir: &Path, settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        // Calls may hold what only their caller and their function should see.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|source| Error::Directory { dir: dir.into(), source })?;
        let file = File::open(&dir.join("fabric.redb"))?;
        let recovered = file.recover()?;
        let writer = Arc::new(Writer::start(file).map_err(Error::Thread)?);
        let memory = Memory::over(writer.clone(), recovered, settings, clock);
        Ok(Self { memory, writer })
    }

    /// The broker and the control plane.
    #[must_use]
    pub fn broker(&self) -> Memory {
        self.memory.clone()
    }

    /// Writes what waits to be written and lets go of the file; what is asked of the broker afterwards fails.
    pub async fn close(&self) {
        let writer = self.writer.clone();
        // It fails only if it panics or is cancelled: the file is let go of either way.
        drop(tokio::task::spawn_blocking(move || writer.close()).await);
    }
}
