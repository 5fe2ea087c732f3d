//! What an OpenFaaS gateway stored in JetStream is run here, and each message ends in one way.

use std::collections::HashSet;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use async_nats::jetstream::{self, Context};
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
    eventually(async || {
        let tree = fabric.tree().await;
        let children = tree["children"].as_array().unwrap();
        let intake = children.iter().find(|child| child["name"] == "intake faas-request").ok_or("not begun yet")?;
        let cause = intake["cause"].as_str().unwrap_or_default();
        if cause.contains("no stream takes in subject faas-request") { Ok(()) } else { Err("it does not say so") }
    })
    .await;
    assert!(context.get_stream(SUBJECT).await.is_err());
    stream(&context, RetentionPolicy::WorkQueue).await;
    publish(&context, stored("late", &server.url(""))).await;
    eventually(async || server.seen("/callback").pop().ok_or("no callback yet")).await;
    assert_eq!(server.calls("/ok"), HashSet::from(["late".into()]));
}

#[tokio::test]
async fn of_a_stream_that_somebody_has_read_only_what_is_new_is_run() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let context = jetstream(&nats).await;
    stream(&context, RetentionPolicy::Limits).await;
    publish(&context, stored("run-before", &server.url(""))).await;
    let theirs = pull::Config { durable_name: Some("faas-workers".into()), ..pull::Config::default() };
    context.create_consumer_on_stream(theirs, SUBJECT).await.unwrap();
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
    eventually(async || if server.calls("/callback").len() == 2 { Ok(()) } else { Err("not run yet") }).await;
    assert_eq!(server.calls("/ok"), HashSet::from(["new".into(), "meanwhile".into()]));
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
