//! A collector of spans in the test's own process: OTLP over HTTP, protobuf, decoded by OpenTelemetry's own messages.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as Code;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How it takes what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Well,
    /// It reads it, and never answers.
    Never,
    /// It has no room: 503.
    Refuses,
}

/// A collector, until it is dropped.
pub struct Collector {
    url: String,
    taken: Arc<Mutex<Vec<Span>>>,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<usize>>,
    _tasks: JoinSet<()>,
}

/// A span as it came in.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "OTLP's own names, documented there")]
pub struct Span {
    pub service: String,
    pub name: String,
    pub kind: String,
    pub trace: String,
    pub id: String,
    pub parent: String,
    /// The traces and spans that it follows from.
    pub links: Vec<(String, String)>,
    pub attributes: BTreeMap<String, String>,
    pub failed: bool,
    pub began: u64,
    pub ended: u64,
}

impl Span {
    /// An attribute, empty if it is missing.
    #[must_use]
    pub fn is(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map_or("", String::as_str)
    }
}

impl Collector {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (taken, asked) = (Arc::<Mutex<Vec<Span>>>::default(), Arc::<Mutex<usize>>::default());
        let manner = Arc::new(Mutex::new(Manner::Well));
        let state = (taken.clone(), manner.clone(), asked.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = state.clone();
                let service = service_fn(move |request| {
                    let (taken, manner, asked) = state.clone();
                    async move {
                        *asked.lock().unwrap() += 1;
                        let manner = *manner.lock().unwrap();
                        answer(request, manner, &taken).await
                    }
                });
                connections.spawn(async move {
                    // A process that ends breaks its connection.
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self { url, taken, manner, asked, _tasks: tasks }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on it takes what it is sent so.
    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// How many requests came, whatever became of them.
    #[must_use]
    pub fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }

    /// What it has taken.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.taken.lock().unwrap().clone()
    }

    /// What it has taken of one trace, in the order in which it began.
    #[must_use]
    pub fn trace(&self, trace: &str) -> Vec<Span> {
        let mut spans: Vec<_> = self.spans().into_iter().filter(|span| span.trace == trace).collect();
        spans.sort_by_key(|span| span.began);
        spans
    }
}

async fn answer(
    request: Request<Incoming>,
    manner: Manner,
    taken: &Mutex<Vec<Span>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut response = Response::new(Full::new(ExportTraceServiceResponse::default().encode_to_vec().into()));
    match manner {
        Manner::Never => std::future::pending().await,
        Manner::Refuses => *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE,
        Manner::Well => {
            assert_eq!((head.method.as_str(), head.uri.path()), ("POST", "/v1/traces"));
            assert_eq!(head.headers["content-type"], "application/x-protobuf");
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            taken.lock().unwrap().extend(spans(request));
        }
    }
    Ok(response)
}

fn spans(request: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource in request.resource_spans {
        let service = attributes(resource.resource.unwrap().attributes)["service.name"].clone();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let links = span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect();
            spans.push(Span {
                service: service.clone(),
                kind: SpanKind::try_from(span.kind).unwrap().as_str_name().trim_start_matches("SPAN_KIND_").into(),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                links,
                failed: span.status.is_some_and(|status| status.code == i32::from(Code::Error as u8)),
                attributes: attributes(span.attributes),
                began: span.start_time_unix_nano,
                ended: span.end_time_unix_nano,
                name: span.name,
            });
        }
    }
    spans
}

fn attributes(all: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|it| it.value) {
        Some(Value::StringValue(text)) => text,
        // A number that came as text would be no number to whoever asks for a range.
        Some(Value::IntValue(number)) => format!("={number}"),
        other => format!("{other:?}"),
    };
    all.into_iter().map(|it| (it.key, text(it.value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
