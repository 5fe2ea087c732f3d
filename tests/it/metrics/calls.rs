//! Known traffic, and what is told of it.

use std::collections::BTreeSet;

use fabric::metrics::catalogue::ALL;
use http::{Method, StatusCode};
use serde_json::json;
use tests::client::Client;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;

use super::scrape::{Scrape, scrape};

/// A series by its labels, and its value.
type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

/// Waits until these series have these values.
async fn tells(fabric: &Fabric, expected: &[Expected<'_>]) -> Scrape {
    eventually(async || {
        let told = scrape(fabric).await;
        let wrong = expected.iter().map(|(name, labels, value)| (name, labels, Some(*value), told.get(name, labels)));
        match wrong.filter(|(_, _, expected, got)| expected != got).map(|it| format!("{it:?}")).next() {
            None => Ok(told),
            Some(wrong) => Err(wrong),
        }
    })
    .await
}

fn of<'a>(function: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("queue", "default"), ("function", function)], more].concat()
}

#[tokio::test]
async fn every_metric_that_is_documented_is_told_with_the_right_value() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let args = ["serve", "--allow-private-callbacks", "--pre-stop", "0s", "--data-dir", dir.path().to_str().unwrap()];
    let mut fabric = Fabric::start(&args).await;
    let quick = "com.openfaas.retry.min_wait";
    for (name, path, more) in [
        ("ok", "/ok", json!({"fabric.rate": "1000/s"})),
        ("flaky", "/fail-first/503", json!({quick: "10ms"})),
        ("down", "/status/500", json!({"com.openfaas.retry.attempts": "1"})),
        ("no", "/status/404", json!({})),
        (
            "busy",
            "/slots/0/1",
            json!({quick: "1h", "com.openfaas.retry.max_wait": "1h", "fabric.retry.jitter": "none"}),
        ),
        ("held", "/hold", json!({"fabric.concurrency": "1"})),
        ("stopped", "/ok", json!({"fabric.paused": "true"})),
    ] {
        let mut annotations = json!({"fabric.upstream": server.url(path)});
        annotations.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fabric.register(name, annotations).await;
    }
    let callback = server.url("/callback");
    for _ in 0..3 {
        fabric.accepted("ok", &[("x-callback-url", &callback)], "x").await;
    }
    for name in ["flaky", "down", "no", "busy", "held", "held", "held", "stopped", "stopped"] {
        fabric.accepted(name, &[], "x").await;
    }
    fabric.accepted("ok", &[("x-delay", "1h")], "x").await;
    let expired = fabric.accepted("stopped", &[("x-expires-in", "1h")], "x").await;
    let url = |path: &str| format!("{}{path}", fabric.public);
    let client = Client::default();
    assert_eq!(client.send(Method::DELETE, &url(&format!("/calls/{expired}")), &[], "").await.unwrap().status, 200);
    assert_eq!(fabric.call("nobody", &[], "x").await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.get(&url("/async-function/ok")).await.unwrap().status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(client.post(&url("/function/ok"), &[], "x").await.unwrap().status, StatusCode::OK);
    assert_eq!(client.post(&url("/function/down"), &[], "x").await.unwrap().status.as_u16(), 500);

    let told = tells(
        &fabric,
        &[
            ("fabric_accepted_total", &of("ok.openfaas-fn", &[]), 4.0),
            ("fabric_accepted_total", &of("held.openfaas-fn", &[]), 3.0),
            ("fabric_refused_total", &[("reason", "unknown_function")], 1.0),
            ("fabric_refused_total", &[("reason", "method_not_allowed")], 1.0),
            ("fabric_enqueue_seconds_count", &[], 14.0),
            ("fabric_forward_seconds_count", &of("ok.openfaas-fn", &[("status", "2xx")]), 1.0),
            ("fabric_forward_seconds_count", &of("down.openfaas-fn", &[("status", "5xx")]), 1.0),
            ("fabric_wait_seconds_count", &of("ok.openfaas-fn", &[]), 3.0),
            ("fabric_wait_seconds_count", &of("flaky.openfaas-fn", &[]), 1.0),
            ("fabric_invoke_seconds_count", &of("ok.openfaas-fn", &[("status", "2xx")]), 3.0),
            ("fabric_invoke_seconds_count", &of("flaky.openfaas-fn", &[("status", "5xx")]), 1.0),
            ("fabric_invoke_seconds_count", &of("no.openfaas-fn", &[("status", "4xx")]), 1.0),
            ("fabric_attempts_total", &of("flaky.openfaas-fn", &[("outcome", "retry")]), 1.0),
            ("fabric_attempts_total", &of("flaky.openfaas-fn", &[("outcome", "succeeded")]), 1.0),
            ("fabric_attempts_total", &of("no.openfaas-fn", &[("outcome", "failed")]), 1.0),
            ("fabric_attempts_total", &of("busy.openfaas-fn", &[]), 0.0),
            ("fabric_busy_total", &of("busy.openfaas-fn", &[]), 1.0),
            ("fabric_retries_total", &of("flaky.openfaas-fn", &[]), 1.0),
            ("fabric_ended_total", &of("ok.openfaas-fn", &[("state", "succeeded")]), 3.0),
            ("fabric_ended_total", &of("no.openfaas-fn", &[("state", "failed")]), 1.0),
            ("fabric_ended_total", &of("down.openfaas-fn", &[("state", "dead")]), 1.0),
            ("fabric_dead_total", &of("down.openfaas-fn", &[("reason", "exhausted")]), 1.0),
            ("fabric_dead_letters", &[], 1.0),
            ("fabric_in_flight", &of("held.openfaas-fn", &[]), 1.0),
            ("fabric_backlog", &of("held.openfaas-fn", &[]), 2.0),
            ("fabric_backlog", &of("stopped.openfaas-fn", &[]), 2.0),
            ("fabric_backlog", &of("ok.openfaas-fn", &[]), 0.0),
            ("fabric_limit_concurrency", &of("held.openfaas-fn", &[]), 1.0),
            ("fabric_paused", &of("stopped.openfaas-fn", &[]), 1.0),
            ("fabric_paused", &of("held.openfaas-fn", &[]), 0.0),
            // The delayed one, and the one that was turned away.
            ("fabric_later_depth", &[], 2.0),
            ("fabric_callbacks_total", &[("outcome", "delivered")], 3.0),
            ("fabric_permits", &[], 256.0),
            ("fabric_ready", &[], 1.0),
            ("fabric_draining", &[], 0.0),
            ("fabric_drain_remaining", &[], 0.0),
            ("fabric_broker_connected", &[], 1.0),
            ("fabric_functions", &[], 7.0),
            ("fabric_processes", &[("role", "worker")], 1.0),
            ("queue_worker_pending_messages", &[("queue_name", "default"), ("function_name", "held.openfaas-fn")], 2.0),
            ("queue_worker_messages_submitted_total", &[("queue_name", "default")], 14.0),
            ("queue_worker_messages_processed_total", &[("queue_name", "default")], 6.0),
            ("queue_worker_function_invocation_inflight", &[("function_name", "held.openfaas-fn")], 1.0),
            ("gateway_function_invocation_total", &[("function_name", "ok.openfaas-fn"), ("code", "200")], 4.0),
            ("gateway_function_invocation_started", &[("function_name", "held.openfaas-fn")], 1.0),
            ("gateway_function_invocation_inflight", &[("function_name", "held.openfaas-fn")], 1.0),
            ("gateway_service_target_load", &[("function_name", "ok.openfaas-fn"), ("scaling_type", "rps")], 50.0),
        ],
    )
    .await;
    assert!(told.get("fabric_oldest_age_seconds", &of("held.openfaas-fn", &[])).unwrap() > 0.0);
    assert!(
        told.get("fabric_held_seconds_total", &of("held.openfaas-fn", &[("reason", "cluster_limit")])).unwrap() > 0.0
    );
    assert!(told.get("fabric_held_seconds_total", &of("stopped.openfaas-fn", &[("reason", "paused")])).unwrap() > 0.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let started = told.get("process_start_time_seconds", &[]).unwrap();
    assert!((now - 300.0..now + 5.0).contains(&started), "{started} is not just before {now}");
    assert!(told.get("process_resident_memory_bytes", &[]).unwrap() > 1e6);
    let all: BTreeSet<&str> = ALL.iter().map(|it| it.name).collect();
    let missing: Vec<_> = all.difference(&told.metrics()).copied().collect();
    assert!(missing.is_empty(), "documented, and not told: {missing:?}");

    // While it drains, what still runs is told; and at its end nothing of it is left.
    fabric.process.terminate();
    tells(&fabric, &[("fabric_draining", &[], 1.0), ("fabric_drain_remaining", &[], 1.0), ("fabric_ready", &[], 0.0)])
        .await;
    server.release();
    assert!(fabric.process.ended().await.success());
}

#[tokio::test]
async fn a_function_that_is_removed_leaves() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    for name in ["f", "g"] {
        fabric.register(name, json!({"fabric.upstream": server.url("/ok")})).await;
        fabric.accepted(name, &[], "x").await;
    }
    let (f, g) = ([("function", "f.openfaas-fn")], [("function", "g.openfaas-fn")]);
    tells(&fabric, &[("fabric_ended_total", &f, 1.0), ("fabric_ended_total", &g, 1.0)]).await;
    let url = format!("{}/admin/v1/functions/f", fabric.admin);
    assert!(Client::default().send(Method::DELETE, &url, &[], "").await.unwrap().status.is_success());
    eventually(async || {
        let told = scrape(&fabric).await;
        if told.text.contains("f.openfaas-fn\"") && told.get("fabric_ended_total", &f).is_some() {
            Err("f is still told of")
        } else {
            Ok(())
        }
    })
    .await;
    let told = scrape(&fabric).await;
    assert_eq!((told.get("fabric_accepted_total", &f), told.get("fabric_accepted_total", &g)), (None, Some(1.0)));
}
