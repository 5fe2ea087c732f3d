//! `fabric worker list`

use clap::Subcommand;

use super::reach::Reach;

/// What is asked about workers.
#[derive(Debug, Subcommand)]
pub enum WorkerCommand {
    /// List the processes that are alive; without this word, `fabric worker` is one.
    List(Reach),
}
