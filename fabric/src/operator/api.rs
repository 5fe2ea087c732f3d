//! The admin API of one process.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use super::events::Events;
use super::site::{Error, Site};
use crate::admin::route::BASE;

/// What stands in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Items of a page.
const PAGE: usize = 500;

/// What is asked of it.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(&'static str, String)>);

/// What must be there for a change to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Anything.
    None,
    /// Nothing.
    Absent,
    /// The record that had this tag.
    Tag(String),
}

/// The admin API.
pub struct Api {
    site: Site,
}

/// A record that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it says.
    pub record: Map<String, Value>,
    /// Which writing of it that is; empty if nobody has written it, and it is there all the same.
    pub tag: String,
}

impl Query {
    /// One more parameter, if there is anything to say.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.0.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// A flag, if it is set.
    #[must_use]
    pub fn flag(self, name: &'static str, is_set: bool) -> Self {
        self.with(name, is_set.then_some(true))
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn on(&self, path: &str) -> String {
        if self.0.is_empty() {
            return path.to_owned();
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.0.iter().map(|(name, value)| (name, value.as_str())));
        format!("{path}?{}", query.finish())
    }
}

impl Condition {
    /// The one that `--if-match` says.
    #[must_use]
    pub fn of(if_match: Option<u64>) -> Self {
        if_match.map_or(Self::None, |revision| Self::Tag(format!("\"{revision}\"")))
    }

    fn headers(&self) -> HeaderMap {
        let one = match self {
            Self::None => None,
            Self::Absent => Some((header::IF_NONE_MATCH, HeaderValue::from_static("*"))),
            // A tag came as a header, or is a number in quotes.
            Self::Tag(tag) => tag.parse().ok().map(|tag| (header::IF_MATCH, tag)),
        };
        one.into_iter().collect()
    }
}

/// A path below the API's with what it is about: `/functions/` and a name.
#[must_use]
pub fn path(of: &str, name: &str) -> String {
    format!("{of}/{}", utf8_percent_encode(name, PLAIN))
}

impl Api {
    /// The one whose admin listener is at `url`, asked with `key`.
    ///
    /// # Errors
    /// [`Error::Away`] if that cannot be the URL of one, [`Error::Key`].
    pub fn new(url: &Url, key: Option<&str>) -> Result<Self, Error> {
        Ok(Self { site: Site::new(url, "--admin", key)? })
    }

    /// The listener.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Asks for something to be done; what is there then, and its tag.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &Query,
        condition: &Condition,
        body: Option<&Value>,
    ) -> Result<(Value, String), Error> {
        let path = query.on(&format!("{BASE}{path}"));
        let body = body.map(ToString::to_string).unwrap_or_default();
        let answer = self.site.ask(method, &path, condition.headers(), Bytes::from(body)).await?;
        let tag = answer.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default().to_owned();
        if answer.body.is_empty() {
            return Ok((Value::Null, tag));
        }
        match serde_json::from_slice(&answer.body) {
            Ok(body) => Ok((body, tag)),
            Err(_) => Err(self.site.strange(&path, answer.status)),
        }
    }

    /// What is there.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        Ok(self.ask(Method::GET, path, &Query::default(), &Condition::None, None).await?.0)
    }

    /// A record, if there is one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn find(&self, path: &str) -> Result<Option<Found>, Error> {
        match self.ask(Method::GET, path, &Query::default(), &Condition::None, None).await {
            Ok((Value::Object(record), tag)) => Ok(Some(Found { record, tag })),
            Ok(_) => Err(self.site.strange(path, http::StatusCode::OK)),
            Err(error) if error.status() == Some(http::StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is told of calls from now on.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn events(&self, query: &Query) -> Result<Events, Error> {
        self.site.follow(&query.on(&format!("{BASE}/events"))).await
    }

    /// A list, page after page, up to `limit`; and whether there is more.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list(&self, path: &str, query: Query, limit: Option<usize>) -> Result<(Vec<Value>, bool), Error> {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let left = limit.map_or(PAGE, |limit| limit.saturating_sub(all.len()).min(PAGE));
            if left == 0 {
                return Ok((all, true));
            }
            let page = query.clone().with("limit", Some(left)).with("cursor", cursor);
            let (mut body, _) = self.ask(Method::GET, path, &page, &Condition::None, None).await?;
            if let Some(Value::Array(items)) = body.get_mut("items").map(Value::take) {
                all.extend(items);
            }
            cursor = body.get("next").and_then(Value::as_str).map(ToOwned::to_owned);
            if cursor.is_none() {
                return Ok((all, false));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_parameters_stay_what_they_are() {
        assert_eq!(path("/functions", "f.acme/../g?x"), "/functions/f.acme%2F..%2Fg%3Fx");
        let query = Query::default().with("queue", Some("a&b")).with("max", None::<u64>).flag("dry_run", true);
        assert_eq!(query.on("/x"), "/x?queue=a%26b&dry_run=true");
        assert_eq!(Query::default().flag("dry_run", false).on("/x"), "/x");
    }

    #[test]
    fn a_condition_is_a_header() {
        assert_eq!(Condition::of(Some(7)).headers()[header::IF_MATCH], "\"7\"");
        assert_eq!(Condition::Absent.headers()[header::IF_NONE_MATCH], "*");
        assert!(Condition::of(None).headers().is_empty());
    }
}
