//! `fabric health`

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::reach::Reach;
use super::value::duration;

/// `fabric health`
#[derive(Debug, Args)]
pub struct Health {
    /// The process of this machine that is asked, at the address that it is told to listen on, as `fabric config PROCESS`
    /// shows it. If absent, the one at --admin.
    #[arg(value_enum, value_name = "PROCESS")]
    pub process: Option<Asked>,
    /// Ask whether it wants to be sent requests, not just whether it is alive.
    #[arg(long)]
    pub ready: bool,
    /// Ask again for this long, until the answer is yes.
    #[arg(long, default_value = "0s", value_parser = duration, value_name = "DURATION")]
    pub within: Duration,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub reach: Reach,
}

/// A process that can be asked how it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Asked {
    /// `fabric dev`
    Dev,
    /// `fabric serve`
    Serve,
    /// `fabric gateway`
    Gateway,
    /// `fabric worker`
    Worker,
    /// `fabric watchdog`, at /_/health or /_/ready
    Watchdog,
}

impl Asked {
    /// What it is called on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Serve => "serve",
            Self::Gateway => "gateway",
            Self::Worker => "worker",
            Self::Watchdog => "watchdog",
        }
    }
}
