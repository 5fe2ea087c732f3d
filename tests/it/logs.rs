//! What is logged: a line for each turn of a call, never what is in it, by a level that is changed while it runs.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use tests::client::Client;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

async fn start(dir: &Path, args: &[&str]) -> Fabric {
    let args = [&["serve", "--allow-private-callbacks", "--data-dir", dir.to_str().unwrap()], args].concat();
    Fabric::start(&args).await
}

/// The lines that are about a call; each must be an object.
fn lines(fabric: &Fabric, call: &str) -> Vec<Value> {
    let lines = fabric.process.lines();
    let about = lines.iter().filter(|line| line.starts_with('{') && line.contains(call));
    about.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

async fn until_told(fabric: &Fabric, call: &str, message: &str) -> Value {
    eventually(async || {
        let lines = lines(fabric, call);
        let found = lines.iter().find(|line| line["message"] == message).cloned();
        found.ok_or_else(|| format!("{message:?} is not among {lines:?}"))
    })
    .await
}

async fn set_log(fabric: &Fabric, body: &Value) -> http::StatusCode {
    let url = format!("{}/admin/v1/log", fabric.admin);
    Client::default().send(Method::PUT, &url, &[], body.to_string()).await.unwrap().status
}

#[tokio::test]
async fn a_line_for_each_turn_says_which_call_and_what_came_of_it() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = start(dir.path(), &["--log-format", "json"]).await;
    let quick = json!({"fabric.upstream": server.url("/fail-first/503"), "com.openfaas.retry.min_wait": "10ms"});
    fabric.register("flaky", quick).await;
    fabric.register("no.acme", json!({"fabric.upstream": server.url("/status/404")})).await;
    let down = json!({"fabric.upstream": server.url("/status/500"), "com.openfaas.retry.attempts": "1"});
    fabric.register("down", down).await;
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");

    let flaky = fabric.accepted("flaky", &[("traceparent", &parent)], "x").await;
    let line = until_told(&fabric, &flaky, "a call is put off").await;
    assert_eq!(
        (&line["level"], &line["call"], &line["function"]),
        (&json!("INFO"), &json!(flaky), &json!("flaky.openfaas-fn"))
    );
    assert_eq!((&line["attempt"], &line["status"], &line["trace_id"]), (&json!(1), &json!(503), &json!(TRACE)));
    assert!(line["seconds"].is_number() && line["again"].is_string() && line["timestamp"].is_string(), "{line}");
    let no = fabric.accepted("no.acme", &[], "x").await;
    let line = until_told(&fabric, &no, "a call failed").await;
    assert_eq!((&line["level"], &line["status"], line.get("trace_id")), (&json!("INFO"), &json!(404), None));
    let down = fabric.accepted("down", &[], "x").await;
    let line = until_told(&fabric, &down, "a call is dead").await;
    assert_eq!((&line["level"], &line["reason"]), (&json!("WARN"), &json!("exhausted")));
    let cancelled = fabric.accepted("no.acme", &[("x-delay", "1h")], "x").await;

    // A success is told to those only who ask for it, from when they do.
    eventually(async || {
        if server.calls("/fail-first").len() == 1 && server.count("/fail-first") == 2 {
            Ok(())
        } else {
            Err("it was not tried again")
        }
    })
    .await;
    assert_eq!(lines(&fabric, &flaky).len(), 1, "{:?}", lines(&fabric, &flaky));
    assert_eq!(set_log(&fabric, &json!({"filter": "debug"})).await, 200);
    let told = fabric.accepted("flaky", &[], "x").await;
    let line = until_told(&fabric, &told, "a call succeeded").await;
    assert_eq!((&line["level"], &line["attempt"], &line["status"]), (&json!("DEBUG"), &json!(2), &json!(200)));
    until_told(&fabric, &told, "a call is accepted").await;
    assert_eq!(set_log(&fabric, &json!({"filter": "error"})).await, 200);
    let silent = fabric.accepted("no.acme", &[], "x").await;
    eventually(async || {
        let url = format!("{}/calls/{silent}", fabric.public);
        let state = Client::default().get(&url).await.unwrap().json()["state"].clone();
        if state == "failed" { Ok(()) } else { Err(state.to_string()) }
    })
    .await;
    assert_eq!(lines(&fabric, &silent), [Value::Null; 0]);
    assert_eq!(lines(&fabric, &cancelled).len(), 0, "nothing has come of it yet");
}

