//! `fabric dead`

use clap::{Args, Subcommand};

use super::change::Confirmation;
use super::reach::Reach;
use super::value::pace;

/// `fabric dead`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "flattened: its fields are documented")]
pub struct DeadLetters {
    #[command(flatten)]
    pub reach: Reach,
    #[command(subcommand)]
    pub command: DeadCommand,
}

/// What is done with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadCommand {
    /// Lists them.
    List {
        #[command(flatten)]
        #[expect(missing_docs, reason = "flattened: its fields are documented")]
        which: Which,
        /// How many at the most.
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: usize,
    },
    /// Shows one, whole.
    Show {
        /// Its number.
        number: u64,
    },
    /// Takes them back to their queues.
    Redrive {
        /// Only this one.
        number: Option<u64>,
        #[command(flatten)]
        #[expect(missing_docs, reason = "flattened: its fields are documented")]
        which: Which,
        /// How fast, such as 10/s; as fast as it goes if absent.
        #[arg(long, value_parser = pace, value_name = "RATE")]
        rate: Option<f64>,
        /// How many at the most.
        #[arg(long, value_name = "N")]
        max: Option<u64>,
        /// How often a call may have been redriven.
        #[arg(long, value_name = "N")]
        max_redriven: Option<u32>,
        /// Only count.
        #[arg(long)]
        dry_run: bool,
    },
    /// Removes them for good.
    Purge {
        /// Only this one.
        number: Option<u64>,
        #[command(flatten)]
        #[expect(missing_docs, reason = "flattened: its fields are documented")]
        which: Which,
        /// How many at the most.
        #[arg(long, value_name = "N")]
        max: Option<u64>,
        #[command(flatten)]
        #[expect(missing_docs, reason = "flattened: its fields are documented")]
        confirmation: Confirmation,
    },
}

/// Which dead letters: all that match everything that is said.
#[derive(Clone, Debug, Default, Args)]
pub struct Which {
    /// Of this queue.
    #[arg(long)]
    pub queue: Option<String>,
    /// Of this namespace.
    #[arg(long)]
    pub namespace: Option<String>,
    /// Of this function.
    #[arg(long)]
    pub function: Option<String>,
    /// Of this call.
    #[arg(long, value_name = "ID")]
    pub call: Option<String>,
    /// Dead for this reason: exhausted, too_old, undecodable, lost, poison or deleted.
    #[arg(long)]
    pub reason: Option<String>,
}
