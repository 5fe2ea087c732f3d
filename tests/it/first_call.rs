//! The first promise a user meets: a call is stored, run and called back.

use http::{Method, StatusCode};
use serde_json::json;
use tests::client::Client;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;

async fn dev(dir: &tempfile::TempDir) -> Fabric {
    Fabric::start(&["dev", "--data-dir", dir.path().to_str().unwrap()]).await
}

async fn register(fabric: &Fabric, name: &str, server: &Server, path: &str) {
    fabric.register(name, json!({"fabric.upstream": server.url(path)})).await;
}

#[tokio::test]
async fn a_call_reaches_the_function_as_it_was_sent_and_its_answer_the_caller() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = dev(&dir).await;
    register(&fabric, "f.acme", &server, "/status/201").await;
    let url = format!("{}/async-function/f.acme/a%2Fb/c?q=1&r", fabric.public);
    let callback = server.url("/callback?x=y");
    let headers = [
        ("content-type", "image/png"),
        ("x-many", "one"),
        ("x-many", "two"),
        ("connection", "x-this-hop"),
        ("x-this-hop", "gone"),
        ("x-callback-url", &callback),
        ("x-call-id", "order-17"),
    ];
    let answer = Client::default().send(Method::POST, &url, &headers, "\u{0}body").await.unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!((answer.header("x-call-id"), answer.body.len()), ("order-17", 0));
    let start = answer.header("x-start-time").to_owned();
    assert!(start.parse::<u64>().unwrap() > 1_700_000_000_000_000_000);

    let callback = eventually(async || server.seen("/callback").pop().ok_or("no callback yet")).await;
    let called = server.seen("/status").pop().unwrap();
    assert_eq!((&called.method, called.uri.as_str()), (&Method::POST, "/status/201/a%2Fb/c?q=1&r"));
    assert_eq!(&*called.body, b"\0body");
    for (name, value) in [("content-type", "image/png"), ("x-call-id", "order-17"), ("x-attempt", "1")] {
        assert_eq!(called.header(name), value, "{name}");
    }
    assert_eq!(called.header("x-start-time"), start);
    assert_eq!(called.headers.get_all("x-many").iter().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(called.header("x-this-hop"), "");

    assert_eq!((&callback.method, callback.uri.as_str()), (&Method::POST, "/callback?x=y"));
    assert_eq!(&*callback.body, b"answer to \0body");
    for (name, value) in [
        ("x-call-id", "order-17"),
        ("x-function-name", "f.acme"),
        ("x-function-status", "201"),
        ("x-attempt", "1"),
        ("x-start-time", &start),
        ("x-from-the-function", "yes"),
    ] {
        assert_eq!(callback.header(name), value, "{name}");
    }
    assert!(callback.header("x-duration-seconds").parse::<f64>().unwrap() >= 0.0);
}

#[tokio::test]
async fn every_method_is_streamed_through_synchronously() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = dev(&dir).await;
    register(&fabric, "f", &server, "/status/418").await;
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let url = format!("{}/function/f/x?y=z", fabric.public);
        let answer = Client::default().send(method.clone(), &url, &[], "b").await.unwrap();
        assert_eq!((answer.status.as_u16(), &*answer.body), (418, &b"answer to b"[..]), "{method}");
        let seen = server.seen("/status").pop().unwrap();
        assert_eq!((seen.method.clone(), seen.uri.as_str()), (method, "/status/418/x?y=z"));
        assert_eq!(seen.header("x-call-id"), answer.header("x-call-id"));
        assert_eq!(seen.header("x-start-time"), answer.header("x-start-time"));
        assert_eq!(seen.header("x-forwarded-for"), "127.0.0.1");
        assert!(!seen.header("x-call-id").is_empty());
    }
}

