//! Who may ask for what.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use url::Url;

/// How somebody says who he is, and whether he has to.
#[derive(Clone, Debug, Default, Args)]
pub struct Authentication {
    /// Refuse requests that do not say by a key or a token who sends them. So it is as soon as an admin key or an issuer is
    /// named; without any of them only loopback addresses are listened on.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL")]
    pub auth: bool,
    /// A key that may do everything, of at least 32 characters: the one by which others are made. Better said as
    /// FABRIC_ADMIN_KEY, because everybody on a machine sees command lines.
    #[arg(long, value_name = "KEY")]
    pub admin_key: Option<String>,
    /// A file with such keys, one a line. It is read at the start.
    #[arg(long, value_name = "FILE")]
    pub admin_key_file: Option<PathBuf>,
    /// The OpenID provider whose tokens are taken; its keys are looked up by discovery.
    #[arg(long, value_name = "URL")]
    pub oidc_issuer: Option<Url>,
    /// Whom its tokens must be for, by their claim aud. May be repeated: one of them.
    #[arg(long, value_name = "AUDIENCE")]
    pub oidc_audience: Vec<String>,
    /// The claim that says what somebody may do: some of fabric:invoke, fabric:read, fabric:operate, fabric:admin.
    #[arg(long, default_value = "scope", value_name = "CLAIM")]
    pub oidc_scopes_claim: String,
    /// The claim that says in which namespaces: their names, or * for all.
    #[arg(long, default_value = "fabric_namespaces", value_name = "CLAIM")]
    pub oidc_namespaces_claim: String,
    /// Listen on addresses that others reach although anybody may then do everything.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL")]
    pub insecure_no_auth: bool,
    /// The stream that changes are told to, beside the log; made if it is missing. Only with --broker.
    #[arg(long, value_name = "STREAM")]
    pub audit_stream: Option<String>,
}
