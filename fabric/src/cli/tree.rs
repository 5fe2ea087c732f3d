//! `fabric tree`

use clap::Args;

use super::reach::Reach;

/// `fabric tree`
#[derive(Debug, Args)]
pub struct Tree {
    /// Of every process that is alive.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub reach: Reach,
}
