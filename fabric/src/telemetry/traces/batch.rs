//! Empties the outbox, a batch at a time.

use std::sync::Arc;
use std::time::Duration;

use actors::port::tracer::Span;
use opentelemetry_sdk::trace::SpanExporter;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::convert;
use super::send::Why;
use super::tally::Tally;

/// The most spans in one request: about a megabyte.
const BATCH: usize = 2048;
/// How long spans are collected before they are sent, so that few requests are sent and this task seldom wakes.
const COLLECT: Duration = Duration::from_millis(200);
/// How often it is looked whether enough are collected: more come in that time than there is room for only where more come
/// than any collector takes.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Sends until told to stop; then what is left.
pub(super) async fn run<E: SpanExporter>(
    exporter: E,
    spans: mpsc::Receiver<Span>,
    tally: Arc<Tally>,
    stop: CancellationToken,
    why: Why,
) {
    let mut waiting = Waiting { spans, tally: tally.clone() };
    let scope = convert::scope();
    let mut trouble = Trouble::default();
    while let Some(first) = next(&mut waiting.spans, &stop).await {
        let mut batch = Batch { spans: vec![first], len: 1, tally: &tally };
        collected(&waiting.spans, &stop).await;
        while batch.len < BATCH
            && let Ok(span) = waiting.spans.try_recv()
        {
            batch.put(span);
        }
        let data = batch.spans.drain(..).map(|span| convert::convert(span, &scope)).collect();
        match exporter.export(data).await {
            Ok(()) => {
                batch.sent();
                trouble.is_over();
            }
            Err(error) => trouble.began(&error, why.take().as_deref(), &tally),
        }
    }
}

/// The next span; none once there is none left of those that were told before the end.
async fn next(spans: &mut mpsc::Receiver<Span>, stop: &CancellationToken) -> Option<Span> {
    tokio::select! {
        biased;
        span = spans.recv() => span,
        () = stop.cancelled() => None,
    }
}

/// Waits until a batch is worth sending.
async fn collected(spans: &mpsc::Receiver<Span>, stop: &CancellationToken) {
    let until = Instant::now() + COLLECT;
    while spans.len() < BATCH && Instant::now() < until && !stop.is_cancelled() {
        sleep(LOOK_EVERY).await;
    }
}

/// Spans that wait: those that still do when nobody sends them any more are lost, and counted.
struct Waiting {
    spans: mpsc::Receiver<Span>,
    tally: Arc<Tally>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.tally.lose(self.spans.len());
    }
}

/// Spans on their way. Those of a batch that is dropped before it is [`sent`](Self::sent) are lost, and counted.
struct Batch<'a> {
    spans: Vec<Span>,
    len: usize,
    tally: &'a Tally,
}

impl Batch<'_> {
    fn put(&mut self, span: Span) {
        self.spans.push(span);
        self.len += 1;
    }

    fn sent(mut self) {
        self.tally.send(std::mem::take(&mut self.len));
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.tally.lose(self.len);
    }
}

/// Said when it begins and when it is over, not once a batch.
#[derive(Default)]
struct Trouble(bool);

impl Trouble {
    fn began(&mut self, error: &dyn std::fmt::Display, why: Option<&str>, tally: &Tally) {
        if !std::mem::replace(&mut self.0, true) {
            let dropped = tally.dropped();
            tracing::warn!(%error, why, dropped, "spans cannot be sent: they are lost until the collector takes them again");
        }
    }

    fn is_over(&mut self) {
        if std::mem::take(&mut self.0) {
            tracing::info!("spans are sent again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use actors::port::tracer::Kind;
    use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
    use opentelemetry_sdk::trace::SpanData;
    use proto::Timestamp;
    use proto::trace::Context;

    use super::*;

    /// Takes spans, refuses them, or never answers.
    #[derive(Clone, Debug)]
    enum Collector {
        Takes(Arc<Mutex<Vec<usize>>>),
        Refuses,
        Hangs,
    }

    impl SpanExporter for Collector {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            match self {
                Self::Takes(batches) => batches.lock().unwrap().push(batch.len()),
                Self::Refuses => return Err(OTelSdkError::InternalFailure("503".into())),
                Self::Hangs => std::future::pending().await,
            }
            Ok(())
        }
    }

    fn span() -> Span {
        let context = Context::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        Span::begin("s", Kind::Internal, context, Timestamp::default())
    }

    async fn told(collector: Collector, count: usize) -> (u64, u64) {
        let (sender, spans) = mpsc::channel(10_000);
        for _ in 0..count {
            sender.try_send(span()).unwrap();
        }
        let (tally, stop) = (Arc::<Tally>::default(), CancellationToken::new());
        stop.cancel();
        let task = run(collector, spans, tally.clone(), stop, Why::default());
        drop(tokio::time::timeout(Duration::from_secs(60), task).await);
        (tally.sent(), tally.lost())
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_told_before_the_end_is_sent_in_batches() {
        let batches = Arc::<Mutex<Vec<usize>>>::default();
        assert_eq!(told(Collector::Takes(batches.clone()), 5000).await, (5000, 0));
        assert_eq!(*batches.lock().unwrap(), [BATCH, BATCH, 5000 - 2 * BATCH]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_taken_is_counted() {
        assert_eq!(told(Collector::Refuses, 3).await, (0, 3));
        let more = BATCH + 3;
        assert_eq!(told(Collector::Hangs, more).await, (0, more as u64), "also where it is given up");
    }
}
