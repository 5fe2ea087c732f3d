//! What callbacks carry, and where to.

use clap::Args;

use super::value::size;

/// The largest result that a callback carries unless somebody says otherwise, in bytes.
pub const MAX_RESULT: usize = 1024 * 1024;

/// Where callbacks may go.
#[derive(Debug, Args)]
pub struct Callbacks {
    /// Let callbacks go to loopback, private and link-local addresses.
    #[arg(long, env = "FABRIC_ALLOW_PRIVATE_CALLBACKS")]
    pub allow_private_callbacks: bool,
    /// The largest result that a callback carries; of a larger one its receiver is told the length.
    #[arg(long, env = "FABRIC_MAX_RESULT", default_value_t = MAX_RESULT, value_parser = size, value_name = "SIZE")]
    pub max_result: usize,
}
