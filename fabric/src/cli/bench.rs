//! The command that measures, and the programs that it compares with.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use super::access::Access;

/// `fabric bench`
#[derive(Debug, Args)]
#[group(id = "measured", required = true, multiple = true, args = ["broker", "data_dir"])]
pub struct Bench {
    /// A NATS server to measure on: what it makes there has names of its own, and is removed.
    #[arg(long, value_name = "URL")]
    pub broker: Option<String>,
    /// A directory in which the embedded broker is measured; what it makes there is removed.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub access: Access,
    /// How often everything is measured; what counts is the median.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub rounds: usize,
    /// How many calls a rate is measured with.
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pub calls: usize,
    /// How many calls a second latency is measured at.
    #[arg(long, default_value = "200", value_name = "N")]
    pub rate: NonZeroU32,
    /// Only these measurements: footprint, enqueue, drain, latency, recovery, fairness, watched, untold, lanes,
    /// embedded.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub only: Vec<String>,
    /// Write the results to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw the results into this directory as SVG.
    #[arg(long, value_name = "DIR")]
    pub plots: Option<PathBuf>,
}

/// `fabric bench-loop`
#[derive(Debug, Args)]
pub struct BenchLoop {
    /// The NATS server.
    #[arg(long)]
    pub broker: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub access: Access,
    /// The stream.
    pub stream: String,
    /// Where each message is posted to.
    pub target: String,
    /// How many at once.
    pub concurrency: usize,
}
