//! Everything that reads what comes from outside, as functions of any bytes: none may panic or hang, and what was read must
//! be written so that it is read alike.
//!
//! `it/fuzzed.rs` calls them with changed and with random bytes on stable Rust; `fuzz/` has the same functions as targets of
//! cargo-fuzz. Both begin with what lies in `fuzz/corpus/<target>/`, where everything that ever went wrong is kept.

use std::ffi::OsString;
use std::hint::black_box;
use std::path::Path;

use actors::port::control::Key;
use bytes::Bytes;
use clap::Parser;
use fabric::apply::file;
use fabric::cli::Cli;
use fabric::gateway::route::Route;
use fabric::invoke::redirect;
use fabric::listener::Framing;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proto::deployment::Deployment;
use proto::header::{HOP_BY_HOP, drop_hop_by_hop};
use proto::host::Hosts;
use proto::limit::Rate;
use proto::openfaas::QueueRequest;
use proto::outcome::{Reply, retry_after};
use proto::queue::{QueueSpec, Settings};
use proto::signing::{Secret, sign};
use proto::tenant::{Kept, NamespaceSpec, Tenancy};
use proto::trace::{Context, carry};
use proto::upstream::{Template, Upstream};
use proto::{
    CallId, Dead, Function, FunctionSpec, Namespace, Queue, Record, Timestamp, callback, codec, page, path, when,
};

/// One of them.
pub struct Target {
    /// What it is called, and its corpus.
    pub name: &'static str,
    /// What is called with any bytes.
    pub run: fn(&[u8]),
    /// How many times dearer than the cheapest it is, roughly: it is called so much less often.
    pub weight: usize,
}

/// All of them.
pub const TARGETS: [Target; 17] = [
    Target { name: "envelope", run: envelope, weight: 1 },
    Target { name: "record", run: record, weight: 1 },
    Target { name: "page", run: records, weight: 1 },
    Target { name: "letter", run: letter, weight: 1 },
    Target { name: "openfaas", run: openfaas, weight: 1 },
    Target { name: "name", run: name, weight: 1 },
    Target { name: "headers", run: headers, weight: 1 },
    Target { name: "path", run: paths, weight: 1 },
    Target { name: "callback", run: callback_url, weight: 1 },
    Target { name: "upstream", run: upstream, weight: 1 },
    Target { name: "hosts", run: hosts, weight: 1 },
    Target { name: "deployment", run: deployment, weight: 2 },
    Target { name: "namespace", run: namespace, weight: 2 },
    Target { name: "framing", run: framing, weight: 1 },
    Target { name: "apply", run: apply, weight: 4 },
    Target { name: "config", run: config, weight: 100 },
    Target { name: "flags", run: flags, weight: 100 },
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_unix_nanos(1_790_000_000_000_000_000)
}

/// A call as a broker keeps it.
fn envelope(bytes: &[u8]) {
    if let Ok(call) = codec::decode(&Bytes::copy_from_slice(bytes)) {
        assert_eq!(codec::decode(&codec::encode(&call)).unwrap(), call);
        drop((call.message_id(), call.schedule_id(), call.life_id(), call.is_expired(now())));
    }
}

/// A record as a broker keeps it.
fn record(bytes: &[u8]) {
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(Record::decode(&record.encode()).unwrap(), record);
        drop((record.state_at(now()), record.end_id(), record.lane()));
    }
}

/// Many of them behind each other.
fn records(bytes: &[u8]) {
    let told = page::read(bytes);
    let again: Vec<u8> = told.iter().flat_map(Record::encode).collect();
    assert_eq!(page::read(&again), told);
    drop(page::latest(told));
}

/// A dead letter as a broker keeps it.
fn letter(bytes: &[u8]) {
    if let Ok(letter) = Dead::decode(&Bytes::copy_from_slice(bytes)) {
        assert_eq!(Dead::decode(&letter.encode()).unwrap(), letter);
    }
}

