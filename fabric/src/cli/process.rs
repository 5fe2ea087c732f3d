//! The commands that accept and run calls.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use proto::Function;
use url::Url;

use super::broker::{Broker, Records};
use super::callbacks::Callbacks;
use super::drain::Drain;
use super::listen::Listen;
use super::value::named_url;
use super::work::Work;

/// `fabric dev`
#[derive(Debug, Args)]
pub struct Dev {
    /// Where calls and functions are kept.
    #[arg(long, env = "FABRIC_DATA_DIR", default_value = ".fabric", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// A function of yours: where it answers. May be repeated.
    #[arg(long = "function", value_parser = named_url, value_name = "NAME=URL")]
    pub functions: Vec<(Function, Url)>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub records: Records,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub listen: Listen,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub work: Work,
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
    pub work: Work,
    #[command(flatten)]
    pub callbacks: Callbacks,
    #[command(flatten)]
    pub drain: Drain,
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
    pub drain: Drain,
}

/// `fabric worker`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "flattened: their fields are documented")]
pub struct Worker {
    #[command(flatten)]
    pub broker: Broker,
    #[command(flatten)]
    pub records: Records,
    /// Health, readiness and the admin API.
    #[arg(long, env = "FABRIC_ADMIN_LISTEN", default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub admin_listen: SocketAddr,
    #[command(flatten)]
    pub work: Work,
    #[command(flatten)]
    pub callbacks: Callbacks,
    #[command(flatten)]
    pub drain: Drain,
}
