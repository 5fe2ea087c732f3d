//! `fabric key`

use clap::{Args, Subcommand};

use super::reach::Reach;

/// `fabric key`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "flattened: its fields are documented")]
pub struct Keys {
    #[command(flatten)]
    pub reach: Reach,
    #[command(subcommand)]
    pub command: KeyCommand,
}

/// What is done with API keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Makes one, and shows it: this once.
    Create {
        /// What people call it.
        name: String,
        /// What it is for: invoke, read, operate or admin. May be repeated.
        #[arg(long, required = true, value_name = "SCOPE")]
        scope: Vec<String>,
        /// In which namespace; * is all of them. May be repeated.
        #[arg(long, required = true, value_name = "NAMESPACE")]
        namespace: Vec<String>,
        /// How long it is of use, such as 90d; for as long as nobody revokes it if absent.
        #[arg(long, value_name = "DURATION")]
        expires_in: Option<String>,
    },
    /// Lists them, and what they are for.
    List,
    /// Has one be of no use any more, anywhere, within a second.
    Revoke {
        /// Which, by its id.
        id: String,
        /// And have it be in the list no more.
        #[arg(long)]
        forget: bool,
    },
}
