//! Who decides what is traced.

use serde_json::json;
use tests::collector::Collector;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;

use super::{CALLER, Pair, TRACE, UNSAMPLED, named};

#[tokio::test]
async fn with_nothing_configured_a_trace_is_carried_all_the_same() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["dev", "--data-dir", dir.path().to_str().unwrap()]).await;
    fabric.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    let callback = server.url("/callback");
    let headers = [("traceparent", CALLER), ("tracestate", "vendor=1"), ("x-callback-url", callback.as_str())];
    fabric.accepted("f", &headers, "x").await;
    let received = eventually(async || server.seen("/callback").pop().ok_or("no callback yet")).await;
    for seen in [&server.seen("/ok")[0], &received] {
        assert_eq!((seen.header("traceparent"), seen.header("tracestate")), (CALLER, "vendor=1"));
    }
    fabric.accepted("f", &[], "x").await;
    let plain = eventually(async || server.seen("/ok").get(1).cloned().ok_or("no call yet")).await;
    assert_eq!(plain.header("traceparent"), "", "nobody makes one up");
}

#[tokio::test]
async fn a_callers_no_holds_until_something_goes_wrong() {
    let collector = Collector::start().await;
    let mut pair = Pair::start(collector.url(), &[]).await;
    pair.register("well", "/ok", &[]).await;
    pair.register("ill", "/fail-first/503", &[]).await;
    pair.gateway.accepted("well", &[("traceparent", UNSAMPLED)], "x").await;
    let asked = eventually(async || pair.server.seen("/ok").pop().ok_or("no call yet")).await;
    assert_eq!(asked.header("traceparent"), UNSAMPLED, "nothing is made up for what nobody is told");

    let callback = pair.server.url("/callback");
    let headers = [("traceparent", UNSAMPLED), ("x-callback-url", callback.as_str())];
    pair.gateway.accepted("ill", &headers, "x").await;
    let received = eventually(async || pair.server.seen("/callback").pop().ok_or("no callback yet")).await;
    pair.end().await;
    let spans = collector.trace(TRACE);
    assert!(!spans.iter().any(|span| span.name.contains("well")), "{spans:#?}");
    let attempts = named(&spans, "process default/ill.openfaas-fn");
    assert_eq!(attempts.iter().map(|it| it.failed).collect::<Vec<_>>(), [true, false], "{spans:#?}");
    // Both are below the span that nobody told, which is the caller's own.
    assert!(attempts.iter().all(|it| it.parent == "00f067aa0ba902b7"), "{attempts:#?}");
    assert_eq!(named(&spans, "POST").len(), 3, "its requests, and that of its callback: {spans:#?}");
    assert_eq!(named(&spans, "process callbacks").len(), 1);
    assert!(named(&spans, "POST /async-function/{name}").is_empty(), "the gateway could not know");
    assert!(received.header("traceparent").starts_with(&format!("00-{TRACE}-")));
    assert!(received.header("traceparent").ends_with("-01"));
    let asked = pair.server.seen("/fail-first");
    assert_eq!(asked[0].header("traceparent"), UNSAMPLED);
    assert!(asked[1].header("traceparent").ends_with("-01"), "from its first failure on it is traced");
}

#[tokio::test]
async fn failures_are_told_only_where_they_are_to_be() {
    let collector = Collector::start().await;
    let mut pair = Pair::start(collector.url(), &["--trace-failures=false", "--trace-sample", "0%"]).await;
    pair.register("ill", "/fail-first/503", &[]).await;
    for headers in [&[("traceparent", UNSAMPLED)][..], &[]] {
        pair.gateway.accepted("ill", headers, "x").await;
    }
    eventually(async || if pair.server.count("/fail-first") == 4 { Ok(()) } else { Err("not yet") }).await;
    for asked in pair.server.seen("/fail-first") {
        assert!(asked.header("traceparent").ends_with("-00"), "who is not asked does not decide anew: {asked:?}");
    }
    pair.end().await;
    assert_eq!(collector.spans().len(), 0);
}

#[tokio::test]
async fn a_dead_call_of_no_trace_is_told_with_its_last_attempts() {
    let collector = Collector::start().await;
    let mut pair = Pair::start(collector.url(), &["--trace-sample", "0"]).await;
    pair.register("ill", "/status/500", &[("com.openfaas.retry.attempts", "3")]).await;
    pair.gateway.accepted("ill", &[], "x").await;
    eventually(async || if pair.server.count("/status") == 3 { Ok(()) } else { Err("not yet") }).await;
    pair.end().await;
    let all = collector.spans();
    let mut attempts = named(&all, "process default/ill.openfaas-fn");
    attempts.sort_by_key(|it| it.began);
    assert_eq!(attempts.iter().map(|it| it.is("fabric.state")).collect::<Vec<_>>(), ["", "", "dead"], "{all:#?}");
    assert!(attempts.iter().all(|it| it.failed && it.trace == attempts[0].trace), "{attempts:#?}");
}
