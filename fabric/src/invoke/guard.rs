//! A connector that looks at the address it connects to, not at the name it was given.
//!
//! The name is resolved here, every address that is not allowed is dropped, and the connection is made to one of the
//! rest: between the check and the connection nobody can change what the name means.
//!
//! Connections are pooled by scheme and authority. What a namespace allows travels in the authority, where a user's name
//! would be, so that a connection which was made by one list is never used by another.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use data_encoding::BASE64URL_NOPAD as BASE64;
use http::Uri;
use http::uri::{Authority, InvalidUri};
use hyper_util::rt::TokioIo;
use proto::host::Hosts;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::resolve::Resolve;
use super::rules::Rules;
use crate::http_client::CONNECT_WITHIN;

/// An address that a callback may not go to.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Connects to allowed addresses only.
#[derive(Clone)]
pub struct Guarded {
    rules: Arc<Rules>,
    resolver: Arc<dyn Resolve>,
}

impl Guarded {
    /// By these rules.
    #[must_use]
    pub fn new(rules: Rules, resolver: Arc<dyn Resolve>) -> Self {
        Self { rules: Arc::new(rules), resolver }
    }

    async fn connect(self, uri: Uri) -> io::Result<TcpStream> {
        let only = uri.authority().map(list).transpose()?.flatten();
        let (host, addresses) = self.addresses(&uri).await?;
        let (mut allowed, mut why) = (Vec::new(), None);
        for address in addresses {
            match self.rules.check(&host, address, only.as_ref()) {
                Ok(()) => allowed.push(address),
                Err(refused) => why = Some(refused),
            }
        }
        if let Some(why) = why.filter(|_| allowed.is_empty()) {
            return Err(io::Error::other(Refused(format!("callbacks may not go to {host}: {why}"))));
        }
        let connected = timeout(CONNECT_WITHIN, TcpStream::connect(&*allowed)).await;
        let stream = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// An address written out goes through the same check as a name.
    async fn addresses(&self, uri: &Uri) -> io::Result<(String, Vec<SocketAddr>)> {
        let host = uri.host().ok_or_else(|| io::Error::other("the URL names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.resolver.resolve(&host, port).await?,
        };
        Ok((host, addresses))
    }
}

/// The authority under which a callback's connections are pooled.
///
/// # Errors
/// If the list is too long for it.
pub fn pooled(authority: &Authority, only: Option<&Hosts>) -> Result<Authority, InvalidUri> {
    match only {
        Some(only) => Authority::try_from(format!("{}@{authority}", BASE64.encode(only.to_string().as_bytes()))),
        None => Ok(authority.clone()),
    }
}

/// The list in it.
fn list(authority: &Authority) -> io::Result<Option<Hosts>> {
    let Some((encoded, _)) = authority.as_str().rsplit_once('@') else { return Ok(None) };
    let text = BASE64.decode(encoded.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let hosts = text.and_then(|text| Hosts::parse(&text).ok());
    // Only `pooled` writes there. If it ever were something else, it is no leave to go anywhere.
    hosts.map(Some).ok_or_else(|| io::Error::other("the list of hosts of a namespace cannot be read"))
}

impl Service<Uri> for Guarded {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let guarded = self.clone();
        Box::pin(async move { guarded.connect(uri).await.map(TokioIo::new) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::resolve::System;
    use super::*;

    fn guarded(rules: Rules) -> Guarded {
        Guarded::new(rules, Arc::new(System))
    }

    async fn refused(uri: &str) -> bool {
        let error = guarded(Rules::default()).connect(uri.parse().unwrap()).await.unwrap_err();
        error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Refused>)
    }

    #[tokio::test]
    async fn names_and_literals_are_checked_alike() {
        for uri in ["http://127.0.0.1:9/", "http://[::1]:9/", "http://localhost:9/", "https://[::ffff:10.0.0.1]/"] {
            assert!(refused(uri).await, "{uri}");
        }
    }

    #[tokio::test]
    async fn inside_is_reachable_when_allowed() {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", socket.local_addr().unwrap());
        let rules = Rules { allow_private: true, ..Rules::default() };
        guarded(rules).connect(uri.parse().unwrap()).await.unwrap();
    }

    #[test]
    fn a_list_travels_in_the_authority() {
        let only = Hosts::parse("*.acme.example,10.0.0.0/8,fd00::/8").unwrap();
        let authority = pooled(&"hooks.acme.example:8080".parse().unwrap(), Some(&only)).unwrap();
        assert_eq!((authority.host(), authority.port_u16()), ("hooks.acme.example", Some(8080)));
        assert_eq!(list(&authority).unwrap(), Some(only));
        assert!(list(&"someone@hooks.acme.example".parse().unwrap()).is_err());
        assert_eq!(list(&"hooks.acme.example".parse().unwrap()).unwrap(), None);
    }
}
