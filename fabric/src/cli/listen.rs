//! What a gateway listens on and takes.

use std::net::SocketAddr;

use clap::Args;

use super::value::{memory, size};
use crate::listener::Limits;

/// The listeners of a gateway.
#[derive(Debug, Args)]
pub struct Listen {
    /// Calls.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Health, readiness and the admin API.
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub admin_listen: SocketAddr,
    /// Connections at once to each listener; more wait.
    #[arg(long, default_value_t = 16_384, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    pub max_connections: u32,
    /// Connections at once to each listener from one address, or from one /64 of IPv6; more are closed. Behind a proxy,
    /// its address is everybody's.
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub max_connections_per_address: u32,
    /// The largest body of an asynchronous call, up to 512MiB; more is refused with 413. What a NATS server does not
    /// take as a message is kept aside in pieces.
    #[arg(long, default_value = "1MiB", value_parser = size, value_name = "SIZE")]
    pub max_body: usize,
    /// Memory for the bodies of asynchronous calls while they come in and are stored; one namespace has at most half of it.
    /// More is refused with 503. At least --max-body; 256MiB, or twice --max-body if that is more, if nothing is said.
    #[arg(long, value_parser = memory, value_name = "SIZE")]
    pub body_memory: Option<usize>,
}

/// How much of bodies is held at once if nothing is said, in bytes.
const BODY_MEMORY: usize = 256 * 1024 * 1024;

/// Two options that cannot both be meant.
#[derive(Debug, thiserror::Error)]
#[error(
    "--body-memory is {memory} bytes and --max-body {body}: no body of that size could ever come in; raise the first"
)]
pub struct TooLittle {
    memory: usize,
    body: usize,
}

impl Listen {
    /// How much of bodies is held at once, in bytes.
    ///
    /// # Errors
    /// [`TooLittle`].
    pub fn bodies(&self) -> Result<usize, TooLittle> {
        match self.body_memory {
            None => Ok(BODY_MEMORY.max(self.max_body.saturating_mul(2))),
            Some(memory) if memory >= self.max_body => Ok(memory),
            Some(memory) => Err(TooLittle { memory, body: self.max_body }),
        }
    }

    /// How many connections each listener takes.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let most = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        Limits { connections: most(self.max_connections), per_address: most(self.max_connections_per_address) }
    }
}
