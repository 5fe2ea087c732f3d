//! `fabric tail`

use clap::Args;

use super::reach::Reach;

/// `fabric tail`: tells of every call as it ends. Of functions of which nothing is kept (`fabric.result: none`) nothing is
/// told.
#[derive(Debug, Args)]
pub struct Tail {
    /// Whose calls: NAME or NAME.NAMESPACE; everybody's if absent.
    pub function: Option<String>,
    /// The calls of this namespace only.
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// End after so many calls have ended.
    #[arg(long, value_name = "N")]
    pub count: Option<usize>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub reach: Reach,
}
