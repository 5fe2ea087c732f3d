//! The command that shows what a process is told.

use clap::{Args, ValueEnum};

use super::process::Process;

/// `fabric config`
#[derive(Debug, Args)]
pub struct Config {
    /// How the answer is written.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Output,
    /// The command whose options are shown, with its flags; all of them if absent.
    #[command(subcommand)]
    pub process: Option<Process>,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}
