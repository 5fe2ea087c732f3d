//! `fabric apply`

use std::path::PathBuf;

use clap::Args;
use url::Url;

/// `fabric apply`
#[derive(Debug, Args)]
pub struct Apply {
    /// What is to be: a TOML or YAML file with functions, namespaces and queues, or a stack.yml of OpenFaaS. May be
    /// repeated.
    #[arg(short = 'f', long = "file", required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Where the admin API is.
    #[arg(long, default_value = "http://127.0.0.1:8081", value_name = "URL")]
    pub admin: Url,
    /// Only say what would change.
    #[arg(long)]
    pub dry_run: bool,
}
