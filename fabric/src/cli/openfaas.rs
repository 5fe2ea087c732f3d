//! What is shared with an OpenFaaS that is there.

use std::time::Duration;

use clap::{Args, ValueEnum};
use proto::upstream::Template;

use super::value::{duration, subject};

/// Where functions are that do not say so.
#[derive(Debug, Args)]
pub struct Upstreams {
    /// Where functions without annotation fabric.upstream answer: a URL with {name} and {namespace} for the function's
    /// own, such as http://{name}.{namespace}:8080 or http://gateway.openfaas:8080/function/{name}.{namespace}. The same
    /// for gateways and workers, unless they reach functions by different ways.
    #[arg(long, value_parser = Template::parse, value_name = "URL")]
    pub upstream_template: Option<Template>,
    /// How long calls of these functions may take that do not say so by annotation fabric.timeout.
    #[arg(long, default_value = "60s", value_parser = duration, value_name = "DURATION")]
    pub upstream_timeout: Duration,
}

impl Upstreams {
    /// The template with its time, if there is one.
    #[must_use]
    pub fn template(self) -> Option<Template> {
        self.upstream_template.map(|template| template.with_timeout(self.upstream_timeout))
    }
}

/// Whose calls are run besides our own.
#[derive(Debug, Args)]
pub struct OpenFaas {
    /// A JetStream subject on which an OpenFaaS gateway stores calls, such as faas-request: they are taken over and run
    /// here, those of functions that are not registered by --upstream-template. Needs --broker; may be repeated.
    #[arg(long = "openfaas-subject", value_delimiter = ',', value_parser = subject, value_name = "SUBJECT")]
    pub openfaas_subjects: Vec<String>,
    /// Where to begin with a stream that keeps what was read, where no consumer of OpenFaaS's says how far that was.
    #[arg(long, value_name = "WHERE")]
    pub openfaas_from: Option<Begin>,
}

/// Where a stream is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Begin {
    /// Everything that is in it.
    All,
    /// What comes from now on.
    New,
}
