//! Spans, to a collector: the adapter of the [`Tracer`] port.
//!
//! Whoever is traced puts a span into the outbox, which has room or has not, and goes on. A task of this module's own
//! empties it, a batch at a time, over OTLP. A collector that is slow, refuses or is dead costs spans, which are counted,
//! and nothing else.
//!
//! The bridge from `tracing` is not used: it makes up a span for every call before it is known that nobody wants it
//! (0.6 µs), where this port asks one bit of the message.

mod batch;
mod convert;
mod resource;
mod send;
pub mod settings;
pub mod share;
pub mod tally;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors::port::Tracer;
use actors::port::tracer::Span;
use actors::trace::Tracing;
use anyhow::Context as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::trace::SpanExporter as _;
use proto::trace::{Context, SpanId, TraceId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::settings::Settings;
use self::share::Share;
use self::tally::Tally;

/// Spans that wait to be sent, at most: some ten megabytes.
const ROOM: usize = 8192;
/// How long the last spans of a process may take to be sent.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

/// What traces, while a process is at work; if anything does.
pub struct Traces {
    tracing: Tracing,
    tally: Arc<Tally>,
    stop: CancellationToken,
    /// Taken when it is closed.
    sender: Mutex<JoinSet<()>>,
}

impl Traces {
    /// Begins to trace, in the process `id`, if there is a collector. Needs the runtime.
    ///
    /// # Errors
    /// When the collector cannot be sent to for want of a usable URL.
    pub fn start(settings: &Settings, id: &str) -> anyhow::Result<Self> {
        let (tally, stop, mut tasks) = (Arc::<Tally>::default(), CancellationToken::new(), JoinSet::new());
        let tracing = match &settings.collector {
            None => Tracing::default(),
            Some(collector) => {
                let why = send::Why::default();
                let exporter = SpanExporter::builder().with_http().with_http_client(send::Sender::new(why.clone()));
                let exporter = match collector.url() {
                    Some(url) => exporter.with_endpoint(url),
                    // The exporter reads the environment itself.
                    None => exporter,
                };
                let mut exporter = exporter.build().context("spans cannot be sent")?;
                exporter.set_resource(&resource::of(id));
                let (outbox, spans) = mpsc::channel(ROOM);
                tasks.spawn(batch::run(exporter, spans, tally.clone(), stop.clone(), why));
                tracing::info!(collector = %collector, sample = %settings.sample, "spans are sent");
                Tracing::by(Arc::new(Outbox {
                    spans: outbox,
                    tally: tally.clone(),
                    sample: settings.sample,
                    keeps_failures: settings.keeps_failures,
                }))
            }
        };
        Ok(Self { tracing, tally, stop, sender: Mutex::new(tasks) })
    }

    /// For those who are traced.
    #[must_use]
    pub fn tracing(&self) -> Tracing {
        self.tracing.clone()
    }

    /// What became of the spans.
    #[must_use]
    pub fn tally(&self) -> Arc<Tally> {
        self.tally.clone()
    }

    /// Sends what is left, for as long as that may take.
    pub async fn close(&self) {
        self.stop.cancel();
        let mut tasks = std::mem::take(&mut *self.sender.lock().unwrap_or_else(PoisonError::into_inner));
        if tasks.is_empty() {
            return;
        }
        if timeout(FLUSH_WITHIN, tasks.join_next()).await.is_err() {
            tracing::warn!("the last spans could not be sent in time");
            tasks.shutdown().await;
        }
        tracing::info!(sent = self.tally.sent(), dropped = self.tally.dropped(), lost = self.tally.lost(), "spans");
    }
}

/// Where spans are put.
struct Outbox {
    spans: mpsc::Sender<Span>,
    tally: Arc<Tally>,
    sample: Share,
    keeps_failures: bool,
}

impl Tracer for Outbox {
    fn root(&self) -> Context {
        let trace = random(TraceId::new);
        Context { trace, span: self.span(), sampled: self.sample.has(trace) }
    }

    fn span(&self) -> SpanId {
        random(SpanId::new)
    }

    fn keeps_failures(&self) -> bool {
        self.keeps_failures
    }

    fn record(&self, span: Span) {
        if self.spans.try_send(span).is_err() {
            self.tally.drop_one();
        }
    }
}

/// Drawn until it is an id: all are, but one in 2^64.
fn random<const N: usize, T>(id: impl Fn([u8; N]) -> Option<T>) -> T
where
    rand::distr::StandardUniform: rand::distr::Distribution<[u8; N]>,
{
    loop {
        if let Some(id) = id(rand::random()) {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use actors::port::tracer::Kind;
    use proto::Timestamp;

    use super::*;

    fn outbox(room: usize, sample: Share) -> (Outbox, mpsc::Receiver<Span>) {
        let (spans, receiver) = mpsc::channel(room);
        (Outbox { spans, tally: Arc::default(), sample, keeps_failures: true }, receiver)
    }

    #[test]
    fn a_full_outbox_counts_what_it_has_no_room_for() {
        let (outbox, mut receiver) = outbox(2, Share::ALL);
        for _ in 0..5 {
            outbox.record(Span::begin("s", Kind::Internal, outbox.root(), Timestamp::default()));
        }
        assert_eq!(outbox.tally.dropped(), 3);
        assert!(receiver.try_recv().is_ok() && receiver.try_recv().is_ok() && receiver.try_recv().is_err());
        drop(receiver);
        outbox.record(Span::begin("s", Kind::Internal, outbox.root(), Timestamp::default()));
        assert_eq!(outbox.tally.dropped(), 4, "nor where nobody sends any more");
    }

    #[test]
    fn as_many_traces_are_sampled_as_are_to_be() {
        let sampled = |sample| {
            let (outbox, _receiver) = outbox(1, sample);
            (0..10_000).filter(|_| outbox.root().sampled).count()
        };
        assert_eq!((sampled(Share::ALL), sampled(Share::NONE)), (10_000, 0));
        let some = sampled(Share::parse("10%").unwrap());
        assert!((700..1300).contains(&some), "{some}");
    }

    #[tokio::test]
    async fn with_no_collector_nobody_traces() {
        let settings = Settings { collector: None, sample: Share::ALL, keeps_failures: true };
        let traces = Traces::start(&settings, "p").unwrap();
        assert!(traces.tracing().tracer().is_none());
        traces.close().await;
    }
}
