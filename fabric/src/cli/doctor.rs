//! `fabric doctor`

use clap::Args;
use proto::subject::Subjects;

use super::access::Access;
use super::reach::{Public, Reach};

/// `fabric doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// The NATS server that the processes use, if they use one: it is looked at too.
    #[arg(long, value_name = "URL")]
    pub broker: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub access: Access,
    /// What the names of streams and subjects begin with.
    #[arg(long, default_value = "fabric", value_parser = Subjects::new, value_name = "NAME")]
    pub prefix: Subjects,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub reach: Reach,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub public: Public,
}
