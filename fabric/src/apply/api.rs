//! The admin API, asked by this program.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value};
use url::Url;

use super::Error;
use super::file::Wanted;
use crate::admin::route::BASE;
use crate::http_client;

/// The admin API of one process.
pub struct Api {
    base: String,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// A record that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it says.
    pub record: Map<String, Value>,
    /// Which writing of it that is; empty if nobody has written it, and it is there all the same.
    pub tag: String,
}

struct Answer {
    status: StatusCode,
    tag: String,
    body: Value,
}

impl Api {
    /// The one whose admin listener is at `url`.
    ///
    /// # Errors
    /// [`Error::Away`] if that cannot be the URL of one.
    pub fn new(url: Url) -> Result<Self, Error> {
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(Error::Away { url: url.into(), why: "it is not an http URL".into() });
        }
        Ok(Self { base: format!("{}{BASE}", url.as_str().trim_end_matches('/')), client: http_client::buffered() })
    }

    /// What is there now.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    pub async fn get(&self, wanted: &Wanted) -> Result<Option<Found>, Error> {
        let answer = self.ask(Method::GET, wanted, &[], Bytes::new()).await?;
        match (answer.status, answer.body) {
            (StatusCode::OK, Value::Object(record)) => Ok(Some(Found { record, tag: answer.tag })),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (_, body) => Err(refused(wanted, &body)),
        }
    }

    /// Sets what is wanted where there is what has this tag, or nothing.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`], [`Error::Changed`].
    pub async fn put(&self, wanted: &Wanted, tag: Option<&str>) -> Result<(), Error> {
        let condition = tag.map_or((header::IF_NONE_MATCH, "*"), |tag| (header::IF_MATCH, tag));
        let body = Value::Object(wanted.body.clone()).to_string();
        let answer = self.ask(Method::PUT, wanted, &[condition], body.into()).await?;
        match answer.status {
            status if status.is_success() => Ok(()),
            StatusCode::PRECONDITION_FAILED => Err(Error::Changed(wanted.to_string())),
            _ => Err(refused(wanted, &answer.body)),
        }
    }

    async fn ask(
        &self,
        method: Method,
        wanted: &Wanted,
        headers: &[(header::HeaderName, &str)],
        body: Bytes,
    ) -> Result<Answer, Error> {
        let url = format!("{}/{}/{}", self.base, wanted.kind.plural(), wanted.name);
        let away = |why: String| Error::Away { url: url.clone(), why };
        let mut request = Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|error| away(error.to_string()))?;
        let answer = self.client.request(request).await.map_err(|error| away(because(&error)))?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| away(because(&error)))?.to_bytes();
        let tag = head.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Answer { status: head.status, tag: tag.to_owned(), body })
    }
}

/// What an error comes from, which says more than itself.
fn because(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

fn refused(wanted: &Wanted, body: &Value) -> Error {
    let why = body["detail"].as_str().unwrap_or("the answer is not that of an admin API").to_owned();
    Error::Refused { what: wanted.to_string(), why }
}
