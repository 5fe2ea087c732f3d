//! What is said about a change before it is made.

use clap::Args;

/// A change that is made only if nobody was quicker.
#[derive(Clone, Debug, Args)]
pub struct Condition {
    /// Only if this revision is still there, as `get` told it.
    #[arg(long, value_name = "REVISION")]
    pub if_match: Option<u64>,
}

/// Whether somebody is asked before something is removed.
#[derive(Clone, Debug, Args)]
pub struct Confirmation {
    /// Do not ask.
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Only count.
    #[arg(long)]
    pub dry_run: bool,
}
