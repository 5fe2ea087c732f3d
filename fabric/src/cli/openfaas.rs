//! What is shared with an OpenFaaS that is there.

use clap::Args;
use proto::upstream::Template;

use super::value::subject;

/// Where functions are that do not say so.
#[derive(Debug, Args)]
pub struct Upstreams {
    /// Where functions without annotation fabric.upstream answer: a URL with {name} and {namespace} for the function's
    /// own, such as http://{name}.{namespace}:8080 or http://gateway.openfaas:8080/function/{name}.{namespace}. The same
    /// for gateways and workers, unless they reach functions by different ways.
    #[arg(long, value_parser = Template::parse, value_name = "URL")]
    pub upstream_template: Option<Template>,
}

/// Whose calls are run besides our own.
#[derive(Debug, Args)]
pub struct OpenFaas {
    /// A JetStream subject on which an OpenFaaS gateway stores calls, such as faas-request: they are taken over and run
    /// here, those of functions that are not registered by --upstream-template. Needs --broker; may be repeated.
    #[arg(long = "openfaas-subject", value_delimiter = ',', value_parser = subject, value_name = "SUBJECT")]
    pub openfaas_subjects: Vec<String>,
}
