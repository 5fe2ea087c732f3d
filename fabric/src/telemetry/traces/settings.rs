//! What is traced, and where to: by our own options, else by OpenTelemetry's variables.

use std::fmt;

use url::Url;

use super::share::Share;

/// Where the path of spans is at a collector, below the URL that it is known by.
const PATH: &str = "v1/traces";

/// What is traced.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where to; nothing is traced without one.
    pub collector: Option<Collector>,
    /// How many of the calls whose callers have not decided.
    pub sample: Share,
    /// Whether what goes wrong is told although it is not sampled.
    pub keeps_failures: bool,
}

/// Who takes spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collector {
    /// The one that our option names.
    Named(Url),
    /// The one that OpenTelemetry's variables name.
    OfEnvironment,
}

/// Why what is said of traces cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A sampler that there is not.
    #[error("OTEL_TRACES_SAMPLER is {0:?}; write always_on, always_off or traceidratio, each also after parentbased_")]
    Sampler(String),
    /// A share that is none.
    #[error("OTEL_TRACES_SAMPLER_ARG is {0:?}; write a number between 0 and 1, such as 0.01")]
    SamplerArg(String),
}

impl Collector {
    /// Where spans are posted, unless the environment says so.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        match self {
            Self::Named(base) => Some(format!("{}/{PATH}", base.as_str().trim_end_matches('/'))),
            Self::OfEnvironment => None,
        }
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(base) => base.fmt(f),
            Self::OfEnvironment => f.write_str("that of OTEL_EXPORTER_OTLP_ENDPOINT"),
        }
    }
}

/// A collector's URL.
///
/// # Errors
/// Why it cannot be one.
pub fn collector(text: &str) -> Result<Url, String> {
    let advice = "write http://127.0.0.1:4318";
    let url = Url::parse(text).map_err(|error| format!("{error}; {advice}"))?;
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => {
            Err("must hold no credentials: put them into OTEL_EXPORTER_OTLP_HEADERS".into())
        }
        "http" | "https" if url.query().is_none() && url.fragment().is_none() => Ok(url),
        _ => Err(format!("must be an http or https URL without a query; {advice}")),
    }
}

impl Settings {
    /// What our options say, and OpenTelemetry's variables where they say nothing.
    ///
    /// # Errors
    /// [`Error`] if a variable that counts cannot be read.
    pub fn of(
        collector: Option<Url>,
        sample: Option<Share>,
        keeps_failures: bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
        let names_one = || {
            let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
            let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
            !is_off && names.into_iter().any(|name| variable(name).is_some())
        };
        let collector = match collector {
            Some(url) => Some(Collector::Named(url)),
            None => names_one().then_some(Collector::OfEnvironment),
        };
        let sample = match (&collector, sample) {
            (_, Some(sample)) => sample,
            (None, None) => Share::ALL,
            (Some(_), None) => sampler(variable("OTEL_TRACES_SAMPLER"), variable("OTEL_TRACES_SAMPLER_ARG"))?,
        };
        Ok(Self { collector, sample, keeps_failures })
    }
}

/// What a caller has decided holds here whether the sampler says so or not.
fn sampler(name: Option<String>, arg: Option<String>) -> Result<Share, Error> {
    let Some(name) = name else { return Ok(Share::ALL) };
    match name.trim().strip_prefix("parentbased_").unwrap_or(name.trim()) {
        "always_on" => Ok(Share::ALL),
        "always_off" => Ok(Share::NONE),
        "traceidratio" => {
            let Some(arg) = arg else { return Ok(Share::ALL) };
            Share::parse(&arg).ok_or(Error::SamplerArg(arg))
        }
        _ => Err(Error::Sampler(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::option_option, reason = "whether there is a collector, and whether its URL is ours")]
    fn settings(
        url: Option<&str>,
        sample: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Result<(Option<Option<String>>, Share), Error> {
        let url = url.map(|url| collector(url).unwrap());
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
        let settings = Settings::of(url, sample.and_then(Share::parse), true, variable)?;
        Ok((settings.collector.map(|it| it.url()), settings.sample))
    }

    #[test]
    fn our_options_count_before_the_variables_of_others() {
        let share = |text| Share::parse(text).unwrap();
        let there = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
        let ratio = [there, ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.25")];
        assert_eq!(settings(None, None, &[]), Ok((None, Share::ALL)));
        assert_eq!(settings(None, None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), Ok((None, Share::ALL)));
        assert_eq!(settings(None, None, &[there]), Ok((Some(None), Share::ALL)), "the exporter reads it");
        assert_eq!(settings(None, None, &[there, ("OTEL_SDK_DISABLED", "true")]), Ok((None, Share::ALL)));
        assert_eq!(settings(None, None, &ratio), Ok((Some(None), share("25%"))));
        let named = Some(Some("http://d:1/base/v1/traces".to_owned()));
        assert_eq!(settings(Some("http://d:1/base/"), Some("1%"), &ratio), Ok((named, share("1%"))));
        let off = settings(None, None, &[there, ("OTEL_TRACES_SAMPLER", "always_off")]);
        assert_eq!(off, Ok((Some(None), Share::NONE)));
        let odd = [there, ("OTEL_TRACES_SAMPLER", "jaeger_remote")];
        assert_eq!(settings(None, None, &odd), Err(Error::Sampler("jaeger_remote".into())));
        let odd = [there, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")];
        assert_eq!(settings(None, None, &odd), Err(Error::SamplerArg("2".into())));
    }

    #[test]
    fn a_collector_is_a_url_without_secrets() {
        assert!(collector("https://collector.example/otlp").is_ok());
        for (bad, advice) in [
            ("collector:4318", "write http://127.0.0.1:4318"),
            ("4318", "write http://127.0.0.1:4318"),
            ("grpc://c:4317", "must be an http or https URL"),
            ("http://c:4318?token=x", "without a query"),
            ("http://me:secret@c:4318", "OTEL_EXPORTER_OTLP_HEADERS"),
        ] {
            let told = collector(bad).unwrap_err();
            assert!(told.contains(advice), "{bad}: {told}");
        }
    }
}
