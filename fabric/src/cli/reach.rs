//! Where operators' commands ask, and how they write what they hear.

use clap::{Args, ValueEnum};
use url::Url;

/// Where the admin API is, and how answers are written.
#[derive(Clone, Debug, Args)]
pub struct Reach {
    /// Where the admin API is.
    #[arg(long, global = true, default_value = "http://127.0.0.1:8081", value_name = "URL")]
    pub admin: Url,
    /// A key or a token, where one is needed. Better said as FABRIC_KEY, because everybody on a machine sees command
    /// lines.
    #[arg(long, global = true, value_name = "KEY")]
    pub key: Option<String>,
    /// How the answer is written.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Output,
}

/// Where calls are taken.
#[derive(Clone, Debug, Args)]
pub struct Public {
    /// Where calls are taken: the public listener of a gateway.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub gateway: Url,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}
