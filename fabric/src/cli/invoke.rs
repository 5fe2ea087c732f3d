//! `fabric invoke`

use std::time::Duration;

use clap::Args;

use super::reach::Output;
use super::reach::Public;
use super::value::{duration, header};

/// `fabric invoke`
#[derive(Debug, Args)]
pub struct Invoke {
    /// NAME or NAME.NAMESPACE, with a path and a query if the function wants them: resize.acme/thumb?size=80.
    pub name: String,
    /// The body; what stdin holds if absent, unless that is a terminal.
    #[arg(short, long, value_name = "TEXT")]
    pub data: Option<String>,
    /// A header of the request. May be repeated.
    #[arg(short = 'H', long, value_parser = header, value_name = "NAME: VALUE")]
    pub header: Vec<(http::HeaderName, http::HeaderValue)>,
    /// Do not wait for the function: print the id of the call.
    #[arg(long = "async")]
    pub is_async: bool,
    /// Wait for the end of the asynchronous call, and print its result.
    #[arg(long, requires = "is_async")]
    pub wait: bool,
    /// How long to wait for that end.
    #[arg(long, default_value = "1h", value_parser = duration, value_name = "DURATION")]
    pub within: Duration,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub public: Public,
    /// A key or a token, where one is needed. Better said as FABRIC_KEY, because everybody on a machine sees command
    /// lines.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Output,
}
