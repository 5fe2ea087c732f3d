//! How the exporter reaches its collector: over our own HTTP client.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::time::timeout;

use crate::http_client;

/// How long one request may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long an answer may be, in bytes: it says next to nothing.
const ANSWER_LEN_MAX: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Sender {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    why: Why,
}

impl Sender {
    /// One that notes why a request failed.
    pub(super) fn new(why: Why) -> Self {
        Self { client: http_client::buffered(), why }
    }
}

/// Why the last request failed: the exporter itself says no more than that the network is to blame.
#[derive(Clone, Debug, Default)]
pub(super) struct Why(Arc<Mutex<Option<String>>>);

impl Why {
    /// What was noted since this was asked before.
    pub(super) fn take(&self) -> Option<String> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, error: &HttpError) {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let exchange = async {
            let (head, body) = self.client.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, ANSWER_LEN_MAX).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        let no_answer = |_| Err(format!("no answer within {ANSWER_WITHIN:?}").into());
        timeout(ANSWER_WITHIN, exchange).await.unwrap_or_else(no_answer).inspect_err(|error| self.why.note(error))
    }
}
