//! A connector that looks at the address it connects to, not at the name it was given.
//!
//! The name is resolved here, every address that is not allowed is dropped, and the connection is made to one of the
//! rest: between the check and the connection nobody can change what the name means.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tower_service::Service;

use super::address::is_public;

/// An address that a callback may not go to.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Connects to allowed addresses only.
#[derive(Clone, Copy, Debug)]
pub struct Guarded {
    allow_private: bool,
}

impl Guarded {
    /// With or without the addresses inside the network.
    #[must_use]
    pub fn new(allow_private: bool) -> Self {
        Self { allow_private }
    }

    async fn connect(self, uri: Uri) -> io::Result<TcpStream> {
        let addresses = resolve(&uri).await?;
        let allowed: Vec<_> =
            addresses.iter().filter(|address| self.allow_private || is_public(address.ip())).copied().collect();
        if allowed.is_empty() {
            let host = uri.host().unwrap_or_default();
            return Err(io::Error::other(Refused(format!(
                "callbacks may not go to {host}: its address is not on the public internet; \
                 --allow-private-callbacks allows it"
            ))));
        }
        let stream = TcpStream::connect(&*allowed).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// An address written out goes through the same check as a name.
async fn resolve(uri: &Uri) -> io::Result<Vec<SocketAddr>> {
    let host = uri.host().ok_or_else(|| io::Error::other("the URL names no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    match host.parse::<IpAddr>() {
        Ok(address) => Ok(vec![SocketAddr::new(address, port)]),
        Err(_) => Ok(lookup_host((host, port)).await?.collect()),
    }
}

impl Service<Uri> for Guarded {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let guarded = *self;
        Box::pin(async move { guarded.connect(uri).await.map(TokioIo::new) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(uri: &str) -> bool {
        let error = Guarded::new(false).connect(uri.parse().unwrap()).await.unwrap_err();
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
        Guarded::new(true).connect(uri.parse().unwrap()).await.unwrap();
    }
}
