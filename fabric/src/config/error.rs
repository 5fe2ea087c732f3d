//! Why nothing can be run as it was asked for.

use super::origin::Origin;

/// Why nothing can be run as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What clap says of the command line; help and the version as well.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    /// There is no such file, or it cannot be read.
    #[error("{path:?}, which {by} names, cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What names it.
        by: Origin,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// What is wrong with the file, or with the environment: all of it.
    #[error("{}", lines(.0))]
    Faults(Vec<Fault>),
}

/// What is wrong at one place.
#[derive(Debug, thiserror::Error)]
#[error("{at}: {what}")]
pub struct Fault {
    /// Where.
    pub at: Origin,
    /// What is wrong there, and what would do.
    pub what: String,
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
