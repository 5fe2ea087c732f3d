//! The whole way of a call, in one trace or in several.

use tests::collector::{Collector, Span};
use tests::eventually;

use super::{CALLER, Pair, TRACE, named, told};

/// The only span with this name.
fn only<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found = named(spans, name);
    assert_eq!(found.len(), 1, "{name:?} among {spans:#?}");
    found[0]
}

fn children<'a>(spans: &'a [Span], parent: &Span) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.parent == parent.id).collect()
}

#[tokio::test]
async fn a_call_is_one_trace_from_its_caller_to_the_receiver_of_its_callback() {
    let collector = Collector::start().await;
    let mut pair = Pair::start(collector.url(), &[]).await;
    pair.register("f.acme", "/fail-first/503/2", &[]).await;
    let callback = pair.server.url("/callback?token=s3cret").replace("http://", "http://me:hunter2@");
    let headers = [("traceparent", CALLER), ("tracestate", "vendor=1"), ("x-callback-url", callback.as_str())];
    let id = pair.gateway.accepted("f.acme/path?query=s3cret", &headers, "s3cret").await;
    let received = eventually(async || pair.server.seen("/callback").pop().ok_or("no callback yet")).await;
    pair.end().await;
    let spans = told(&collector, TRACE, "process callbacks", 1).await;

    // Caller → gateway → queue.
    let request = only(&spans, "POST /async-function/{name}");
    assert_eq!((request.parent.as_str(), request.kind.as_str()), ("00f067aa0ba902b7", "SERVER"));
    assert_eq!((request.is("http.response.status_code"), request.is("http.route")), ("=202", "/async-function/{name}"));
    assert_eq!(request.is("url.path"), "/async-function/f.acme/path");
    let stored = only(&spans, "enqueue default/f.acme");
    assert_eq!((&stored.parent, stored.kind.as_str()), (&request.id, "PRODUCER"));
    assert_eq!(stored.is("messaging.message.conversation_id"), id);
    assert_eq!((stored.is("messaging.system"), stored.is("messaging.operation.type")), ("fabric", "send"));

    // Queue → three attempts beside each other → the function, which is told of its own request.
    let attempts = named(&spans, "process default/f.acme");
    assert_eq!(attempts.len(), 3, "{spans:#?}");
    let asked = pair.server.seen("/fail-first");
    for (n, attempt) in attempts.iter().enumerate() {
        assert_eq!((&attempt.parent, attempt.kind.as_str()), (&stored.id, "CONSUMER"));
        assert_eq!(attempt.is("fabric.attempt"), format!("={}", n + 1));
        assert_eq!((attempt.is("faas.invoked_name"), attempt.is("faas.invocation_id")), ("f.acme", &*id));
        let below = children(&spans, attempt);
        let sent = below.iter().find(|span| span.kind == "CLIENT").unwrap();
        assert_eq!(asked[n].header("traceparent"), format!("00-{TRACE}-{}-01", sent.id));
        assert_eq!(asked[n].header("tracestate"), "vendor=1");
        let (status, failed, outcome) = if n < 2 { ("=503", true, "retried") } else { ("=200", false, "succeeded") };
        assert_eq!((sent.is("http.response.status_code"), sent.failed), (status, failed));
        assert_eq!((attempt.is("fabric.outcome"), attempt.failed), (outcome, failed));
        assert!(below.iter().any(|span| span.name == "settle"), "{below:#?}");
        assert!(attempt.began <= sent.began && sent.ended <= attempt.ended);
    }

    // What each of them waited for: the first for nothing but its turn, the others for their time as well.
    let waits = children(&spans, stored);
    let backoffs: Vec<_> = waits.iter().filter(|span| span.is("fabric.wait.reason") == "backoff").collect();
    assert_eq!(backoffs.len(), 2, "{waits:#?}");
    for (backoff, attempt) in backoffs.iter().zip(&attempts[1..]) {
        assert!(backoff.ended - backoff.began >= 40_000_000, "{backoff:?}");
        assert!(backoff.ended <= attempt.began);
    }
    let first = waits.iter().find(|span| span.is("fabric.wait.reason") == "queue").unwrap();
    assert!(first.ended <= attempts[0].began, "{first:?}");

    // The last attempt → the callback's queue → its receiver.
    let settle = *children(&spans, attempts[2]).iter().find(|span| span.name == "settle").unwrap();
    let stored = only(&spans, "enqueue callbacks");
    assert_eq!((&stored.parent, stored.kind.as_str()), (&settle.id, "PRODUCER"));
    let delivery = only(&spans, "process callbacks");
    assert_eq!((&delivery.parent, delivery.kind.as_str()), (&stored.id, "CONSUMER"));
    let sent = *children(&spans, delivery).iter().find(|span| span.kind == "CLIENT").unwrap();
    assert_eq!(received.header("traceparent"), format!("00-{TRACE}-{}-01", sent.id));
    assert_eq!(received.header("tracestate"), "vendor=1");

    // Two processes told it, each what it did; nobody told a secret.
    assert!(spans.iter().all(|span| span.service == "fabric" && span.links.is_empty()));
    let all = format!("{spans:?}");
    assert!(!all.contains("s3cret") && !all.contains("hunter2"), "{all}");
}

