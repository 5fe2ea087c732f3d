//! API keys: made, used, revoked, in every process.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::eventually;
use tests::nats::Nats;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::asker::{ADMIN, Asker, locked};
use crate::cli::run::run_with;

#[tokio::test]
async fn a_key_that_is_revoked_is_of_no_use_in_any_process() {
    let nats = Nats::start().await;
    let url = nats.url();
    let here = locked(&["gateway", "--broker", &url]).await;
    let there = locked(&["worker", "--broker", &url]).await;
    let admin = Asker::admin();
    let (id, key) = admin.key(&here, "ci", &["read"], "*").await;
    let asker = Asker::with(&key);
    let is = async |status: StatusCode| {
        eventually(async || {
            let told = asker.get(&format!("{}/admin/v1/tree", there.admin)).await.status;
            if told == status { Ok(()) } else { Err(told) }
        })
        .await;
    };
    is(StatusCode::OK).await;
    let revoked = admin.done(Method::POST, &format!("{}/admin/v1/keys/{id}/revoke", here.admin), &Value::Null).await;
    assert!(revoked.json()["revoked_at"].is_string());
    assert_eq!(
        asker.get(&format!("{}/admin/v1/tree", here.admin)).await.status,
        StatusCode::UNAUTHORIZED,
        "at once here"
    );
    is(StatusCode::UNAUTHORIZED).await;
}

/// An answer that goes on and on ends with the right to hear it.
#[tokio::test]
async fn whoever_hears_of_calls_hears_nothing_more_once_his_key_is_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = locked(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    let admin = Asker::admin();
    let (id, key) = admin.key(&fabric, "listens", &["read"], "*").await;
    let host = fabric.admin.trim_start_matches("http://");
    let mut line = TcpStream::connect(host).await.unwrap();
    let head = format!("GET /admin/v1/events HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\r\n");
    line.write_all(head.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    while !heard.windows(3).any(|it| it == b":\n\n") {
        assert!(line.read_buf(&mut heard).await.unwrap() > 0, "{}", String::from_utf8_lossy(&heard));
    }
    assert!(heard.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&heard));
    // Another key's end is nothing to him.
    let (other, _) = admin.key(&fabric, "other", &["read"], "*").await;
    let revoke = |id: String| format!("{}/admin/v1/keys/{id}/revoke", fabric.admin);
    admin.done(Method::POST, &revoke(other), &Value::Null).await;
    assert!(timeout(Duration::from_millis(300), line.read_buf(&mut heard)).await.is_err(), "it goes on");
    admin.done(Method::POST, &revoke(id), &Value::Null).await;
    let rest = timeout(Duration::from_secs(60), async {
        while !heard.ends_with(b"\r\n0\r\n\r\n") {
            assert!(line.read_buf(&mut heard).await.unwrap() > 0, "it is cut off");
        }
    });
    assert!(rest.await.is_ok(), "{}", String::from_utf8_lossy(&heard));
}

/// Each queue is a share of every worker: nobody takes himself one.
#[tokio::test]
async fn a_tenants_functions_wait_in_queues_that_he_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = locked(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    let admin = Asker::admin();
    let (_, key) = admin.key(&fabric, "acme's", &["operate", "read"], "acme").await;
    let acme = Asker::with(&key);
    let deploy = async |by: &Asker, name: &str, queue: &str| {
        let annotations = json!({"fabric.upstream": "http://127.0.0.1:9", "com.openfaas.queue": queue});
        let url = format!("{}/admin/v1/functions/{name}.acme", fabric.admin);
        let put = by.ask(Method::PUT, &url, &[], &json!({"annotations": annotations})).await;
        let body = json!({"service": name, "namespace": "acme", "annotations": annotations});
        let system = by.ask(Method::PUT, &format!("{}/system/functions", fabric.admin), &[], &body).await;
        (put.status, system.status)
    };
    let (refused, taken) = ((StatusCode::FORBIDDEN, StatusCode::FORBIDDEN), (StatusCode::OK, StatusCode::ACCEPTED));
    assert_eq!(deploy(&acme, "f", "default").await, (StatusCode::CREATED, StatusCode::ACCEPTED));
    assert_eq!(deploy(&acme, "f", "mine").await, refused);
    // Whoever may for all moves it there; then it is there.
    assert_eq!(deploy(&admin, "f", "theirs").await, taken);
    assert_eq!(deploy(&acme, "f", "theirs").await, taken);
    let tenancy = json!({"annotations": {"fabric.queues": "mine, other"}});
    admin.done(Method::PUT, &format!("{}/admin/v1/namespaces/acme", fabric.admin), &tenancy).await;
    assert_eq!(deploy(&acme, "f", "mine").await, taken);
    assert_eq!(deploy(&acme, "f", "theirs").await, refused);
}

