//! The way to the broker: who a process is there, what it may do, and how it stays connected.

mod accounts;
mod creds;
mod lame_duck;
pub(crate) mod pki;
mod secure;
mod tls;