#[tokio::test]
async fn a_function_can_have_traces_of_its_own_that_are_linked_to_its_callers() {
    let collector = Collector::start().await;
    let mut pair = Pair::start(collector.url(), &[]).await;
    pair.register("f.acme", "/fail-first/503", &[("fabric.trace", "link")]).await;
    let callback = pair.server.url("/callback");
    let headers = [("traceparent", CALLER), ("x-callback-url", callback.as_str())];
    pair.gateway.accepted("f.acme", &headers, "x").await;
    let received = eventually(async || pair.server.seen("/callback").pop().ok_or("no callback yet")).await;
    pair.end().await;

    let asked = told(&collector, TRACE, "enqueue default/f.acme", 1).await;
    let stored = only(&asked, "enqueue default/f.acme");
    assert!(named(&asked, "process default/f.acme").is_empty(), "{asked:#?}");
    assert!(!children(&asked, stored).is_empty(), "what it waited for is its caller's");
    let all = collector.spans();
    let attempts = named(&all, "process default/f.acme");
    assert_eq!(attempts.len(), 2, "{all:#?}");
    for attempt in &attempts {
        assert_eq!(attempt.links, [(TRACE.to_owned(), stored.id.clone())]);
        assert_eq!(attempt.parent, "");
    }
    assert_ne!(attempts[0].trace, attempts[1].trace);
    let last = attempts.iter().find(|attempt| attempt.is("fabric.attempt") == "=2").unwrap();
    assert!(received.header("traceparent").contains(&last.trace), "the callback is of the attempt that led to it");
}

#[tokio::test]
async fn a_call_that_waits_for_a_limit_tells_so() {
    let collector = Collector::start().await;
    let mut pair = Pair::start(collector.url(), &[]).await;
    pair.register("f.acme", "/sleep/300", &[("fabric.concurrency", "1")]).await;
    for _ in 0..3 {
        pair.gateway.accepted("f.acme", &[("traceparent", CALLER)], "x").await;
    }
    pair.gateway.accepted("f.acme", &[("traceparent", CALLER), ("x-delay", "200ms")], "x").await;
    told(&collector, TRACE, "process default/f.acme", 4).await;
    pair.end().await;
    let spans = collector.trace(TRACE);
    assert!(!named(&spans, "wait cluster_limit").is_empty(), "{spans:#?}");
    let delay = only(&spans, "wait delay");
    assert!((190_000_000..260_000_000).contains(&(delay.ended - delay.began)), "{delay:?}");
    // The parts of a wait leave no gaps: each call is told from when it was accepted to when it ran.
    for stored in named(&spans, "enqueue default/f.acme") {
        let mut below = children(&spans, stored);
        below.sort_by_key(|span| (span.began, span.ended));
        assert!(below.windows(2).all(|two| two[0].ended == two[1].began), "{below:#?}");
    }
}

#[tokio::test]
async fn a_synchronous_call_is_in_its_callers_trace_too() {
    let collector = Collector::start().await;
    let mut pair = Pair::start(collector.url(), &[]).await;
    pair.register("f.acme", "/status/404", &[]).await;
    let url = format!("{}/function/f.acme/x?token=s3cret", pair.gateway.public);
    let client = tests::client::Client::default();
    let answer = client.post(&url, &[("traceparent", CALLER)], "x".to_owned()).await.unwrap();
    assert_eq!(answer.status.as_u16(), 404);
    pair.end().await;
    let spans = told(&collector, TRACE, "POST /function/{name}", 1).await;
    let (request, sent) = (only(&spans, "POST /function/{name}"), only(&spans, "POST"));
    assert_eq!((request.failed, request.is("http.response.status_code")), (false, "=404"));
    assert_eq!((&sent.parent, sent.failed), (&request.id, true));
    assert_eq!(pair.server.seen("/status")[0].header("traceparent"), format!("00-{TRACE}-{}-01", sent.id));
    assert!(!format!("{spans:?}").contains("s3cret"));
}
