//! The command that shows what a process is told.

use clap::Args;

use super::process::Process;
use super::reach::Output;

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
