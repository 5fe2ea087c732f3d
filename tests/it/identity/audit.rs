//! Every change is told, with who made it and what was there before, and without secrets.

use futures_util::StreamExt;
use http::Method;
use serde_json::{Value, json};
use tests::eventually;
use tests::nats::Nats;

use super::asker::{ADMIN, Asker, locked};

/// A change is not kept out of the stream by being large, nor does it write over what stands beside it on a terminal.
#[tokio::test]
async fn a_change_of_any_size_and_of_any_signs_is_told() {
    let nats = Nats::start().await;
    let fabric = locked(&["serve", "--broker", &nats.url(), "--audit-stream", "AUDIT"]).await;
    let (admin, url) = (Asker::admin(), format!("{}/admin/v1/functions/f.acme", fabric.admin));
    let function = |fill: &str, note: &str| {
        let annotations = json!({"fabric.upstream": "http://127.0.0.1:9"});
        json!({"annotations": annotations, "labels": {"a": fill.repeat(600 * 1024), "note": note}})
    };
    for fill in ["x", "y"] {
        admin.done(Method::PUT, &url, &function(fill, "\u{9b}2J\u{7f}\u{85}\u{2028}\u{202e}")).await;
    }
    let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let stream = context.get_stream("AUDIT").await.unwrap();
    let told = eventually(async || match stream.get_raw_message(2).await {
        Ok(told) => Ok(told.payload),
        Err(error) => Err(error.to_string()),
    })
    .await;
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!((&told["what"], &told["cut"]), (&json!("put function f.acme"), &json!(true)));
    let label = |of: &str| told[of]["labels"]["a"].as_str().unwrap().to_owned();
    assert!(label("before").starts_with("xxx") && label("after").starts_with("yyy"));
    assert!(label("after").ends_with("(cut: 614400 bytes in all)"), "{}", label("after"));
    let lines = eventually(async || {
        let lines: Vec<String> =
            fabric.process.lines().into_iter().filter(|line| line.contains("fabric::audit")).collect();
        if lines.len() == 2 { Ok(lines) } else { Err(lines.len()) }
    })
    .await;
    for line in &lines {
        let odd = line.chars().find(|c| (c.is_control() && *c != '\u{1b}') || ['\u{2028}', '\u{202e}'].contains(c));
        assert_eq!(odd, None);
    }
    assert!(lines[0].contains("u009b2J") && lines[0].contains("u202e"), "what was there is said");
    assert!(!fabric.process.lines().iter().any(|line| line.contains("not in the audit stream")));
}

#[tokio::test]
async fn every_change_is_told_in_the_log_and_in_the_stream() {
    let nats = Nats::start().await;
    let url = nats.url();
    let fabric = locked(&["serve", "--broker", &url, "--audit-stream", "AUDIT", "--log-format", "json"]).await;
    let (admin, api) = (Asker::admin(), format!("{}/admin/v1", fabric.admin));
    let put = async |path: &str, body: Value| drop(admin.done(Method::PUT, &format!("{api}{path}"), &body).await);
    let function = |upstream: &str| json!({"envVars": {"TOKEN": "hush-1"}, "annotations": {"fabric.upstream": upstream, "fabric.concurrency": "5"}});
    put("/functions/f.acme", function("http://me:hush-2@127.0.0.1:9")).await;
    put("/functions/f.acme", function("http://me:hush-3@127.0.0.1:8")).await;
    put("/namespaces/acme", json!({"annotations": {"fabric.weight": "2"}})).await;
    put("/queues/slow", json!({"annotations": {}})).await;
    put("/log", json!({"filter": "info"})).await;
    let (id, key) = admin.key(&fabric, "operator", &["operate"], "acme").await;
    let url = format!("{}/system/functions", fabric.public);
    Asker::with(&key).done(Method::DELETE, &url, &json!({"functionName": "f", "namespace": "acme"})).await;
    admin.done(Method::DELETE, &format!("{api}/queues/slow"), &Value::Null).await;
    admin.done(Method::POST, &format!("{api}/keys/{id}/revoke"), &Value::Null).await;
    let wanted = [
        "put function f.acme".to_owned(),
        "put function f.acme".into(),
        "put namespace acme".into(),
        "put queue slow".into(),
        "put log".into(),
        format!("put key {id}"),
        "put function f.acme".into(),
        "delete queue slow".into(),
        format!("put key {id}"),
    ];
    let logged = eventually(async || {
        let lines: Vec<Value> =
            fabric.process.lines().iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let lines: Vec<Value> = lines.into_iter().filter(|it| it["target"] == "fabric::audit").collect();
        if lines.len() == wanted.len() { Ok(lines) } else { Err(format!("{lines:#?}")) }
    })
    .await;
    let said = |line: &Value, field: &str| line[field].as_str().unwrap().to_owned();
    assert_eq!(logged.iter().map(|line| said(line, "what")).collect::<Vec<_>>(), wanted);
    assert_eq!((said(&logged[0], "who"), said(&logged[0], "from")), ("the admin key".into(), "127.0.0.1".into()));
    assert_eq!(said(&logged[6], "who"), format!("key {id} (operator)"));
    assert_eq!(said(&logged[0], "before"), "null");
    assert!(said(&logged[1], "before").contains("127.0.0.1:9") && said(&logged[1], "after").contains("127.0.0.1:8"));
    let whole = format!("{logged:?}");
    for secret in ["hush", ADMIN, &key] {
        assert!(!whole.contains(secret), "{secret}");
    }

    let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let stream = context.get_stream("AUDIT").await.unwrap();
    assert_eq!(stream.cached_info().state.messages, wanted.len() as u64);
    let consumer = stream.create_consumer(async_nats::jetstream::consumer::pull::Config::default()).await.unwrap();
    let messages = consumer.fetch().max_messages(wanted.len()).messages().await.unwrap();
    let kept: Vec<Value> = messages.map(|it| serde_json::from_slice(&it.unwrap().payload).unwrap()).collect().await;
    assert_eq!(kept.iter().map(|it| it["what"].as_str().unwrap()).collect::<Vec<_>>(), wanted);
    assert!(!format!("{kept:?}").contains("hush"));
}
