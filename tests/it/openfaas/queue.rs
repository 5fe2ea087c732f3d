//! What an OpenFaaS gateway stored in JetStream is run here, and each message ends in one way.

use std::collections::HashSet;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use async_nats::jetstream::{self, Context};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tests::client::Client;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;

const SUBJECT: &str = "faas-request";

async fn jetstream(nats: &Nats) -> Context {
    jetstream::new(async_nats::connect(nats.url()).await.unwrap())
}

async fn stream(context: &Context, retention: RetentionPolicy) {
    let config = Config { name: SUBJECT.into(), subjects: vec![SUBJECT.into()], retention, ..Config::default() };
    context.create_stream(config).await.unwrap();
}

/// The bytes that the gateway stores for a call of `env`, in the order and with the escapes of Go.
fn stored(id: &str, callback: &str) -> String {
    let host = callback.strip_prefix("http://").unwrap();
    format!(
        r#"{{"Header":{{"Content-Type":["text/plain"],"X-Call-Id":["{id}"]}},"Host":"gw:8080","Body":"aGkK","Method":"POST","Path":"/a b","QueryString":"q=1\u0026z=\u003c2\u003e","Function":"env","CallbackUrl":{{"Scheme":"http","Opaque":"","User":null,"Host":"{host}","Path":"/callback/x","Fragment":"","RawQuery":"q=1\u0026r","RawPath":"","RawFragment":"","ForceQuery":false,"OmitHost":false}}}}"#
    )
}

/// Publishes as the gateway does: no headers, no id, and waits for the server's word.
async fn publish(context: &Context, payload: impl Into<bytes::Bytes>) {
    context.publish(SUBJECT, payload.into()).await.unwrap().await.unwrap();
}

async fn worker(nats: &Nats, template: &str) -> Fabric {
    let url = nats.url();
    let args = ["worker", "--broker", &url, "--upstream-template", template, "--openfaas-subject", SUBJECT];
    Fabric::start(&[&args[..], &["--allow-private-callbacks", "--lease", "2s", "--pre-stop", "0s"]].concat()).await
}

/// Waits until the tree says why nothing is taken in.
async fn cause(fabric: &Fabric, why: &str) {
    eventually(async || {
        let tree = fabric.tree().await;
        let children = tree["children"].as_array().unwrap();
        let intake = children.iter().find(|child| child["name"] == "intake faas-request").ok_or("not begun yet")?;
        let cause = intake["cause"].as_str().unwrap_or_default();
        if cause.contains(why) { Ok(()) } else { Err("it does not say so") }
    })
    .await;
}

async fn left(context: &Context) -> u64 {
    context.get_stream(SUBJECT).await.unwrap().cached_info().state.messages
}

