//! `fabric queue`

use clap::{Args, Subcommand};

use super::change::{Condition, Confirmation};
use super::reach::Reach;
use super::value::pair;

/// `fabric queue`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "flattened: its fields are documented")]
pub struct Queues {
    #[command(flatten)]
    pub reach: Reach,
    #[command(subcommand)]
    pub command: QueueCommand,
}

/// What is done with queues.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// Lists those that functions name or that something is set for.
    List,
    /// Shows one, with its revision.
    Get {
        /// Which.
        name: String,
    },
    /// Changes what is said here and leaves the rest.
    Set(SetQueue),
    /// Has nothing be set for it any more; its calls stay.
    Rm {
        /// Which.
        name: String,
        #[command(flatten)]
        #[expect(missing_docs, reason = "flattened: its fields are documented")]
        condition: Condition,
    },
    /// Holds all its calls back; those that run go on.
    Pause {
        /// Which.
        name: String,
    },
    /// Holds them back no longer.
    Resume {
        /// Which.
        name: String,
    },
    /// Cancels what waits in it.
    Purge {
        /// Which.
        name: String,
        /// Only the calls of this function.
        #[arg(long)]
        function: Option<String>,
        /// How many at the most.
        #[arg(long, value_name = "N")]
        max: Option<u64>,
        #[command(flatten)]
        #[expect(missing_docs, reason = "flattened: its fields are documented")]
        confirmation: Confirmation,
    },
}

/// `fabric queue set`
#[derive(Debug, Args)]
pub struct SetQueue {
    /// Which.
    pub name: String,
    /// Any annotation.
    #[arg(long, value_parser = pair, value_name = "NAME=VALUE")]
    pub annotation: Vec<(String, String)>,
    /// An annotation that is to be set no more.
    #[arg(long, value_name = "NAME")]
    pub unset: Vec<String>,
    /// Attempts before a call is dead: com.openfaas.retry.attempts.
    #[arg(long, value_name = "N")]
    pub attempts: Option<String>,
    /// Whether its calls are held back: fabric.paused.
    #[arg(long, value_name = "BOOL")]
    pub paused: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub condition: Condition,
}