#[tokio::test]
async fn nothing_that_is_secret_is_logged_however_much_is() {
    const SECRETS: [&str; 6] =
        ["s3cr3t-body", "s3cr3t-bearer", "s3cr3t-user", "s3cr3t-password", "s3cr3t-query", "s3cr3t-answer"];
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = start(dir.path(), &["--log-format", "json"]).await;
    assert_eq!(set_log(&fabric, &json!({"filter": "trace"})).await, 200);
    let quick = "com.openfaas.retry.min_wait";
    for (name, path) in [("ok", "/ok"), ("flaky", "/fail-first/503"), ("no", "/status/404"), ("down", "/status/500")] {
        let annotations =
            json!({"fabric.upstream": server.url(path), quick: "10ms", "com.openfaas.retry.attempts": "2"});
        fabric.register(name, annotations).await;
    }
    let closed = tests::nats::free_port();
    fabric
        .register(
            "gone",
            json!({"fabric.upstream": format!("http://s3cr3t-user:s3cr3t-password@127.0.0.1:{closed}/"), quick: "1h"}),
        )
        .await;
    let host = server.url("").replace("http://", "");
    let (answered, refused) = (
        format!("http://s3cr3t-user:s3cr3t-password@{host}/callback?token=s3cr3t-query"),
        format!("http://s3cr3t-user:s3cr3t-password@127.0.0.1:{closed}/?token=s3cr3t-query"),
    );
    let mut calls = Vec::new();
    for (name, callback) in
        [("ok", &answered), ("flaky", &answered), ("no", &refused), ("down", &answered), ("gone", &answered)]
    {
        let headers = [("x-callback-url", callback.as_str()), ("authorization", "Bearer s3cr3t-bearer")];
        let path = format!("{name}?token=s3cr3t-query");
        calls.push(fabric.accepted(&path, &headers, "s3cr3t-body").await);
    }
    let bad = [("x-callback-url", "ftp://s3cr3t-user:s3cr3t-password@x"), ("authorization", "Bearer s3cr3t-bearer")];
    assert_eq!(fabric.call("ok", &bad, "s3cr3t-body").await.status, 400);
    let url = format!("{}/function/ok?token=s3cr3t-query", fabric.public);
    let sent = Client::default().post(&url, &[("authorization", "Basic s3cr3t-bearer")], "s3cr3t-body").await.unwrap();
    assert_eq!(sent.status, 200);

    until_told(&fabric, &calls[0], "a call succeeded").await;
    until_told(&fabric, &calls[1], "a call succeeded").await;
    until_told(&fabric, &calls[2], "a call failed").await;
    until_told(&fabric, &calls[3], "a call is dead").await;
    until_told(&fabric, &calls[4], "a call is put off").await;
    // The callbacks have been tried too: three are there, and nobody listens to the fourth.
    eventually(async || if server.calls("/callback").len() == 3 { Ok(()) } else { Err("a callback is missing") }).await;
    eventually(async || {
        let put_off = lines(&fabric, &calls[2]).into_iter().any(|line| line["queue"] == "callbacks");
        if put_off { Ok(()) } else { Err("nothing is told of the callback that nobody hears") }
    })
    .await;
    for line in fabric.process.lines() {
        let told: Vec<&&str> = SECRETS.iter().filter(|secret| line.contains(**secret)).collect();
        assert!(told.is_empty(), "{told:?} in {line}");
    }
    assert!(
        server.seen("/ok").iter().any(|seen| seen.header("authorization").contains("s3cr3t-bearer")),
        "it was there"
    );
}

#[tokio::test]
async fn lines_are_for_people_unless_it_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut fabric = start(dir.path(), &["--pre-stop", "0s"]).await;
    fabric.process.terminate();
    assert!(fabric.process.ended().await.success());
    let lines = fabric.process.lines();
    assert!(lines.iter().any(|line| line.contains(" INFO ") && line.contains("drained")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with('{')), "{lines:?}");
}

#[tokio::test]
async fn what_is_logged_is_shown_changed_and_refused_if_it_is_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = start(dir.path(), &[]).await;
    for bad in [
        json!({"filter": "info,fabric=loud"}),
        json!({"filter": ""}),
        json!({"filter": 5}),
        json!({}),
        json!({"level": "info"}),
    ] {
        assert_eq!(set_log(&fabric, &bad).await, 400, "{bad}");
    }
    let ask = async |words: &str| crate::cli::run::ask(&fabric, words).await.good().stdout;
    assert_eq!(ask("log").await, "info\n");
    assert_eq!(ask("log warn,fabric::gateway=debug").await, "warn,fabric::gateway=debug\n");
    assert_eq!(ask("log --output json").await, "{\n  \"filter\": \"warn,fabric::gateway=debug\"\n}\n");
    let url = format!("{}/admin/v1/log", fabric.admin);
    let told = Client::default().get(&url).await.unwrap().json();
    assert_eq!(told, json!({"filter": "warn,fabric::gateway=debug"}));
    assert_eq!(crate::cli::run::run(&format!("log loud=shout --admin {}", fabric.admin)).await.code, 2);
}
