//! Where a function answers.

use url::Url;

/// A base URL at which a function answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// The URL, without `dns+`.
    pub url: Url,
    /// Whether each address of its host is an endpoint of its own (`dns+http://`).
    pub resolved: bool,
}

impl Upstream {
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

#[cfg(test)]
mod tests {
    use super::*;

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
