//! `fabric call`

use clap::{Args, Subcommand};

use super::reach::Reach;

/// `fabric call`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "flattened: its fields are documented")]
pub struct Calls {
    #[command(flatten)]
    pub reach: Reach,
    #[command(subcommand)]
    pub command: CallCommand,
}

/// What is done with calls.
#[derive(Debug, Subcommand)]
pub enum CallCommand {
    /// Lists the calls of a function that have not ended.
    List {
        /// NAME or NAME.NAMESPACE.
        function: String,
        /// The queue, if it is not the one that the function has now.
        #[arg(long)]
        queue: Option<String>,
        /// How many at the most.
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: usize,
    },
    /// Shows how a call is.
    Get {
        /// Its id.
        id: String,
    },
    /// Cancels a call wherever it is.
    Cancel {
        /// Its id.
        id: String,
    },
}