/// A call as OpenFaaS stores it.
fn openfaas(bytes: &[u8]) {
    if let Ok(request) = QueueRequest::decode(bytes) {
        assert_eq!(QueueRequest::decode(&request.encode()).unwrap(), request);
        if let Ok(arrival) = request.arrive("stream/1", now()) {
            assert_eq!(codec::decode(&codec::encode(&arrival.call)).unwrap(), arrival.call);
        }
    }
}

/// Names of everything.
fn name(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(function) = Function::parse(&text) {
        assert_eq!(Function::parse(&function.to_string()).unwrap(), function);
        assert!(function.shard(7) < 7);
    }
    if let Ok(namespace) = Namespace::parse(&text) {
        assert_eq!(Namespace::parse(namespace.as_str()).unwrap(), namespace);
    }
    if let Ok(queue) = Queue::parse(&text) {
        assert_eq!(Queue::parse(&queue.to_string()).unwrap(), queue);
    }
    if let Ok(id) = CallId::parse(&text) {
        assert_eq!(CallId::parse(id.as_str()).unwrap(), id);
        assert!(HeaderValue::from_str(id.as_str()).is_ok());
    }
    if let Ok(key) = Key::parse(&text) {
        assert_eq!(Key::parse(&key.to_string()).unwrap(), key);
    }
    let hashed = [Function::for_callback_host(&text, Namespace::default()), Function::for_subject(&text)];
    for function in hashed {
        assert_eq!(Function::parse(&function.to_string()).unwrap(), function);
    }
    let function = Function::for_subject("x");
    assert_eq!(CallId::for_idempotency_key(&function, bytes), CallId::for_idempotency_key(&function, bytes));
}

/// Lines of `name: value`, as far as HTTP allows them.
fn parsed(bytes: &[u8]) -> HeaderMap {
    let field = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b':')?;
        let value = HeaderValue::from_bytes(line[at + 1..].trim_ascii()).ok()?;
        Some((HeaderName::from_bytes(&line[..at]).ok()?, value))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in bytes.split(|byte| *byte == b'\n').take(64).filter_map(field) {
        headers.append(name, value);
    }
    headers
}

/// The headers of callers, functions and receivers.
fn headers(bytes: &[u8]) {
    let mut headers = parsed(bytes);
    if let Ok(when) = when::read(&headers, now()) {
        assert!(when.due.is_none_or(|due| due > now()));
    }
    if let Some(context) = Context::of(&headers) {
        let mut passed = HeaderMap::new();
        context.pass_on(&mut passed);
        assert_eq!(Context::of(&passed).map(|it| it.header()), Some(context.header()));
    }
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
        black_box(retry_after(Reply::Answered(status, &headers), now()));
    }
    let url = "https://user:pass@a.example/x/y?z".parse().unwrap();
    if let Ok(redirect::Hop::Follow(next)) = redirect::next(&url, StatusCode::FOUND, &headers, 0) {
        assert!(matches!(next.scheme(), "http" | "https") && next.has_host());
        assert!(next.origin() == url.origin() || next.password() != url.password());
    }
    carry(&headers.clone(), &mut HeaderMap::new());
    drop_hop_by_hop(&mut headers);
    assert!(HOP_BY_HOP.iter().all(|name| !headers.contains_key(name)));
    let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    sign(&mut headers, &[secret], "id", now(), bytes);
    assert_eq!(headers.get_all("webhook-signature").iter().count(), 1);
}

/// Paths of requests, and of functions in them.
fn paths(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    black_box(path::escapes(&text));
    let encoded = path::encode(&text);
    assert_eq!(path::decode(&encoded), text);
    assert!(path::is_encoding_of(&encoded, &text));
    if let Route::Enqueue(target) | Route::Forward(target) = Route::of(&text) {
        assert!(target.path.is_empty() || target.path.starts_with('/'));
        assert!(!target.name.contains('/'));
    }
}

/// The URL of a callback.
fn callback_url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(url) = callback::parse_url(&text) {
        assert_eq!(callback::parse_url(url.as_str()).unwrap(), url);
        let lane = callback::lane(&Function::parse("f.acme").unwrap(), &url);
        assert_eq!(Function::parse(&lane.function.to_string()).unwrap(), lane.function);
    }
}

