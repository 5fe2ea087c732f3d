//! Why the server will not do, or what is on it.

use super::access;
use super::check::Fault;
use super::denied::Denied;
use super::trouble::Trouble;

/// Why a server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is shown to it is not there, or says nothing.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// Nobody there, or no entry.
    #[error("cannot connect to NATS at {at}: {why}")]
    Connect {
        /// The addresses, without credentials.
        at: String,
        /// Why not.
        why: Trouble,
    },
    /// The server lets this user in, and not do what he must.
    #[error("NATS at {at}: {denied}; {}", denied.mend())]
    Denied {
        /// The addresses, without credentials.
        at: String,
        /// What.
        denied: Denied,
    },
    /// The same, of a stream that is missing.
    #[error("stream {stream} is missing, and {denied}; {}", denied.mend())]
    NotMade {
        /// Its name.
        stream: String,
        /// What is not allowed.
        denied: Denied,
    },
    /// Too old.
    #[error("the NATS server at {at} is version {found}; Fabric needs 2.12 or newer, for message schedules")]
    Version {
        /// The addresses, without credentials.
        at: String,
        /// What it says.
        found: String,
    },
    /// No streams there.
    #[error("JetStream is not available at {at}: {why}; start nats-server with -js, or enable it for the account")]
    NoJetStream {
        /// The addresses, without credentials.
        at: String,
        /// What the server says.
        why: String,
    },
    /// A stream cannot be made or looked at.
    #[error("stream {stream} cannot be set up: {why}")]
    Stream {
        /// Its name.
        stream: String,
        /// What the server says.
        why: String,
    },
    /// A queue has another number of shards than was asked for.
    #[error("queue {queue} has {has} shards, and cannot have the {wanted} of --shards: {why}; or leave --shards away")]
    Shards {
        /// The queue.
        queue: proto::Queue,
        /// How many it has.
        has: u16,
        /// How many were asked for.
        wanted: u16,
        /// What is in the way.
        why: String,
    },
    /// A stream is there whose settings would lose messages.
    #[error("stream {stream} would lose messages: {}; change it, or let Fabric make its own with another --prefix",
        faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unsafe {
        /// Its name.
        stream: String,
        /// What is wrong with it.
        faults: Vec<Fault>,
    },
}