#[tokio::test]
async fn a_failed_attempt_is_retried_and_the_callback_tells_how_often() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = dev(&dir).await;
    register(&fabric, "f", &server, "/fail-first/503").await;
    let id = fabric.accepted("f", &[("x-callback-url", &server.url("/callback"))], "x").await;
    let callback = eventually(async || server.seen("/callback").pop().ok_or("no callback yet")).await;
    assert_eq!((callback.header("x-call-id"), callback.header("x-attempt")), (&*id, "2"));
    let attempts: Vec<_> = server.seen("/fail-first").iter().map(|seen| seen.header("x-attempt").to_owned()).collect();
    assert_eq!(attempts, ["1", "2"]);
}

#[tokio::test]
async fn a_final_refusal_by_the_function_is_its_answer() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = dev(&dir).await;
    register(&fabric, "f", &server, "/status/404").await;
    fabric.accepted("f", &[("x-callback-url", &server.url("/callback"))], "x").await;
    let callback = eventually(async || server.seen("/callback").pop().ok_or("no callback yet")).await;
    assert_eq!(callback.header("x-function-status"), "404");
    assert_eq!(server.seen("/status").len(), 1, "it is not tried again");
}

#[tokio::test]
async fn a_repeated_id_or_idempotency_key_runs_once() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = dev(&dir).await;
    register(&fabric, "f", &server, "/ok").await;
    for header in ["x-call-id", "idempotency-key"] {
        let first = fabric.accepted("f", &[(header, "again")], "x").await;
        assert_eq!(fabric.accepted("f", &[(header, "again")], "x").await, first);
    }
    let last = fabric.accepted("f", &[], "last").await;
    eventually(async || if server.calls("/ok").contains(&last) { Ok(()) } else { Err("not run yet") }).await;
    eventually(async || if fabric.in_flight().await == 0 { Ok(()) } else { Err("calls run") }).await;
    assert_eq!(server.seen("/ok").len(), 3);
}

#[tokio::test]
async fn a_killed_process_loses_no_accepted_call() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let mut fabric = dev(&dir).await;
    register(&fabric, "held", &server, "/hold").await;
    let mut ids = std::collections::HashSet::new();
    for n in 0..50 {
        ids.insert(fabric.accepted("held", &[], &n.to_string()).await);
    }
    fabric.process.kill9();
    drop(fabric);
    server.release();
    let before = server.seen("/hold").len();
    let _fabric = dev(&dir).await;
    eventually(async || {
        let seen = server.seen("/hold");
        let again: std::collections::HashSet<_> =
            seen[before..].iter().map(|seen| seen.header("x-call-id").to_owned()).collect();
        if again == ids { Ok(()) } else { Err(format!("{} of 50 ran after the crash", again.len())) }
    })
    .await;
}

#[tokio::test]
async fn each_command_that_dev_prints_works() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = dev(&dir).await;
    let commands: Vec<String> = eventually(async || {
        let lines = fabric.process.lines();
        let commands: Vec<_> = lines.iter().filter(|line| line.trim_start().starts_with("curl ")).cloned().collect();
        if commands.len() == 3 { Ok(commands) } else { Err("not printed yet") }
    })
    .await;
    for command in &commands {
        let output = std::process::Command::new("sh").args(["-c", command]).output().unwrap();
        let output = String::from_utf8_lossy(&output.stdout).to_string();
        assert!(output.starts_with("HTTP/1.1 202"), "{command}\n{output}");
    }
    for callback in ["hello", "slept 2 s", "succeeded after 2 failures"] {
        eventually(async || {
            let printed =
                fabric.process.lines().iter().any(|line| line.contains("callback:") && line.contains(callback));
            if printed { Ok(()) } else { Err(format!("{callback:?} was not printed")) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_signal_drains_what_runs_and_the_process_ends_well() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let mut fabric = dev(&dir).await;
    register(&fabric, "f", &server, "/sleep/500").await;
    fabric.accepted("f", &[("x-callback-url", &server.url("/callback"))], "x").await;
    eventually(async || if server.running() == 1 { Ok(()) } else { Err("it does not run yet") }).await;
    fabric.process.terminate();
    assert!(fabric.process.ended().await.success());
    assert_eq!((server.running(), server.seen("/sleep").len()), (0, 1), "the call was not cut off");
}
