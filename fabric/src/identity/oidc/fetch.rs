//! Where a provider's keys are, by its own account; and the keys.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use url::{Host, Url};

use super::keyset::KeySet;
use crate::http_client;

/// How long each of the two answers may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The largest of them, in bytes.
const ANSWER_LEN_MAX: usize = 1024 * 1024;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Whoever is in between could put his own keys there.
    #[error("{0} is not https: whoever is in between could put keys of his own there")]
    Insecure(Url),
    /// The provider did not answer as one.
    #[error("{url}: {why}")]
    Answer {
        /// What was asked.
        url: Url,
        /// What is wrong with the answer.
        why: String,
    },
}

/// What discovery says that is of use here.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

/// A provider.
pub(super) struct Provider {
    issuer: Url,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Provider {
    pub(super) fn new(issuer: Url) -> Result<Self, Error> {
        check(&issuer)?;
        Ok(Self { issuer, client: http_client::buffered() })
    }

    pub(super) async fn keys(&self) -> Result<KeySet, Error> {
        let issuer = self.issuer.as_str().trim_end_matches('/');
        let place = format!("{issuer}/.well-known/openid-configuration");
        let place = place.parse().map_err(|error| strange(&self.issuer, &error))?;
        let Document { issuer: named, jwks_uri } = self.get(&place).await?;
        if named.trim_end_matches('/') != issuer {
            return Err(strange(&place, &format!("it says that it is {named}, and not {issuer}")));
        }
        let jwks_uri = jwks_uri.parse().map_err(|error| strange(&place, &format!("jwks_uri {jwks_uri:?}: {error}")))?;
        check(&jwks_uri)?;
        let keys = KeySet::of(self.get(&jwks_uri).await?);
        if keys.is_empty() {
            return Err(strange(&jwks_uri, &"there is no key for signatures that is known here"));
        }
        Ok(keys)
    }

    async fn get<T: DeserializeOwned>(&self, url: &Url) -> Result<T, Error> {
        let bytes = timeout(ANSWER_WITHIN, self.read(url)).await;
        let bytes = bytes.map_err(|_| strange(url, &format!("no answer within {ANSWER_WITHIN:?}")))??;
        serde_json::from_slice(&bytes).map_err(|error| strange(url, &error))
    }

    async fn read(&self, url: &Url) -> Result<Bytes, Error> {
        let request = Request::get(url.as_str()).header(header::ACCEPT, "application/json").body(Full::default());
        let request = request.map_err(|error| strange(url, &error))?;
        let answer = self.client.request(request).await.map_err(|error| strange(url, &error))?;
        if !answer.status().is_success() {
            return Err(strange(url, &format!("it answers {}", answer.status())));
        }
        let body = Limited::new(answer.into_body(), ANSWER_LEN_MAX).collect().await;
        Ok(body.map_err(|error| strange(url, &error))?.to_bytes())
    }
}

fn strange(url: &Url, why: &dyn std::fmt::Display) -> Error {
    Error::Answer { url: url.clone(), why: why.to_string() }
}

/// On this machine nobody is in between.
fn check(url: &Url) -> Result<(), Error> {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "https" || is_here && url.scheme() == "http" {
        Ok(())
    } else {
        Err(Error::Insecure(url.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_https_or_from_here() {
        let is_taken = |url: &str| check(&url.parse().unwrap()).is_ok();
        for good in ["https://id.example", "http://127.0.0.1:9", "http://[::1]/x", "http://localhost/realm"] {
            assert!(is_taken(good), "{good}");
        }
        for bad in ["http://id.example", "http://127.0.0.1.example", "ftp://localhost", "file:///etc/keys"] {
            assert!(!is_taken(bad), "{bad}");
        }
    }
}
