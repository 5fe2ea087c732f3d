//! The JetStream adapter: streams, lanes, schedules and records on a NATS server, 2.12 or newer.
//!
//! | file | what |
//! |---|---|
//! | [`connect`] | the connection, and whether the server will do |
//! | [`access`] | who a process is to the server, and by what it knows the server |
//! | [`trouble`], [`denied`] | why there is no connection, and what is not allowed |
//! | [`voice`] | what becomes of the connection |
//! | [`layout`] | the streams, made when missing |
//! | [`check`] | whether a stream that was there would lose messages |
//! | [`inspect`] | a look at a server that changes nothing |
//! | [`publish`] | storing, and what the server's refusals mean |
//! | [`read`] | looking at what a stream holds |
//! | [`dead`], [`records`], [`cancels`] | dead letters, what is told of calls, which are to be cancelled |
//! | [`pages`] | what is told of many calls in one message |
//! | [`aside`] | payloads too large for a message, in pieces in a stream of their own |
//! | [`hints`] | wake hints, at most so many |
//! | [`lane`] | a lane is a durable consumer; a pull is one request |
//! | [`intake`] | the queue of an OpenFaaS gateway, read and otherwise left alone |
//! | [`control`] | functions, namespaces and API keys in two key-value buckets |
//! | [`presence`] | signs of life in another |
//! | [`shards`] | how many streams a queue has, in a third |
//! | [`survey`] | questions to every process, and their answers |
//! | [`trail`] | changes that were made, for those who look back |

pub mod access;
mod ack;
mod aside;
mod broker;
mod cancels;
pub mod check;
mod connect;
mod control;
mod dead;
mod denied;
mod error;
mod hints;
mod holdings;
pub mod inspect;
mod intake;
mod lane;
mod layout;
mod outage;
mod pages;
mod presence;
mod publish;
mod read;
mod records;
mod shards;
mod survey;
mod trail;
mod trouble;
mod voice;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actors::port::broker::Quotas;
use proto::Queue;
use proto::subject::Subjects;
use tokio::time::timeout;

pub use self::access::Access;
pub use self::connect::once;
pub use self::denied::Denied;
pub use self::error::Error;
use self::hints::Hints;
pub use self::intake::{Begin, Intake};
use self::layout::Layout;
use self::outage::Outage;
use self::pages::Pages;
pub use self::trail::Trail;
pub use self::trouble::Trouble;

/// How long notes and messages that are being given back may take.
const SENT_WITHIN: Duration = Duration::from_secs(2);

/// Where the server is, and how what is created on it is laid out.
#[derive(Clone)]
pub struct Settings {
    /// `nats://[user:password@]host:port`, several separated by commas.
    pub url: String,
    /// Who this is to the server.
    pub access: Access,
    /// The names.
    pub subjects: Subjects,
    /// Replicas of each stream.
    pub replicas: usize,
    /// Streams for each queue that is made; queues that are there must have as many, or get them. Absent: those that
    /// are there have what they have, and new ones have one.
    pub shards: Option<u16>,
    /// How much may wait.
    pub quotas: Quotas,
    /// The largest payload, in bytes; what is too large for a message of the server is kept aside.
    pub payload_len_max: usize,
}

impl std::fmt::Debug for Settings {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("prefix", &self.subjects).finish_non_exhaustive()
    }
}

/// The broker and the control plane on a NATS server; clones share the connection.
#[derive(Clone)]
pub struct JetStream {
    client: async_nats::Client,
    layout: Arc<Layout>,
    hints: Hints,
    pages: Pages,
    outage: Outage,
}

impl JetStream {
    /// Makes the streams of a queue that are missing; the names of all of them.
    ///
    /// # Errors
    /// [`Error`], as far as it is about streams.
    pub async fn make_queue(&self, queue: &Queue) -> Result<Vec<String>, Error> {
        self.layout.make_queue(queue).await
    }

    /// Whether a subject is one of those that this is laid out on, or one of the server's.
    #[must_use]
    pub fn owns(&self, subject: &str) -> bool {
        self.layout.settings.subjects.owns(subject)
    }

    /// Whether there is a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// How often it was made again.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed).saturating_sub(1)
    }

    /// Sends what waits to be sent, then closes the connection.
    pub async fn close(&self) {
        self.layout.returning.close();
        let sent = async { tokio::join!(self.pages.flush(), self.layout.returning.wait(), self.hints.flush()) };
        if timeout(SENT_WITHIN, sent).await.is_err() {
            tracing::debug!("messages that were on their way are free when their leases end; notes may be lost");
        }
        if let Err(error) = self.client.drain().await {
            tracing::debug!(%error, "the connection was closed already");
        }
    }
}
