//! How the exporter reaches its collector: over our own HTTP client.

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
pub(super) struct Sender(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Sender {
    pub(super) fn new() -> Self {
        Self(http_client::buffered())
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let exchange = async {
            let (head, body) = self.0.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, ANSWER_LEN_MAX).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        timeout(ANSWER_WITHIN, exchange).await?
    }
}
