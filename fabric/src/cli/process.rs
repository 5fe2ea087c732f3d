//! The commands that accept and run calls.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use proto::Function;

use super::authentication::Authentication;
use super::broker::{Broker, Records};
use super::callbacks::Callbacks;
use super::drain::Drain;
use super::listen::Listen;
use super::metrics::Metrics;
use super::openfaas::{OpenFaas, Upstreams};
use super::traces::Traces;
use super::value::{Upstream, named_upstream};
use super::watchdog::Watchdog;
use super::work::Work;
use super::workers::WorkerCommand;

/// What accepts and runs calls, and what they run.
#[derive(Debug, Subcommand)]
pub enum Process {
    /// Everything in one process, with demo functions, on this machine only: the place to begin.
    Dev(Dev),
    /// Gateway and worker in one process.
    Serve(Serve),
    /// Only accept calls; workers elsewhere run them.
    Gateway(Gateway),
    /// Only run calls that gateways accepted.
    Worker(Worker),
    /// Make a function of any program: it answers requests, says when it is busy, and ends without losing one.
    Watchdog(Box<Watchdog>),
}

impl Process {
    /// What it is called on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dev(_) => "dev",
            Self::Serve(_) => "serve",
            Self::Gateway(_) => "gateway",
            Self::Worker(_) => "worker",
            Self::Watchdog(_) => "watchdog",
        }
    }
}

/// `fabric dev`
#[derive(Debug, Args)]
pub struct Dev {
    /// Where calls and functions are kept.
    #[arg(long, default_value = ".fabric", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// A function of yours: where it answers, or a command such as wc='wc -c', which is run for each call with its body
    /// on stdin. May be repeated.
    #[arg(long = "function", value_parser = named_upstream, value_name = "NAME=URL|CMD")]
    pub functions: Vec<(Function, Upstream)>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub records: Records,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub upstreams: Upstreams,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub traces: Traces,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub listen: Listen,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub authentication: Authentication,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub work: Work,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub metrics: Metrics,
}

/// `fabric serve`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "flattened: their fields are documented")]
pub struct Serve {
    #[command(flatten)]
    pub broker: Broker,
    #[command(flatten)]
    pub records: Records,
    #[command(flatten)]
    pub listen: Listen,
    #[command(flatten)]
    pub authentication: Authentication,
    #[command(flatten)]
    pub upstreams: Upstreams,
    #[command(flatten)]
    pub openfaas: OpenFaas,
    #[command(flatten)]
    pub work: Work,
    #[command(flatten)]
    pub callbacks: Callbacks,
    #[command(flatten)]
    pub traces: Traces,
    #[command(flatten)]
    pub drain: Drain,
    #[command(flatten)]
    pub metrics: Metrics,
}

/// `fabric gateway`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "flattened: their fields are documented")]
pub struct Gateway {
    #[command(flatten)]
    pub broker: Broker,
    #[command(flatten)]
    pub records: Records,
    #[command(flatten)]
    pub listen: Listen,
    #[command(flatten)]
    pub authentication: Authentication,
    #[command(flatten)]
    pub upstreams: Upstreams,
    #[command(flatten)]
    pub traces: Traces,
    #[command(flatten)]
    pub drain: Drain,
    #[command(flatten)]
    pub metrics: Metrics,
}

/// `fabric worker`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[expect(missing_docs, reason = "flattened: their fields are documented")]
pub struct Worker {
    #[command(flatten)]
    pub broker: Broker,
    #[command(flatten)]
    pub records: Records,
    /// Health, readiness and the admin API.
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub admin_listen: SocketAddr,
    #[command(flatten)]
    pub authentication: Authentication,
    #[command(flatten)]
    pub upstreams: Upstreams,
    #[command(flatten)]
    pub openfaas: OpenFaas,
    #[command(flatten)]
    pub work: Work,
    #[command(flatten)]
    pub callbacks: Callbacks,
    #[command(flatten)]
    pub traces: Traces,
    #[command(flatten)]
    pub drain: Drain,
    #[command(flatten)]
    pub metrics: Metrics,
    #[command(subcommand)]
    pub command: Option<WorkerCommand>,
}
