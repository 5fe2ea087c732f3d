//! What a host's name means: a port of its own, so that a test can be a resolver that lies.

use std::io;
use std::net::SocketAddr;

use actors::port::BoxFuture;

/// Finds out addresses.
pub trait Resolve: Send + Sync + 'static {
    /// Every address that the name has now, each with `port`.
    ///
    /// # Errors
    /// Those of the resolver.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// Asks as this machine is set up to ask.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}
