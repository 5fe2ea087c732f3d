//! How a fabric begins: open on this machine only, locked from its first moment wherever else.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::fabric::Fabric;
use tests::function::Server;

use super::asker::{ADMIN, Asker, locked};
use crate::cli::run::run_with;

#[tokio::test]
async fn what_others_reach_is_not_open_by_chance() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    for listen in [&["--listen", "0.0.0.0:0"][..], &["--listen", "127.0.0.1:0", "--admin-listen", "[::]:0"]] {
        let words: Vec<&str> = [&["serve", "--data-dir", dir], listen].concat();
        let said = run_with(&words, "").await.failed();
        assert!(said.stderr.contains("listen") && said.stderr.contains("--insecure-no-auth"), "{}", said.stderr);
    }
    let both = ["serve", "--data-dir", dir, "--insecure-no-auth", "--admin-key", ADMIN];
    assert!(run_with(&both, "").await.failed().stderr.contains("contradicts"));
}

#[tokio::test]
async fn who_may_is_said_before_others_can_reach_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let keys = dir.path().join("keys");
    std::fs::write(&keys, format!("{ADMIN}\n")).unwrap();
    let args = ["serve", "--data-dir", data.to_str().unwrap(), "--admin-key-file", keys.to_str().unwrap()];
    let fabric = Fabric::start_at(&args, "0.0.0.0:0").await;
    let admin = fabric.admin.replace("0.0.0.0", "127.0.0.1");
    let whoami = format!("{admin}/admin/v1/whoami");
    let told = Asker::nobody().get(&whoami).await;
    assert_eq!((told.status, told.header("www-authenticate")), (StatusCode::UNAUTHORIZED, "Bearer realm=\"fabric\""));
    assert_eq!(told.json()["type"], "urn:fabric:problem:unauthenticated");
    for open in ["/readyz", "/healthz", "/ui/"] {
        assert_eq!(Asker::nobody().get(&format!("{admin}{open}")).await.status, StatusCode::OK, "{open}");
    }
    let me = Asker::admin().get(&whoami).await.json();
    assert_eq!((&me["who"], &me["namespaces"]), (&json!("the admin key"), &json!(["*"])));
}

/// `faas-cli login` sends a user and a password to `/system/functions` and goes by the status.
#[tokio::test]
async fn faas_cli_logs_in() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = locked(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    let functions = format!("{}/system/functions", fabric.public);
    let basic = |password: &str| {
        let pair = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("admin:{password}"));
        Asker::by("authorization", &format!("Basic {pair}"))
    };
    assert_eq!(basic(ADMIN).get(&functions).await.status, StatusCode::OK);
    assert_eq!(basic("wrong").get(&functions).await.status, StatusCode::UNAUTHORIZED);
    let deployment = json!({"service": "f", "annotations": {"fabric.upstream": "http://127.0.0.1:9"}});
    assert_eq!(basic(ADMIN).done(Method::PUT, &functions, &deployment).await.status, StatusCode::ACCEPTED);
    let (_, key) = Asker::admin().key(&fabric, "reads", &["read"], "openfaas-fn").await;
    assert_eq!(basic(&key).get(&functions).await.json().as_array().unwrap().len(), 1);
    let refused = basic(&key).ask(Method::PUT, &functions, &[], &deployment).await;
    assert_eq!((refused.status, &refused.json()["error"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
    assert!(refused.json()["message"].as_str().unwrap().contains("operate"), "what is missing is said");
}

/// Where `Authorization` is somebody else's, the header of our own says who asks, whatever he asks for.
#[tokio::test]
async fn a_key_is_known_by_either_header_on_both_listeners() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = locked(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    let own = Asker::by("x-fabric-key", ADMIN);
    let deployment = json!({"service": "f", "annotations": {"fabric.upstream": "http://127.0.0.1:9"}});
    for listener in [&fabric.public, &fabric.admin] {
        let functions = format!("{listener}/system/functions");
        own.done(Method::PUT, &functions, &deployment).await;
        for who in [&own, &Asker::admin()] {
            assert_eq!(who.get(&functions).await.status, StatusCode::OK, "{functions}");
        }
        assert_eq!(Asker::by("x-fabric-key", "wrong").get(&functions).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(own.get(&format!("{}/admin/v1/functions", fabric.admin)).await.status, StatusCode::OK);
}

/// What says who somebody is, is for the gateway: no function and no stored call gets it.
#[tokio::test]
async fn a_key_goes_no_further_than_the_gateway() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = locked(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    let admin = Asker::admin();
    let deployment = json!({"service": "f", "annotations": {"fabric.upstream": server.url("/ok")}});
    admin.done(Method::PUT, &format!("{}/system/functions", fabric.public), &deployment).await;
    let (_, key) = admin.key(&fabric, "calls", &["invoke"], "openfaas-fn").await;
    let own = [("authorization", "Bearer of the function")];
    for path in ["/function/f", "/async-function/f"] {
        let url = format!("{}{path}", fabric.public);
        Asker::with(&key).done(Method::POST, &url, &Value::Null).await;
        let both = Asker::by("x-fabric-key", &key).ask(Method::POST, &url, &own, &Value::Null).await;
        assert!(both.status.is_success(), "{:?}", both.body);
    }
    tests::eventually(async || if server.count("/ok") == 4 { Ok(()) } else { Err(server.count("/ok")) }).await;
    let secret = key.rsplit('_').next().unwrap();
    let seen = server.seen("/ok");
    assert!(seen.iter().all(|it| !format!("{:?}", it.headers).contains(secret)), "{seen:?}");
    let theirs = seen.iter().filter(|it| it.header("authorization") == "Bearer of the function").count();
    assert_eq!(theirs, 2, "what is the function's is left to it");
}
