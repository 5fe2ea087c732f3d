//! Why a request came to nothing.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use http::StatusCode;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The program cannot be started.
    #[error("the function cannot be started: {0}")]
    Start(io::Error),
    /// The function's process said that it failed, or was killed by somebody else.
    #[error("the function's process ended with {0}")]
    Exit(ExitStatus),
    /// The function took too long.
    #[error("the function took longer than {0:?}")]
    TimedOut(Duration),
    /// The body of the request did not come in time.
    #[error("the body of the request took longer than {0:?}")]
    SlowRequest(Duration),
    /// The body of the request is more than is kept in memory.
    #[error("the body of the request is larger than {0} bytes, which is what is kept in memory; stream it")]
    LargeRequest(usize),
    /// The answer is more than is kept in memory.
    #[error("the function's answer is larger than {0} bytes, which is what is kept in memory; stream it")]
    LargeAnswer(usize),
    /// The caller is gone, or his request broke off.
    #[error("the caller went away")]
    CallerGone,
    /// The function's server does not answer.
    #[error("the function does not answer: {0}")]
    Unreachable(String),
    /// A pipe to the process broke.
    #[error("the function's process cannot be talked to: {0}")]
    Pipe(#[from] io::Error),
}

impl Fault {
    /// The status that says so.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::SlowRequest(_) => StatusCode::REQUEST_TIMEOUT,
            Self::LargeRequest(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::CallerGone => StatusCode::BAD_REQUEST,
            Self::Start(_) | Self::Exit(_) | Self::LargeAnswer(_) | Self::Unreachable(_) | Self::Pipe(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// Whether it is the watchdog who says so, and not what the function said in its own way.
    pub(super) fn is_ours(&self) -> bool {
        !matches!(self, Self::Exit(_))
    }
}
