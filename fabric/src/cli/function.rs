//! `fabric function`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::change::Condition;
use super::reach::Reach;
use super::value::pair;

/// `fabric function`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "flattened: its fields are documented")]
pub struct Functions {
    #[command(flatten)]
    pub reach: Reach,
    #[command(subcommand)]
    pub command: FunctionCommand,
}

/// What is done with functions.
#[derive(Debug, Subcommand)]
pub enum FunctionCommand {
    /// Lists what is registered.
    List {
        /// Only those of this namespace.
        #[arg(long)]
        namespace: Option<String>,
    },
    /// Shows one, with its revision.
    Get {
        /// NAME or NAME.NAMESPACE.
        name: String,
    },
    /// Registers one, or changes what is said here and leaves the rest.
    Set(Box<SetFunction>),
    /// Deletes one, and says what becomes of its calls.
    Rm {
        /// NAME or NAME.NAMESPACE.
        name: String,
        /// What becomes of the calls that were accepted.
        #[arg(long, value_enum, default_value_t)]
        backlog: Backlog,
        #[command(flatten)]
        #[expect(missing_docs, reason = "flattened: its fields are documented")]
        condition: Condition,
    },
}

/// What becomes of the calls of a function that is deleted.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Backlog {
    /// They run.
    #[default]
    Drain,
    /// They go to the dead letters.
    DeadLetter,
}

impl Backlog {
    /// As the admin API says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::DeadLetter => "dead-letter",
        }
    }
}

/// `fabric function set`
#[derive(Debug, Args)]
pub struct SetFunction {
    /// NAME or NAME.NAMESPACE.
    pub name: String,
    /// All of it, from a JSON, YAML or TOML file with the fields of the admin API: what the file does not say is not set
    /// any more.
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with_all = ["annotation", "label", "unset"])]
    pub file: Option<PathBuf>,
    /// Any annotation.
    #[arg(long, value_parser = pair, value_name = "NAME=VALUE")]
    pub annotation: Vec<(String, String)>,
    /// An annotation that is to be set no more.
    #[arg(long, value_name = "NAME")]
    pub unset: Vec<String>,
    /// A label.
    #[arg(long, value_parser = pair, value_name = "NAME=VALUE")]
    pub label: Vec<(String, String)>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub usual: Usual,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub condition: Condition,
}

/// The annotations that are set most, by shorter names.
#[derive(Debug, Args)]
#[group(id = "usual", multiple = true, conflicts_with = "file")]
pub struct Usual {
    /// Where it answers: fabric.upstream.
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// Calls that run at once in the whole cluster: fabric.concurrency.
    #[arg(long, value_name = "N")]
    pub concurrency: Option<String>,
    /// Calls that start in a time, such as 100/s: fabric.rate.
    #[arg(long, value_name = "RATE")]
    pub rate: Option<String>,
    /// How many of them at once: fabric.burst.
    #[arg(long, value_name = "N")]
    pub burst: Option<String>,
    /// Calls that gateways accept in a time: fabric.accept-rate.
    #[arg(long, value_name = "RATE")]
    pub accept_rate: Option<String>,
    /// Calls that each endpoint takes at once: fabric.slots.
    #[arg(long, value_name = "N")]
    pub slots: Option<String>,
    /// How long a call may run: fabric.timeout.
    #[arg(long, value_name = "DURATION")]
    pub timeout: Option<String>,
    /// Its share of a full worker: fabric.weight.
    #[arg(long, value_name = "N")]
    pub weight: Option<String>,
    /// Whether its calls are held back: fabric.paused.
    #[arg(long, value_name = "BOOL")]
    pub paused: Option<String>,
    /// What is kept of its calls: fabric.result.
    #[arg(long, value_name = "KEEP")]
    pub result: Option<String>,
    /// The queue its calls wait in: com.openfaas.queue.
    #[arg(long, value_name = "NAME")]
    pub queue: Option<String>,
    /// Attempts before a call is dead: com.openfaas.retry.attempts.
    #[arg(long, value_name = "N")]
    pub attempts: Option<String>,
}