/// Where functions answer.
fn upstream(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(all) = Upstream::parse_all(&text) {
        for upstream in all {
            assert_eq!(Upstream::parse(upstream.url.as_str()).unwrap().url, upstream.url);
        }
    }
    if let Ok(template) = Template::parse(&text) {
        for function in ["f", "localhost", "127.1", "0x7f.1", "2130706433"] {
            drop(template.upstreams(&Function::parse(function).unwrap()));
        }
    }
}

/// Lists of hosts, and rates.
fn hosts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(hosts) = Hosts::parse(&text) {
        assert_eq!(Hosts::parse(&hosts.to_string()).unwrap(), hosts);
        black_box((hosts.names(&text), hosts.holds([10, 0, 0, 1].into())));
    }
    if let Some(rate) = Rate::parse(&text) {
        assert!(rate.per_second() > 0.0 && rate.per_second().is_finite());
        assert_eq!(Rate::parse(&rate.to_string()), Some(rate));
    }
    drop((humantime::parse_duration(&text), Timestamp::parse_rfc3339(&text)));
}

/// A function as it is registered.
fn deployment(bytes: &[u8]) {
    if let Ok(deployment) = serde_json::from_slice::<Deployment>(bytes) {
        let json = serde_json::to_vec(&deployment).unwrap();
        assert_eq!(serde_json::from_slice::<Deployment>(&json).unwrap(), deployment);
        let template = Template::parse("http://{name}.{namespace}:8080").unwrap();
        if let Ok(spec) = FunctionSpec::compile_with(deployment, Some(&template)) {
            assert!(!spec.upstreams.is_empty() && !spec.timeout.is_zero());
        }
    }
    if let Ok(settings) = serde_json::from_slice::<Settings>(bytes) {
        drop(QueueSpec::compile(settings));
    }
}

/// A namespace as it is set.
fn namespace(bytes: &[u8]) {
    if let Ok(tenancy) = serde_json::from_slice::<Tenancy>(bytes) {
        let kept = serde_json::to_vec(&Kept(&tenancy)).unwrap();
        assert_eq!(serde_json::from_slice::<Tenancy>(&kept).unwrap(), tenancy);
        let shown = serde_json::to_string(&tenancy).unwrap();
        if let Ok(spec) = NamespaceSpec::compile(tenancy) {
            assert!(spec.secrets.iter().all(|secret| !shown.contains(&secret.reveal())));
        }
    }
}

/// Requests as they come over a connection; the first byte says in what pieces.
fn framing(bytes: &[u8]) {
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let pass = |piece: usize| {
        let (mut framing, mut all) = (Framing::default(), bytes.to_vec());
        all.chunks_mut(piece).for_each(|piece| framing.pass(piece));
        (all, framing.is_in_head(), framing.is_refused())
    };
    let (left, is_in_head, is_refused) = pass(usize::from(piece) + 1);
    let (_, whole_is_in_head, whole_is_refused) = pass(bytes.len().max(1));
    assert_eq!((is_in_head, is_refused), (whole_is_in_head, whole_is_refused));
    assert!(is_refused || left == bytes);
}

/// Files that are applied.
fn apply(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for name in ["x.toml", "x.yaml"] {
        if let Ok(all) = file::read(Path::new(name), &text).and_then(file::merge) {
            assert!(all.iter().all(|wanted| !wanted.name.is_empty()));
        }
    }
}

/// The configuration file.
fn config(bytes: &[u8]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let arguments = ["fabric", "config", "worker", "--config"].map(OsString::from);
    let arguments = [&arguments[..], &[file.path().into()]].concat();
    drop(fabric::config::read(&arguments, &fabric::config::Variables::new()));
}

/// Arguments, each on a line of its own.
fn flags(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    drop(Cli::try_parse_from(std::iter::once("fabric").chain(text.split('\n').take(16))));
}