async fn dead_letters(fabric: &Fabric) -> Vec<Value> {
    let url = format!("{}/admin/v1/dead-letters", fabric.admin);
    let answer = Client::default().get(&url).await.unwrap().json();
    answer["items"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

#[tokio::test]
async fn every_message_of_a_gateway_ends_in_one_way_though_a_worker_is_killed() {
    const CALLS: usize = 300;
    const NOISE: &str = r#"{"Function":"env","Method":"#;
    let (nats, server) = (Nats::start().await, Server::start().await);
    let context = jetstream(&nats).await;
    stream(&context, RetentionPolicy::WorkQueue).await;
    let before = context.get_stream(SUBJECT).await.unwrap().cached_info().config.clone();
    let ids: HashSet<String> = (0..CALLS).map(|n| format!("openfaas-{n}")).collect();
    for (n, id) in ids.iter().enumerate() {
        publish(&context, stored(id, &server.url(""))).await;
        if n % 100 == 50 {
            publish(&context, format!("{NOISE}{n}")).await;
        }
    }
    let template = server.url("/sleep/20/{name}.{namespace}");
    let mut doomed = worker(&nats, &template).await;
    eventually(async || if server.seen("/callback").len() > 20 { Ok(()) } else { Err("too early") }).await;
    doomed.process.kill9();
    let mut survivor = worker(&nats, &template).await;
    eventually(async || {
        let called_back = server.calls("/callback").len();
        if called_back == CALLS { Ok(()) } else { Err(format!("{called_back} of {CALLS} called back")) }
    })
    .await;
    assert_eq!((server.calls("/callback"), server.calls("/sleep")), (ids.clone(), ids.clone()));
    let called = server.seen("/sleep").pop().unwrap();
    assert_eq!(called.uri, "/sleep/20/env.openfaas-fn/a%20b?q=1&z=%3C2%3E");
    assert_eq!((&*called.body, called.header("content-type")), (&b"hi\n"[..], "text/plain"));
    assert_eq!(server.seen("/callback").pop().unwrap().uri, "/callback/x?q=1&r");

    eventually(async || match left(&context).await {
        0 => Ok(()),
        left => Err(format!("{left} messages are left")),
    })
    .await;
    let letters = dead_letters(&survivor).await;
    let reasons: Vec<_> = letters.iter().map(|letter| letter["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["undecodable"; 3], "{letters:?}");
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    for id in &ids {
        eventually(async || {
            let url = format!("{}/calls/{id}", gateway.public);
            let record = Client::default().get(&url).await.unwrap().json();
            if record["state"] == "succeeded" { Ok(()) } else { Err(record.to_string()) }
        })
        .await;
    }
    assert_eq!(context.get_stream(SUBJECT).await.unwrap().cached_info().config, before, "it is not ours to change");
    survivor.process.terminate();
    assert!(survivor.process.ended().await.success());
}

#[tokio::test]
async fn a_stream_that_is_missing_is_said_and_not_made() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let context = jetstream(&nats).await;
    let fabric = worker(&nats, &server.url("/ok/{name}")).await;
    cause(&fabric, "no stream takes in subject faas-request").await;
    assert!(context.get_stream(SUBJECT).await.is_err());
    stream(&context, RetentionPolicy::WorkQueue).await;
    publish(&context, stored("late", &server.url(""))).await;
    eventually(async || server.seen("/callback").pop().ok_or("no callback yet")).await;
    assert_eq!(server.calls("/ok"), HashSet::from(["late".into()]));
}

#[tokio::test]
async fn a_stream_that_keeps_what_was_read_is_read_from_where_its_worker_stopped() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let context = jetstream(&nats).await;
    stream(&context, RetentionPolicy::Limits).await;
    publish(&context, stored("run-before", &server.url(""))).await;
    let theirs = pull::Config { durable_name: Some("faas-workers".into()), ..pull::Config::default() };
    let theirs = context.create_consumer_on_stream(theirs, SUBJECT).await.unwrap();
    let read = theirs.fetch().max_messages(1).messages().await.unwrap().next().await.unwrap().unwrap();
    read.double_ack().await.unwrap();
    // Somebody who only looks on has run nothing.
    let onlooker = pull::Config { ack_policy: AckPolicy::None, ..pull::Config::default() };
    context.create_consumer_on_stream(onlooker, SUBJECT).await.unwrap();
    publish(&context, stored("unread", &server.url(""))).await;
    let mut first = worker(&nats, &server.url("/ok/{name}")).await;
    eventually(async || {
        let lines = first.process.lines();
        if lines.iter().any(|line| line.contains("taking in")) { Ok(()) } else { Err("not begun yet") }
    })
    .await;
    publish(&context, stored("new", &server.url(""))).await;
    eventually(async || server.seen("/callback").pop().ok_or("no callback yet")).await;
    first.process.kill9();
    publish(&context, stored("meanwhile", &server.url(""))).await;
    let _second = worker(&nats, &server.url("/ok/{name}")).await;
    eventually(async || if server.calls("/callback").len() == 3 { Ok(()) } else { Err("not run yet") }).await;
    assert_eq!(server.calls("/ok"), HashSet::from(["unread", "new", "meanwhile"].map(String::from)));
}

#[tokio::test]
async fn where_nobody_says_what_was_run_somebody_must() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let context = jetstream(&nats).await;
    stream(&context, RetentionPolicy::Limits).await;
    publish(&context, stored("before", &server.url(""))).await;
    let fabric = worker(&nats, &server.url("/ok/{name}")).await;
    cause(&fabric, "--openfaas-from all").await;
    drop(fabric);
    let args = ["--openfaas-subject", SUBJECT, "--openfaas-from", "new", "--allow-private-callbacks"];
    let template = server.url("/ok/{name}");
    let at = ["worker", "--broker", &nats.url(), "--upstream-template", &template].map(String::from);
    let args: Vec<&str> = at.iter().map(String::as_str).chain(args).collect();
    let fabric = Fabric::start(&args).await;
    eventually(async || {
        let tree = fabric.tree().await;
        let intake =
            tree["children"].as_array().unwrap().iter().find(|it| it["name"] == "intake faas-request").cloned();
        if intake.is_some_and(|it| it["state"] == "up") { Ok(()) } else { Err("not begun yet") }
    })
    .await;
    // Once it is up its consumer is there: what comes now is new.
    eventually(async || {
        let stream = context.get_stream(SUBJECT).await.unwrap();
        if stream.cached_info().state.consumer_count == 1 { Ok(()) } else { Err("no consumer yet") }
    })
    .await;
    publish(&context, stored("after", &server.url(""))).await;
    eventually(async || server.seen("/callback").pop().ok_or("no callback yet")).await;
    assert_eq!(server.calls("/ok"), HashSet::from(["after".into()]));
}

/// Publishers are strangers: an id of theirs is not one of ours, and a claim of theirs none on our payloads.
#[tokio::test]
async fn nothing_beside_a_message_is_believed() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let context = jetstream(&nats).await;
    let url = nats.url();
    let args =
        ["serve", "--broker", &url, "--allow-private-callbacks", "--openfaas-subject", "one,two", "--max-body", "4MiB"];
    let template = server.url("/ok/{name}");
    for subject in ["one", "two"] {
        let config = Config { name: subject.into(), subjects: vec![subject.into()], ..Config::default() };
        context.create_stream(Config { retention: RetentionPolicy::WorkQueue, ..config }).await.unwrap();
    }
    let fabric = Fabric::start(&[&args[..], &["--upstream-template", &template]].concat()).await;
    fabric.register("big", json!({"fabric.upstream": server.url("/big")})).await;
    let body = "x".repeat(3 * 1024 * 1024);
    fabric.accepted("big", &[("x-delay", "1h")], &body).await;
    let kept = async || context.get_stream("FABRIC_PAYLOADS").await.unwrap().cached_info().state.messages;
    let pieces = kept().await;
    assert!(pieces > 0);
    let claims = ["*/0/0", "deadbeef/99999999999999/1", "01a1fb8a90a972c99b96ce5ec40c3cf3/99999999999999/9"];
    for (n, subject) in ["one", "two", "one", "two", "one", "two"].into_iter().enumerate() {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Msg-Id", (n / 2).to_string());
        headers.insert("Fabric-Message-Id", "same");
        headers.insert("Fabric-Claim", claims[n / 2]);
        let call = stored(&format!("c{n}"), &server.url(""));
        context.publish_with_headers(subject, headers.clone(), call.into()).await.unwrap().await.unwrap();
        headers.insert("Nats-Msg-Id", format!("bad{}", n / 2));
        context.publish_with_headers(subject, headers, "no call".into()).await.unwrap().await.unwrap();
    }
    eventually(async || match (server.calls("/callback").len(), dead_letters(&fabric).await.len()) {
        (6, 6) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(kept().await, pieces);
}

#[tokio::test]
async fn a_registered_function_is_run_as_it_is_registered() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let context = jetstream(&nats).await;
    stream(&context, RetentionPolicy::WorkQueue).await;
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    gateway.register("env", json!({"fabric.upstream": server.url("/status/404"), "com.openfaas.queue": "own"})).await;
    let _worker = worker(&nats, &server.url("/ok/{name}")).await;
    publish(&context, stored("known", &server.url(""))).await;
    let callback = eventually(async || server.seen("/callback").pop().ok_or("no callback yet")).await;
    assert_eq!((callback.header("x-function-status"), server.seen("/ok").len()), ("404", 0));
    let record = Client::default().get(&format!("{}/calls/known", gateway.public)).await.unwrap().json();
    assert_eq!(record["queue"], "own", "{record}");
}
