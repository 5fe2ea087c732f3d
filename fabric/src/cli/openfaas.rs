//! What is shared with an OpenFaaS that is there.

use clap::Args;
use proto::upstream::Template;

/// Where functions are that do not say so.
#[derive(Debug, Args)]
pub struct Upstreams {
    /// Where functions without annotation fabric.upstream answer: a URL with {name} and {namespace} for the function's
    /// own, such as http://{name}.{namespace}:8080 or http://gateway.openfaas:8080/function/{name}.{namespace}. The same
    /// for gateways and workers, unless they reach functions by different ways.
    #[arg(long, value_parser = Template::parse, value_name = "URL")]
    pub upstream_template: Option<Template>,
}
