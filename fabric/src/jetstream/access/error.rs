//! Why what is to be shown to a server cannot be.

use std::path::PathBuf;

/// What is wrong with what was said of the server and of who comes to it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is none.
    #[error("--broker is not a NATS URL: {0}; write nats://host:4222")]
    Url(String),
    /// Options that go against each other.
    #[error("{0}")]
    Options(String),
    /// A file that is to be shown to the server.
    #[error("{option}: {}: {why}", path.display())]
    File {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    /// How it is mended.
    #[must_use]
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Url(_) => "write --broker nats://[user:password@]host:4222",
            Self::Options(_) => "say it in one way",
            Self::File { .. } => "put there what the option says, readable by this user",
        }
    }
}
