//! Where a function answers.

use std::fmt;
use std::time::Duration;

use url::{Host, Url};

use crate::Function;

/// A base URL at which a function answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// The URL, without `dns+`.
    pub url: Url,
    /// Whether each address of its host is an endpoint of its own (`dns+http://`).
    pub resolved: bool,
}

impl Upstream {
    /// Reads one or several, separated by commas.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        text.split(',').map(Self::parse).collect()
    }

    /// Reads `http://…`, `https://…` or `dns+http://name:port`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (resolved, text) = text.strip_prefix("dns+").map_or((false, text), |text| (true, text));
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        match url.scheme() {
            // The certificate of a name is not one of its addresses.
            "https" if resolved => Err("must be dns+http: names behind https are not resolved one by one".into()),
            "http" | "https" if url.has_host() => Ok(Self { url, resolved }),
            _ => Err("must be an http or https URL".into()),
        }
    }
}

/// Where the functions answer that do not say so themselves: what `fabric.upstream` would be, with `{name}` and
/// `{namespace}` for the function's own.
///
/// It belongs to a process, not to a record: every process that reads a function's record applies its own, and nothing
/// of it is ever written down. So what was deployed is given back as it was, a new template holds for all functions at
/// the next start, and a gateway may reach functions by another way than workers do. One that was given none, although
/// records rely on it, says so for each of them, and their calls are tried again until they expire. Whoever wants the
/// same everywhere, as most do, gives all processes the same file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    url: String,
    timeout: Duration,
}

/// How long a function may run unless `fabric.timeout` says otherwise; OpenFaaS's `upstream_timeout`.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// What stands for the parts of a function's name.
const PLACEHOLDERS: [&str; 2] = ["{name}", "{namespace}"];

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bare = PLACEHOLDERS.iter().fold(text.to_owned(), |text, placeholder| text.replace(placeholder, ""));
        if bare.contains(['{', '}']) {
            return Err("only {name} and {namespace} stand for something; no other brace may be in it".into());
        }
        if !text.contains("{name}") {
            return Err(
                "must hold {name}, or all functions would be one, such as http://{name}.{namespace}:8080".into()
            );
        }
        let template = Self { url: text.into(), timeout: TIMEOUT_DEFAULT };
        template.upstreams_of("name", "namespace")?;
        Ok(template)
    }

    /// The same, with another time that calls of these functions may take.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How long calls may take of functions that do not say so themselves.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Where a function answers; never empty.
    ///
    /// # Errors
    /// If its name, in this place, makes no URL, or one that names no host but an address.
    pub fn upstreams(&self, function: &Function) -> Result<Vec<Upstream>, String> {
        self.upstreams_of(function.name(), function.namespace().as_str())
    }

    fn upstreams_of(&self, name: &str, namespace: &str) -> Result<Vec<Upstream>, String> {
        let upstreams = Upstream::parse_all(&self.url.replace("{name}", name).replace("{namespace}", namespace))?;
        // Callers choose names: one that is read as an address, or means this machine, would lead anywhere.
        let is_chosen = |of: &str| of.contains('{');
        for (upstream, of) in upstreams.iter().zip(self.url.split(',')) {
            let host = upstream.url.host_str().unwrap_or_default();
            let authority =
                of.split_once("://").map_or(of, |(_, rest)| rest).split(['/', '?', '#']).next().unwrap_or(of);
            let is_name = matches!(upstream.url.host(), Some(Host::Domain(_)));
            if is_chosen(authority) && (!is_name || host == "localhost" || host.ends_with(".localhost")) {
                return Err(format!("{host} is no name of a function's host"));
            }
        }
        Ok(upstreams)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_a_url_for_every_function() {
        let upstreams = |template: &str, function| {
            let upstreams = Template::parse(template).unwrap().upstreams(&Function::parse(function).unwrap());
            upstreams.map(|all| all.iter().map(|it| it.url.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(upstreams("http://{name}.{namespace}:8080", "f.acme").unwrap(), ["http://f.acme:8080/"]);
        let gateway = "http://gateway.openfaas:8080/function/{name}.{namespace}";
        assert_eq!(upstreams(gateway, "f").unwrap(), ["http://gateway.openfaas:8080/function/f.openfaas-fn"]);
        assert_eq!(upstreams("http://a/{name},http://b/{name}", "f").unwrap(), ["http://a/f", "http://b/f"]);
        assert!(Template::parse("dns+http://{name}:80").unwrap().upstreams_of("f", "n").unwrap()[0].resolved);
        assert!(upstreams("http://{name}.{namespace}:8080", "f.1").is_err(), "a.1 is read as an address");
        assert_eq!(upstreams("http://10.0.0.1:8080/{name}", "f").unwrap(), ["http://10.0.0.1:8080/f"], "as it was set");
        assert_eq!(upstreams("http://localhost/{name}", "localhost").unwrap(), ["http://localhost/localhost"]);
    }

    #[test]
    fn a_name_leads_to_no_address() {
        for (template, functions) in [
            ("http://{name}.{namespace}:8080", &["127.1", "0x7f.1", "169.16689662", "10.1", "f.localhost"][..]),
            ("http://{name}", &["2130706433", "0x7f000001", "017700000001", "localhost"]),
            ("https://fn:{name}@{name}:1,http://a/{name}", &["2130706433"]),
        ] {
            for function in functions {
                let refused = Template::parse(template).unwrap().upstreams(&Function::parse(function).unwrap());
                assert!(refused.is_err(), "{template} {function}: {refused:?}");
            }
        }
    }

    #[test]
    fn what_is_no_template_is_refused_and_says_why() {
        for (bad, why) in [
            ("http://{function}:8080", "only {name} and {namespace}"),
            ("http://{name}:8080/{", "only {name} and {namespace}"),
            ("http://{{name}}", "only {name} and {namespace}"),
            ("http://gateway:8080", "must hold {name}"),
            ("http://x.{namespace}", "must hold {name}"),
            ("{name}", "relative URL"),
            ("ftp://{name}", "http or https"),
            ("http://x:{name}", "port"),
            ("dns+https://{name}", "dns+http"),
        ] {
            let error = Template::parse(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn a_url_or_a_name_that_stands_for_several() {
        let read = |text| Upstream::parse(text).map(|it| (it.url.to_string(), it.resolved));
        assert_eq!(read(" https://a/base "), Ok(("https://a/base".into(), false)));
        assert_eq!(read("dns+http://b:2"), Ok(("http://b:2/".into(), true)));
        for bad in ["", "a", "/a", "ftp://a", "dns+https://a", "dns+ftp://a", "dns+dns+http://a"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
