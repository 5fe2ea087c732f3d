//! What is shown to those who watch.

use clap::Args;

/// The metrics of a process.
#[derive(Debug, Args)]
pub struct Metrics {
    /// Functions that have metrics of their own, by who comes first; those beyond count together, as function `other`.
    #[arg(long, default_value_t = actors::meter::FUNCTIONS, value_name = "N")]
    pub metrics_functions: usize,
}
