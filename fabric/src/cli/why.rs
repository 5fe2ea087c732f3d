//! `fabric why`

use clap::Args;

use super::reach::Reach;

/// `fabric why`
#[derive(Debug, Args)]
pub struct Why {
    /// A function (NAME or NAME.NAMESPACE), or the id of a call.
    #[arg(value_name = "NAME|CALL")]
    pub what: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub reach: Reach,
}
