//! `fabric apply`

use std::path::PathBuf;

use clap::Args;

use super::reach::Reach;

/// `fabric apply`
#[derive(Debug, Args)]
pub struct Apply {
    /// What is to be: a TOML or YAML file with functions, namespaces and queues, or a stack.yml of OpenFaaS. May be
    /// repeated.
    #[arg(short = 'f', long = "file", required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Only say what would change.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub reach: Reach,
}
