//! What the watchdog counts, under the names that OpenFaaS's has.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The bounds of durations, in seconds: OpenFaaS's, and then some for functions that take their time.
const BOUNDS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    code: u16,
    method: &'static str,
}

/// The counters; clones are the same.
#[derive(Clone)]
pub(super) struct Meter {
    requests: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    registry: Arc<Registry>,
}

/// A request that is counted among those that run.
pub(super) struct Running(Gauge);

impl Meter {
    pub(super) fn new() -> Self {
        let (requests, in_flight) = (Family::default(), Gauge::default());
        let seconds = Family::new_with_constructor((|| Histogram::new(BOUNDS)) as fn() -> Histogram);
        let mut registry = Registry::default();
        registry.register("http_requests", "Requests that ended, by status and method", Family::clone(&requests));
        registry.register(
            "http_request_duration_seconds",
            "How long requests took, to the end of the answer, by status and method",
            Family::clone(&seconds),
        );
        registry.register("http_requests_in_flight", "Requests that run", Gauge::clone(&in_flight));
        Self { requests, seconds, in_flight, registry: Arc::new(registry) }
    }

    /// A request began.
    pub(super) fn begin(&self) -> Running {
        self.in_flight.inc();
        Running(self.in_flight.clone())
    }

    /// A request ended.
    pub(super) fn ended(&self, code: u16, method: &Method, took: Duration) {
        let labels = Labels { code, method: named(method) };
        self.requests.get_or_create(&labels).inc();
        self.seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The method as OpenFaaS's watchdog tells it. A caller may make up methods, but no series.
fn named(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        Method::HEAD => "head",
        Method::OPTIONS => "options",
        Method::CONNECT => "connect",
        Method::TRACE => "trace",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::format::Format;

    #[test]
    fn they_are_told_as_of_watchdog_tells_them() {
        let meter = Meter::new();
        let _running = meter.begin();
        drop(meter.begin());
        meter.ended(200, &Method::POST, Duration::from_millis(30));
        meter.ended(200, &Method::POST, Duration::from_secs(2));
        meter.ended(429, &"BREW".parse().unwrap(), Duration::ZERO);
        let text = String::from_utf8(Format::Text.write(meter.registry()).unwrap()).unwrap();
        for line in [
            "# TYPE http_requests_total counter",
            "http_requests_total{code=\"200\",method=\"post\"} 2",
            "http_requests_total{code=\"429\",method=\"unknown\"} 1",
            "http_request_duration_seconds_bucket{le=\"0.05\",code=\"200\",method=\"post\"} 1",
            "http_request_duration_seconds_count{code=\"200\",method=\"post\"} 2",
            "http_requests_in_flight 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }
}
