//! `fabric invoke`: now, later, and later with the result.

use serde_json::json;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;

use super::run::run_with;

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_called_now_or_later() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    fabric.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    fabric.register("bad", json!({"fabric.upstream": server.url("/status/400")})).await;
    let invoke = async |words: &[&str], input: &str| {
        run_with(&[&["invoke", "--gateway", &fabric.public], words].concat(), input).await
    };

    let said = invoke(&["f/path?q=1", "-d", "hello", "-H", "X-Mine: yes", "--output", "json"], "").await.good();
    assert_eq!(said.json()["status"], 200);
    let seen = server.seen("/ok").pop().unwrap();
    assert_eq!((&*seen.body, seen.header("x-mine")), (&b"hello"[..], "yes"));
    assert!(seen.uri.ends_with("/path?q=1"), "{}", seen.uri);
    invoke(&["f"], "from stdin").await.good();
    assert_eq!(&*server.seen("/ok").pop().unwrap().body, b"from stdin");
    let bad = invoke(&["bad"], "").await.failed();
    assert!(bad.stderr.contains("bad answered 400"), "{}", bad.stderr);

    let id = invoke(&["f", "--async", "-d", "later"], "").await.good().stdout;
    eventually(async || {
        let seen = server.seen("/ok").pop().ok_or("none")?;
        if seen.header("x-call-id") == id.trim() { Ok(()) } else { Err("another one") }
    })
    .await;
    let record = invoke(&["f", "--async", "--wait", "--output", "json"], "x").await.good().json();
    assert_eq!(record["state"], "succeeded");
    let text = invoke(&["f", "--async", "--wait"], "x").await.good().stdout;
    assert_eq!(text, record["result"]["text"].as_str().unwrap());
    let failed = invoke(&["bad", "--async", "--wait"], "x").await.failed().stderr;
    assert!(failed.contains("is failed"), "{failed}");
    let unknown = invoke(&["nobody", "--async"], "").await.failed().stderr;
    assert!(unknown.starts_with("fabric: unknown_function: "), "{unknown}");
}
