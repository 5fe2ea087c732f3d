//! `fabric top`

use std::time::Duration;

use clap::Args;

use super::reach::Reach;
use super::value::pause;

/// `fabric top`
#[derive(Debug, Args)]
pub struct Top {
    /// Print it once; so it is, too, if stdout is no terminal.
    #[arg(long)]
    pub once: bool,
    /// How often to look.
    #[arg(long, default_value = "1s", value_parser = pause, value_name = "DURATION")]
    pub every: Duration,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub reach: Reach,
}
