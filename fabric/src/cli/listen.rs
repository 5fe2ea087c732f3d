//! What a gateway listens on and takes.

use std::net::SocketAddr;

use clap::Args;

use super::value::size;

/// The listeners of a gateway.
#[derive(Debug, Args)]
pub struct Listen {
    /// Calls.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Health, readiness and the admin API.
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub admin_listen: SocketAddr,
    /// The largest body of an asynchronous call, up to 512MiB; more is refused with 413. What a NATS server does not
    /// take as a message is kept aside in pieces.
    #[arg(long, default_value = "1MiB", value_parser = size, value_name = "SIZE")]
    pub max_body: usize,
}
