//! `fabric log`

use clap::Args;

use super::reach::Reach;
use super::value::filter;

/// `fabric log`
#[derive(Debug, Args)]
pub struct Logs {
    /// What to log from now on, such as `debug` or `info,fabric::jetstream=debug`; left away, to see what is.
    #[arg(value_parser = filter, value_name = "FILTER")]
    pub filter: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub reach: Reach,
}
