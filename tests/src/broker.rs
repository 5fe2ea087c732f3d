//! The brokers under test, each behind the same two ports.

use std::sync::Arc;

use actors::memory::{Memory, Settings, SteadyClock};
use actors::port::broker::Quotas;
use actors::port::{Broker, Clock, Control, Presence, Survey};
use fabric::clock::SystemClock;
use fabric::embedded::Embedded;
use fabric::jetstream::{self, JetStream};
use proto::subject::Subjects;
use tempfile::TempDir;

use crate::nats::Nats;

/// The largest payload of all three: several times what a NATS server takes as a message.
pub const PAYLOAD_LEN_MAX: usize = 3 * 1024 * 1024;

/// Which broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In memory only.
    Memory,
    /// In a directory.
    Embedded,
    /// On a nats-server.
    JetStream,
}

/// A broker, and what it stands on.
pub struct Fixture {
    /// The broker.
    pub broker: Arc<dyn Broker>,
    /// The control plane.
    pub control: Arc<dyn Control>,
    /// Signs of life.
    pub presence: Arc<dyn Presence>,
    /// Questions to everybody.
    pub survey: Arc<dyn Survey>,
    /// The time of day that the broker goes by.
    pub clock: Arc<dyn Clock>,
    quotas: Quotas,
    ground: Ground,
}

enum Ground {
    Memory,
    Embedded { dir: TempDir, open: Embedded },
    JetStream { nats: Nats },
}

impl Fixture {
    /// A fresh broker with the usual quotas.
    pub async fn new(kind: Kind) -> Self {
        Self::with(kind, Quotas::default()).await
    }

    /// A fresh broker with these quotas.
    pub async fn with(kind: Kind, quotas: Quotas) -> Self {
        match kind {
            Kind::Memory => {
                let clock: Arc<dyn Clock> = Arc::new(SteadyClock::default());
                let memory =
                    Arc::new(Memory::new(Settings { quotas, payload_len_max: PAYLOAD_LEN_MAX }, clock.clone()));
                Self::of(memory, clock, quotas, Ground::Memory)
            }
            Kind::Embedded => {
                let dir = tempfile::tempdir().unwrap();
                let (open, broker) = embedded(&dir, quotas);
                Self::of(broker, Arc::new(SystemClock), quotas, Ground::Embedded { dir, open })
            }
            Kind::JetStream => {
                let nats = Nats::start().await;
                let broker = connect(&nats, quotas).await;
                Self::of(broker, Arc::new(SystemClock), quotas, Ground::JetStream { nats })
            }
        }
    }

    fn of<B>(all: Arc<B>, clock: Arc<dyn Clock>, quotas: Quotas, ground: Ground) -> Self
    where
        B: Broker + Control + Presence + Survey,
    {
        Self { broker: all.clone(), control: all.clone(), presence: all.clone(), survey: all, clock, quotas, ground }
    }

    /// Another process's view of the same broker: a second connection, where there are connections.
    pub async fn elsewhere(&self) -> Arc<dyn Broker> {
        match &self.ground {
            Ground::Memory | Ground::Embedded { .. } => self.broker.clone(),
            Ground::JetStream { nats } => connect(nats, self.quotas).await,
        }
    }

    /// How many pieces of payloads are kept aside: none where messages take every size.
    pub async fn pieces(&self) -> u64 {
        self.stream_of_pieces().await.map_or(0, |(_, stream)| stream.cached_info().state.messages)
    }

    /// The stream of those pieces, if there is one.
    pub async fn stream_of_pieces(
        &self,
    ) -> Option<(async_nats::jetstream::Context, async_nats::jetstream::stream::Stream)> {
        let Ground::JetStream { nats } = &self.ground else { return None };
        let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
        let stream = context.get_stream(Subjects::default().payloads_stream()).await.unwrap();
        Some((context, stream))
    }

    /// Ends the broker as a crash would and starts it again: nats-server by `kill -9`; the embedded broker by a copy
    /// of its file as it is on disk at this moment, opened anew. (`restart` kills a whole process as well.)
    pub async fn crash(self) -> Self {
        let Self { quotas, clock, broker, control, presence, survey, ground } = self;
        match ground {
            Ground::Memory => panic!("memory does not survive a crash"),
            Ground::Embedded { dir, open } => {
                let copy = tempfile::tempdir().unwrap();
                std::fs::copy(dir.path().join("fabric.redb"), copy.path().join("fabric.redb")).unwrap();
                drop((broker, control, presence, survey, open));
                let (open, broker) = embedded(&copy, quotas);
                Self::of(broker, clock, quotas, Ground::Embedded { dir: copy, open })
            }
            Ground::JetStream { mut nats } => {
                nats.kill9();
                nats.restart().await;
                let broker = connect(&nats, quotas).await;
                Self::of(broker, clock, quotas, Ground::JetStream { nats })
            }
        }
    }

    /// Lets go of what the broker stands on, in order.
    pub async fn close(self) {
        if let Ground::Embedded { open, .. } = &self.ground {
            open.close().await;
        }
    }
}

fn embedded(dir: &TempDir, quotas: Quotas) -> (Embedded, Arc<Memory>) {
    let settings = Settings { quotas, payload_len_max: PAYLOAD_LEN_MAX };
    let open = Embedded::open(dir.path(), settings, Arc::new(SystemClock)).unwrap();
    let broker = Arc::new(open.broker());
    (open, broker)
}

async fn connect(nats: &Nats, quotas: Quotas) -> Arc<JetStream> {
    let settings = jetstream::Settings {
        url: nats.url(),
        access: jetstream::Access::default(),
        subjects: Subjects::default(),
        replicas: 1,
        shards: None,
        quotas,
        payload_len_max: PAYLOAD_LEN_MAX,
    };
    Arc::new(JetStream::connect(settings).await.unwrap())
}