#[tokio::test]
async fn nobody_makes_a_key_that_may_do_more_than_his_own() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = locked(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    let (keys, admin) = (format!("{}/admin/v1/keys", fabric.admin), Asker::admin());
    let (own, key) = admin.key(&fabric, "acme's", &["admin"], "acme").await;
    let (others, _) = admin.key(&fabric, "all", &["read"], "*").await;
    let acme = Asker::with(&key);
    let asked = async |scopes: Value, namespaces: Value| {
        let body = json!({"name": "x", "scopes": scopes, "namespaces": namespaces, "expires_in": "1h"});
        acme.ask(Method::POST, &keys, &[], &body).await
    };
    let made = asked(json!(["invoke", "admin"]), json!(["acme"])).await;
    assert_eq!((made.status, made.header("cache-control")), (StatusCode::CREATED, "no-store"));
    for namespaces in [json!(["*"]), json!(["other"]), json!(["acme", "other"])] {
        assert_eq!(asked(json!(["read"]), namespaces.clone()).await.status, StatusCode::FORBIDDEN, "{namespaces}");
    }
    for (scopes, namespaces) in
        [(json!([]), json!(["acme"])), (json!(["root"]), json!(["acme"])), (json!(["read"]), json!([]))]
    {
        assert_eq!(asked(scopes, namespaces).await.status, StatusCode::BAD_REQUEST);
    }
    let listed = acme.get(&keys).await.json();
    let ids: Vec<&str> = listed["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert!(ids.len() == 2 && ids.contains(&&*own) && !ids.contains(&&*others), "{listed}");
    assert!(!listed.to_string().contains("hash") && !listed.to_string().contains("fab_"), "{listed}");
    for method in [Method::GET, Method::DELETE] {
        let told = acme.ask(method, &format!("{keys}/{others}"), &[], &Value::Null).await;
        assert_eq!(told.status, StatusCode::NOT_FOUND);
    }
    acme.done(Method::DELETE, &format!("{keys}/{own}"), &Value::Null).await;
    assert_eq!(acme.get(&keys).await.status, StatusCode::UNAUTHORIZED, "he has locked himself out");
}

#[tokio::test]
async fn keys_are_made_and_revoked_from_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = locked(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    let said = async |words: &[&str], key: &str| {
        run_with(&[words, &["--admin", &fabric.admin, "--key", key]].concat(), "").await
    };
    let words =
        ["key", "create", "ci", "--scope", "invoke", "--scope", "read", "--namespace", "acme", "--expires-in", "90d"];
    let made = said(&words, ADMIN).await.good();
    let key = made.stdout.trim();
    assert!(key.starts_with("fab_") && !key.contains(char::is_whitespace), "a script can take it: {key}");
    assert!(!made.stderr.contains(key), "it is shown once");
    let id = key.split('_').nth(1).unwrap();
    let listed = said(&["key", "list"], ADMIN).await.good().stdout;
    assert!(listed.contains(id) && listed.contains("acme") && listed.contains("until"), "{listed}");
    let refused = said(&["key", "list"], key).await.failed().stderr;
    assert!(refused.contains("lacks scope admin"), "{refused}");
    said(&["function", "list"], key).await.good();
    said(&["key", "revoke", id], ADMIN).await.good();
    assert!(said(&["function", "list"], key).await.failed().stderr.contains("Unauthenticated"));
    assert!(said(&["key", "list"], ADMIN).await.good().stdout.contains("revoked"));
    said(&["key", "revoke", id, "--forget"], ADMIN).await.good();
    assert!(!said(&["key", "list"], ADMIN).await.good().stdout.contains(id));
}

#[tokio::test]
async fn no_key_is_shown_by_what_shows_options() {
    let words = ["config", "serve", "--data-dir", "x", "--admin-key", ADMIN];
    let said = run_with(&words, "").await.good();
    assert!(said.stdout.contains("admin-key") && !said.stdout.contains(ADMIN), "{}", said.stdout);
    let words = ["function", "list", "--admin", "http://127.0.0.1:1", "--key", "fab_k1_00"];
    assert!(!run_with(&words, "").await.failed().stderr.contains("fab_k1_00"));
}
