//! Where a value comes from.

use std::fmt;

/// Where a value comes from; shown as the place where one would change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag.
    Flag(String),
    /// A variable of the environment.
    Environment(String),
    /// A line of the file.
    File {
        /// The file.
        path: String,
        /// Its line.
        line: usize,
    },
    /// Nobody said anything, and the option has a default.
    Default,
    /// Nobody said anything.
    Absent,
}

impl Origin {
    /// The kind, in one word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Flag(_) => "flag",
            Self::Environment(_) => "environment",
            Self::File { .. } => "file",
            Self::Default => "default",
            Self::Absent => "absent",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Environment(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Default | Self::Absent => f.write_str(self.kind()),
        }
    }
}
