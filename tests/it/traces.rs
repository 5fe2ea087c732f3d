//! Traces: what a collector is told of a call, and what becomes of calls whose collector takes nothing.

mod collectors;
mod decisions;
mod whole;

use serde_json::json;
use tests::collector::{Collector, Span};
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;

/// A caller's own trace, which is recorded.
const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// The same, which is not.
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A gateway and a worker in processes of their own, which tell a collector.
struct Pair {
    _nats: Nats,
    gateway: Fabric,
    worker: Fabric,
    server: Server,
}

impl Pair {
    async fn start(collector: &str, more: &[&str]) -> Self {
        let (nats, server) = (Nats::start().await, Server::start().await);
        let url = nats.url();
        let told =
            |command| [&[command, "--broker", &url, "--otlp-endpoint", collector, "--pre-stop", "0s"], more].concat();
        let gateway = Fabric::start(&told("gateway")).await;
        let worker = Fabric::start(&[&told("worker")[..], &["--allow-private-callbacks"]].concat()).await;
        Self { _nats: nats, gateway, worker, server }
    }

    /// A function that is retried at once.
    async fn register(&self, name: &str, path: &str, more: &[(&str, &str)]) {
        let mut annotations = json!({
            "fabric.upstream": self.server.url(path),
            "com.openfaas.retry.min_wait": "50ms",
            "com.openfaas.retry.max_wait": "100ms",
            "fabric.retry.jitter": "none",
        });
        for (name, value) in more {
            annotations[name] = json!(value);
        }
        self.gateway.register(name, annotations).await;
    }

    /// Ends both, which send what is left.
    async fn end(&mut self) {
        for fabric in [&mut self.gateway, &mut self.worker] {
            fabric.process.terminate();
            assert!(fabric.process.ended().await.success());
        }
    }
}

/// The spans of a trace once there are so many that have this name.
async fn told(collector: &Collector, trace: &str, name: &str, count: usize) -> Vec<Span> {
    eventually(async || {
        let spans = collector.trace(trace);
        let found = spans.iter().filter(|span| span.name == name).count();
        if found >= count { Ok(spans) } else { Err(format!("{found} of {count} spans {name:?} among {spans:#?}")) }
    })
    .await
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}
