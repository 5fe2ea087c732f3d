//! What a watchdog is to do.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use http::uri::PathAndQuery;
use url::Url;

use super::limits::Timeouts;
use super::lines::Lines;
use super::program::Program;

/// How requests become work for a program.
#[derive(Clone, Debug)]
pub enum Mode {
    /// A process for each request: its body on stdin, the answer on stdout.
    Exec {
        /// Whether bodies are whole before anything is done with them.
        whole: bool,
    },
    /// One process that serves HTTP.
    Http {
        /// Where it does.
        upstream: Url,
        /// Whether bodies of requests are whole before they are passed on.
        whole: bool,
    },
}

impl Mode {
    /// As it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exec { whole: false } => "streaming",
            Self::Exec { whole: true } => "serializing",
            Self::Http { .. } => "http",
        }
    }
}

/// What a watchdog is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where requests come in.
    pub listen: SocketAddr,
    /// Where metrics are.
    pub metrics_listen: SocketAddr,
    /// The function.
    pub program: Program,
    /// How it is run.
    pub mode: Mode,
    /// How long requests may take.
    pub timeouts: Timeouts,
    /// How long it takes until others notice that it is not healthy.
    pub healthcheck_interval: Duration,
    /// How long requests that run may go on once it is to end; as long as they need, if absent.
    pub grace: Option<Duration>,
    /// How many requests at once; any number if 0.
    pub max_inflight: usize,
    /// The path by which the function says itself whether it is ready.
    pub ready_path: Option<PathAndQuery>,
    /// A file that is there as long as it is healthy.
    pub lock_file: Option<PathBuf>,
    /// What answers of processes are.
    pub content_type: HeaderValue,
    /// How what the function says is written.
    pub lines: Lines,
}
