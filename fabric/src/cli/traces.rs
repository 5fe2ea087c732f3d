//! What is traced, and where to.

use clap::{ArgAction, Args};
use url::Url;

use crate::telemetry::traces::settings::{self, Settings};
use crate::telemetry::traces::share::Share;

/// What is traced.
#[derive(Debug, Args)]
pub struct Traces {
    /// Where spans are sent by OTLP (HTTP, protobuf), such as http://127.0.0.1:4318. If absent, what
    /// OTEL_EXPORTER_OTLP_ENDPOINT says; with neither, nothing is traced.
    #[arg(long, value_parser = settings::collector, value_name = "URL")]
    pub otlp_endpoint: Option<Url>,
    /// How many of the calls are traced whose callers have not decided, such as 1%. If absent, what
    /// OTEL_TRACES_SAMPLER says; with neither, all.
    #[arg(long, value_parser = share, value_name = "SHARE")]
    pub trace_sample: Option<Share>,
    /// Tell what goes wrong although its call is not traced.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", value_name = "BOOL")]
    pub trace_failures: bool,
}

impl Traces {
    /// With what OpenTelemetry's variables say.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn settings(self) -> Result<Settings, settings::Error> {
        Settings::of(self.otlp_endpoint, self.trace_sample, self.trace_failures, |name| std::env::var(name).ok())
    }
}

fn share(text: &str) -> Result<Share, String> {
    Share::parse(text).ok_or_else(|| "must be between 0% and 100%; write 1% or 0.01".into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Parsed {
        #[command(flatten)]
        traces: Traces,
    }

    #[test]
    fn a_share_has_bounds_and_failures_are_told_unless_somebody_says_otherwise() {
        let parsed = |args: &[&str]| Parsed::try_parse_from(args).map(|it| it.traces);
        let traces = parsed(&["x", "--trace-sample", "1%"]).unwrap();
        assert_eq!((traces.trace_sample, traces.trace_failures), (Share::parse("0.01"), true));
        assert!(!parsed(&["x", "--trace-failures=false"]).unwrap().trace_failures);
        let refused = parsed(&["x", "--trace-sample", "200%"]).unwrap_err().to_string();
        assert!(refused.contains("write 1% or 0.01"), "{refused}");
    }
}
