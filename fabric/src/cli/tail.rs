//! `fabric tail`

use std::time::Duration;

use clap::Args;

use super::operator::Reach;
use super::value::pause;

/// `fabric tail`: looks at the calls that have not ended, again and again, and tells how those that are gone ended. A call
/// that is accepted and ends between two looks is not seen.
#[derive(Debug, Args)]
pub struct Tail {
    /// Whose calls: NAME or NAME.NAMESPACE; everybody's if absent.
    pub function: Option<String>,
    /// End after so many calls have ended.
    #[arg(long, value_name = "N")]
    pub count: Option<usize>,
    /// How often to look.
    #[arg(long, default_value = "500ms", value_parser = pause, value_name = "DURATION")]
    pub every: Duration,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub reach: Reach,
}
