//! A URL as Go's `net/url` takes it apart, which is how OpenFaaS stores a callback's.
//!
//! Credentials are lost on the way: Go writes `{}` for them, and nothing that could be read back.

use std::fmt;

use serde::{Serialize, Serializer};
use url::{Position, Url};

use crate::path;

/// Go's `url.URL`, in the order in which Go writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "Go's own names, documented there")]
pub struct GoUrl {
    pub scheme: String,
    pub opaque: String,
    /// Whether there were credentials.
    #[serde(serialize_with = "write_user")]
    pub user: bool,
    pub host: String,
    /// Decoded.
    pub path: String,
    pub fragment: String,
    pub raw_query: String,
    /// The path as it was written, if Go would write it otherwise.
    pub raw_path: String,
    pub raw_fragment: String,
    pub force_query: bool,
    pub omit_host: bool,
}

#[derive(Serialize)]
struct Nobody {}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn write_user<S: Serializer>(user: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    user.then_some(Nobody {}).serialize(serializer)
}

impl GoUrl {
    fn escaped_path(&self) -> String {
        match (self.raw_path.as_str(), self.path.as_str()) {
            (raw, path) if !raw.is_empty() && path::is_encoding_of(raw, path) => raw.into(),
            (_, "*") => "*".into(),
            (_, path) => path::encode(path),
        }
    }
}

/// As Go's `URL.String` puts it together, but for the fragment, which is sent to nobody.
impl fmt::Display for GoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        if self.opaque.is_empty() {
            let path = self.escaped_path();
            let is_nowhere = self.host.is_empty() && !self.user;
            if !is_nowhere || (!self.scheme.is_empty() && !self.omit_host && !path.is_empty()) {
                f.write_str("//")?;
            }
            if self.user {
                f.write_str("@")?;
            }
            f.write_str(&self.host)?;
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                f.write_str("/")?;
            }
            f.write_str(&path)?;
        } else {
            f.write_str(&self.opaque)?;
        }
        if self.force_query || !self.raw_query.is_empty() {
            write!(f, "?{}", self.raw_query)?;
        }
        Ok(())
    }
}

/// As Go's `url.Parse` takes it apart.
impl From<&Url> for GoUrl {
    fn from(url: &Url) -> Self {
        let decoded = path::decode(url.path()).into_owned();
        let differs = path::encode(&decoded) != url.path();
        Self {
            scheme: url.scheme().into(),
            user: !url.username().is_empty() || url.password().is_some(),
            host: url[Position::BeforeHost..Position::AfterPort].into(),
            raw_path: if differs { url.path().into() } else { String::new() },
            path: decoded,
            raw_query: url.query().unwrap_or_default().into(),
            force_query: url.query() == Some(""),
            fragment: url.fragment().map(|it| path::decode(it).into_owned()).unwrap_or_default(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> GoUrl {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn it_is_put_together_as_go_does_it() {
        for (json, url) in [
            (r#"{"Scheme":"http","Host":"a:8080","Path":"/x"}"#, "http://a:8080/x"),
            (r#"{"Scheme":"https","User":{},"Host":"host","Path":"/x"}"#, "https://@host/x"),
            (r#"{"Scheme":"http","Host":"a","Path":"/hook/a/b","RawPath":"/hook/a%2Fb"}"#, "http://a/hook/a%2Fb"),
            (r#"{"Scheme":"http","Host":"a","Path":"/hook/x","RawPath":"/hook/a%2Fb"}"#, "http://a/hook/x"),
            (r#"{"Scheme":"http","Host":"a","Path":"/a b?c","RawPath":"/a b?c"}"#, "http://a/a%20b%3Fc"),
            (r#"{"Scheme":"http","Host":"a","Path":"x","RawQuery":"q=1&r"}"#, "http://a/x?q=1&r"),
            (r#"{"Scheme":"http","Host":"a","ForceQuery":true}"#, "http://a?"),
            (r#"{"Scheme":"mailto","Opaque":"a@b"}"#, "mailto:a@b"),
            (r#"{"Scheme":"http","Host":"a","Path":"/x","Fragment":"y"}"#, "http://a/x"),
            (r#"{"Scheme":"file","Path":"/x"}"#, "file:///x"),
            (r#"{"Path":"/x"}"#, "/x"),
            ("{}", ""),
        ] {
            assert_eq!(read(json).to_string(), url, "{json}");
        }
    }

    #[test]
    fn it_is_taken_apart_as_go_does_it() {
        let apart = |url: &str| serde_json::to_string(&GoUrl::from(&Url::parse(url).unwrap())).unwrap();
        assert_eq!(
            apart("https://user:pass@a:8443/hook/a%2Fb?q=1"),
            r#"{"Scheme":"https","Opaque":"","User":{},"Host":"a:8443","Path":"/hook/a/b","Fragment":"","RawQuery":"q=1","RawPath":"/hook/a%2Fb","RawFragment":"","ForceQuery":false,"OmitHost":false}"#
        );
        for url in ["http://a/x%20y?z=%20", "http://[::1]:80/", "http://a.example/a%2Fb", "http://a/x?"] {
            let url = Url::parse(url).unwrap();
            assert_eq!(Url::parse(&GoUrl::from(&url).to_string()).unwrap(), url);
        }
    }
}
