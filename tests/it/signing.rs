//! Callbacks are signed with the secrets of their namespace, which nobody is shown.

use http::{Method, StatusCode};
use proto::Timestamp;
use proto::signing::{Secret, sign};
use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::{Seen, Server};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The signatures that a receiver with these secrets would compute.
fn expected(seen: &Seen, secrets: &[&str]) -> String {
    let secrets: Vec<_> = secrets.iter().map(|text| Secret::parse(text).unwrap()).collect();
    let at = seen.header("webhook-timestamp").parse::<i64>().unwrap_or_default();
    let mut headers = http::HeaderMap::new();
    let at = Timestamp::from_unix_nanos(at * 1_000_000_000);
    sign(&mut headers, &secrets, seen.header("webhook-id"), at, &seen.body);
    headers.get("webhook-signature").map_or(String::new(), |value| value.to_str().unwrap().into())
}

async fn set(fabric: &Fabric, body: Value) -> Answer {
    let url = format!("{}/admin/v1/namespaces/acme", fabric.admin);
    Client::default().send(Method::PUT, &url, &[], body.to_string()).await.unwrap()
}

/// The callback of one more call.
async fn called_back(fabric: &Fabric, server: &Server) -> Seen {
    let callback = server.url("/callback");
    let id = fabric.accepted("f.acme", &[("x-callback-url", &callback)], "x").await;
    eventually(async || {
        let seen = server.seen("/callback").into_iter().find(|seen| seen.header("x-call-id") == id);
        seen.ok_or("not called back yet")
    })
    .await
}

#[tokio::test]
async fn secrets_change_without_a_gap_and_are_never_shown() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["dev", "--data-dir", dir.path().to_str().unwrap()]).await;
    let log = format!("{}/admin/v1/log", fabric.admin);
    let everything = json!({"filter": "trace"}).to_string();
    assert!(Client::default().send(Method::PUT, &log, &[], everything).await.unwrap().status.is_success());
    fabric.register("f.acme", json!({"fabric.upstream": server.url("/ok")})).await;
    let unsigned = called_back(&fabric, &server).await;
    assert_eq!((unsigned.header("webhook-id"), unsigned.header("webhook-signature")), ("", ""));

    // One, then both, then the other one: each step is read and written again as a person would.
    let answer = set(&fabric, json!({"signing": [OLD]})).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
    let old = answer.json()["signing"][0].as_str().unwrap().to_owned();
    let seen = called_back(&fabric, &server).await;
    assert_eq!(seen.header("webhook-signature"), expected(&seen, &[OLD]));
    assert_eq!(seen.header("webhook-id"), seen.header("x-call-id"));

    let answer = set(&fabric, json!({"signing": [NEW, old]})).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let seen = called_back(&fabric, &server).await;
    assert_eq!(seen.header("webhook-signature"), expected(&seen, &[NEW, OLD]));

    // OpenFaaS's clients know of no secrets, and change none.
    fabric.set_namespace("acme", json!({"fabric.weight": "2"})).await;
    let seen = called_back(&fabric, &server).await;
    assert_eq!(seen.header("webhook-signature"), expected(&seen, &[NEW, OLD]));

    let new = answer.json()["signing"][0].as_str().unwrap().to_owned();
    set(&fabric, json!({"signing": [new]})).await;
    let seen = called_back(&fabric, &server).await;
    assert_eq!(seen.header("webhook-signature"), expected(&seen, &[NEW]));

    let unknown = set(&fabric, json!({"signing": [old]})).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST, "it is not there any more");
    for bad in
        [json!([OLD, OLD, OLD, OLD, OLD]), json!(["whsec_c2hvcnQ="]), json!([1]), json!("secret"), json!({"a": OLD})]
    {
        let answer = set(&fabric, json!({"signing": bad})).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("MfKQ"), "{:?}", answer.body);
    }

    let mut shown = fabric.process.lines();
    for path in ["admin/v1/namespaces/acme", "admin/v1/namespaces", "system/namespace/acme", "admin/v1/tree", "metrics"]
    {
        let answer = Client::default().get(&format!("{}/{path}", fabric.admin)).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        shown.push(String::from_utf8_lossy(&answer.body).into_owned());
    }
    for text in shown {
        assert!(!text.contains("whsec_") && !text.contains("MfKQ9r8G") && !text.contains("AAECAwQF"), "{text}");
    }
    set(&fabric, json!({"signing": []})).await;
    assert_eq!(called_back(&fabric, &server).await.header("webhook-signature"), "");
}

#[tokio::test]
async fn secrets_and_lists_outlive_a_restart() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let args = ["dev", "--data-dir", dir.path().to_str().unwrap()];
    let mut fabric = Fabric::start(&args).await;
    fabric.register("f.acme", json!({"fabric.upstream": server.url("/ok")})).await;
    set(&fabric, json!({"signing": OLD, "annotations": {"fabric.callback-hosts": "127.0.0.0/8"}})).await;
    fabric.process.terminate();
    fabric.process.ended().await;
    let fabric = Fabric::start(&args).await;
    let seen = called_back(&fabric, &server).await;
    assert_eq!(seen.header("webhook-signature"), expected(&seen, &[OLD]));
    // Where its namespace lets no callback go, none goes: it is tried, and waits to be tried again.
    set(&fabric, json!({"annotations": {"fabric.callback-hosts": "hooks.acme.example"}})).await;
    let before = server.count("/callback");
    fabric.accepted("f.acme", &[("x-callback-url", &server.url("/callback"))], "x").await;
    eventually(async || {
        let lines = fabric.process.lines();
        if lines.iter().any(|line| line.contains("fabric.callback-hosts")) { Ok(()) } else { Err("not tried yet") }
    })
    .await;
    assert_eq!(server.count("/callback"), before);
}
