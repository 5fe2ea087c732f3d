//! One listener of a process: requests, answers, and refusals as one line.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;

use super::events::Events;
use crate::http_client;
use crate::identity::credential::X_FABRIC_KEY;

/// Why there is no answer that is of use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers.
    #[error("{url} does not answer: {why}; is fabric running, and {option} right?")]
    Away {
        /// What was asked.
        url: String,
        /// What happened.
        why: String,
        /// What says where it is.
        option: &'static str,
    },
    /// What was given as a key cannot even be sent. It is not repeated.
    #[error("--key (FABRIC_KEY) holds characters that no key has")]
    Key,
    /// The answer is a refusal.
    #[error("{0}")]
    Refused(Problem),
    /// Whoever answers is somebody else.
    #[error("{url} answers {status}, and not as fabric does; is {option} right?")]
    Strange {
        /// What was asked.
        url: String,
        /// What it said.
        status: StatusCode,
        /// What says where it is.
        option: &'static str,
    },
}

impl Error {
    /// The status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(problem) => StatusCode::from_u16(problem.status).ok(),
            Self::Away { .. } | Self::Strange { .. } | Self::Key => None,
        }
    }
}

/// A refusal: problem details (RFC 9457), or the short form of the public listener.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Problem {
    /// The status.
    #[serde(default)]
    pub status: u16,
    /// What kind it is, in words.
    #[serde(alias = "error")]
    pub title: String,
    /// What is wrong.
    #[serde(alias = "message")]
    pub detail: String,
    /// What is wrong with which field.
    #[serde(default)]
    pub errors: Vec<Field>,
    /// Which revision is there, where another was expected.
    #[serde(default)]
    pub revision: Option<u64>,
}

/// What is wrong with a field.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Field {
    /// Which, as a JSON Pointer.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Problem {
    /// One line; the fields' reasons stand for the detail, which repeats them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.title)?;
        if self.errors.is_empty() {
            return f.write_str(&self.detail);
        }
        let fields = self.errors.iter().map(|it| format!("{}: {}", it.field, it.reason));
        f.write_str(&fields.collect::<Vec<_>>().join("; "))
    }
}

/// An answer that is no refusal.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// All of its body.
    pub body: Bytes,
}

/// A listener.
pub struct Site {
    base: String,
    option: &'static str,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// What says who asks.
    key: Option<HeaderValue>,
}

impl Site {
    /// The one at `url`, as `option` says, asked with `key`.
    ///
    /// # Errors
    /// [`Error::Away`] if that cannot be the URL of one, [`Error::Key`].
    pub fn new(url: &Url, option: &'static str, key: Option<&str>) -> Result<Self, Error> {
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            let why = "it is not an http URL".into();
            return Err(Error::Away { url: url.to_string(), why, option });
        }
        let base = url.as_str().trim_end_matches('/').to_owned();
        let mut key = key.map(HeaderValue::try_from).transpose().map_err(|_| Error::Key)?;
        if let Some(key) = &mut key {
            key.set_sensitive(true);
        }
        Ok(Self { base, option, client: http_client::buffered(), key })
    }

    /// The URL of `path` there.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Whatever is answered.
    ///
    /// # Errors
    /// [`Error::Away`].
    pub async fn send(&self, method: Method, path: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, Error> {
        let answer = self.request(method, path, headers, body).await?;
        self.whole(path, answer).await
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, Error> {
        let request = Request::builder().method(method).uri(self.url(path)).body(Full::new(body));
        let mut request = request.map_err(|error| self.away(path, &error))?;
        request.headers_mut().extend(headers);
        request.headers_mut().extend(self.key.clone().map(|key| (X_FABRIC_KEY, key)));
        self.client.request(request).await.map_err(|error| self.away(path, &error))
    }

    async fn whole(&self, path: &str, answer: Response<Incoming>) -> Result<Answer, Error> {
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| self.away(path, &error))?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// The error of an answer that did not come, or broke off.
    #[must_use]
    pub fn away(&self, path: &str, error: &(dyn std::error::Error + 'static)) -> Error {
        Error::Away { url: self.url(path), why: because(error), option: self.option }
    }

    /// An answer that goes on for as long as both sides like.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn follow(&self, path: &str) -> Result<Events, Error> {
        let answer = self.request(Method::GET, path, HeaderMap::new(), Bytes::new()).await?;
        if answer.status().is_success() {
            return Ok(Events::new(answer.into_body()));
        }
        Err(self.refusal(path, &self.whole(path, answer).await?))
    }

    /// The same, where a refusal is an error.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn ask(&self, method: Method, path: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, Error> {
        let answer = self.send(method, path, headers, body).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(self.refusal(path, &answer)) }
    }

    /// The same, within a time.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn look(&self, path: &str, within: Duration) -> Result<Answer, Error> {
        let asked = self.ask(Method::GET, path, HeaderMap::new(), Bytes::new());
        let why = format!("no answer within {within:?}");
        let late = |_| Error::Away { url: self.url(path), why, option: self.option };
        timeout(within, asked).await.map_err(late)?
    }

    /// The error that an answer is.
    #[must_use]
    pub fn refusal(&self, path: &str, answer: &Answer) -> Error {
        match serde_json::from_slice::<Problem>(&answer.body) {
            Ok(problem) => Error::Refused(Problem { status: answer.status.as_u16(), ..problem }),
            Err(_) => Error::Strange { url: self.url(path), status: answer.status, option: self.option },
        }
    }

    /// The error of an answer that is not what fabric says.
    #[must_use]
    pub fn strange(&self, path: &str, status: StatusCode) -> Error {
        Error::Strange { url: self.url(path), status, option: self.option }
    }
}

/// What an error comes from, which says more than itself.
#[must_use]
pub fn because(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_is_one_line_wherever_it_comes_from() {
        let line = |value: serde_json::Value| serde_json::from_value::<Problem>(value).unwrap().to_string();
        assert_eq!(line(json!({"title": "Bad name", "status": 400, "detail": "no"})), "Bad name: no");
        assert_eq!(line(json!({"error": "unknown_call", "message": "no"})), "unknown_call: no");
        let fields = json!([{"field": "/annotations/fabric.rate", "reason": "it is no rate"}]);
        let problem = json!({"title": "Bad spec", "detail": "it is no rate", "errors": fields});
        assert_eq!(line(problem), "Bad spec: /annotations/fabric.rate: it is no rate");
    }
}
