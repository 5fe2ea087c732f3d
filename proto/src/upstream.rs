//! Where a function answers.

use std::fmt;

use url::Url;

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
/// records rely on it, says so for each of them and leaves the calls where they are. Whoever wants the same everywhere,
/// as most do, gives all processes the same file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

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
        let template = Self(text.into());
        template.upstreams_of("name", "namespace")?;
        Ok(template)
    }

    /// Where a function answers; never empty.
    ///
    /// # Errors
    /// If its name, in this place, makes no URL, as a number makes no host.
    pub fn upstreams(&self, function: &Function) -> Result<Vec<Upstream>, String> {
        self.upstreams_of(function.name(), function.namespace().as_str())
    }

    fn upstreams_of(&self, name: &str, namespace: &str) -> Result<Vec<Upstream>, String> {
        Upstream::parse_all(&self.0.replace("{name}", name).replace("{namespace}", namespace))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
