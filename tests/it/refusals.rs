//! Every way to say no: the status, the code, when to try again; and nothing kept of what was refused.

use http::{Method, StatusCode};
use serde_json::json;
use tests::client::{Answer, Client};
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;
use tests::process::Process;

fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, StatusCode::from_u16(status).unwrap(), "{:?}", answer.body);
    let problem = answer.json();
    assert_eq!(problem["error"], code);
    assert!(problem["message"].as_str().unwrap().len() > 10, "{problem}");
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn what_a_caller_gets_wrong_is_said() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["dev", "--data-dir", dir.path().to_str().unwrap(), "--max-body", "1KiB"]).await;
    fabric.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    let client = Client::default();
    let url = |path: &str| format!("{}{path}", fabric.public);

    assert_refused(&fabric.call("nope", &[], "x").await, 404, "unknown_function");
    assert_refused(&fabric.call("f.elsewhere", &[], "x").await, 404, "unknown_function");
    assert_refused(&fabric.call("Not_A_Name", &[], "x").await, 400, "bad_name");
    assert_refused(&fabric.call("", &[], "x").await, 400, "bad_name");
    for path in ["f/../g", "f/%2e%2e/g", "f/a%5C..%5Cb"] {
        assert_refused(&fabric.call(path, &[], "x").await, 400, "bad_path");
    }
    assert_refused(&client.get(&url("/function/f/%2e%2e/g")).await.unwrap(), 400, "bad_path");
    assert_refused(&fabric.call("f", &[("idempotency-key", "")], "x").await, 400, "bad_request");
    assert_refused(&fabric.call("f", &[("x-call-id", "not an id")], "x").await, 400, "bad_name");
    for bad in ["nonsense", "ftp://x/y", "/relative", "http://"] {
        assert_refused(&fabric.call("f", &[("x-callback-url", bad)], "x").await, 400, "bad_request");
    }
    assert_refused(&fabric.call("f", &[], &"x".repeat(1025)).await, 413, "too_large");
    assert_eq!(fabric.call("f", &[], &"x".repeat(1024)).await.status, StatusCode::ACCEPTED);
    for method in [Method::GET, Method::PUT] {
        let answer = client.send(method, &url("/async-function/f"), &[], "").await.unwrap();
        assert_refused(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "POST");
    }
    for path in ["/async-function/nobodys", "/calls/nobodys"] {
        let answer = client.send(Method::DELETE, &url(path), &[], "").await.unwrap();
        assert_refused(&answer, 404, "unknown_call");
    }
    assert_refused(&client.get(&url("/calls/nobodys?wait=1s")).await.unwrap(), 404, "unknown_call");
    assert_refused(&client.get(&url("/calls/c?wait=soon")).await.unwrap(), 400, "bad_request");
    assert_refused(&client.get(&url("/calls/not.an.id")).await.unwrap(), 400, "bad_name");
    for (name, value) in [("x-delay", "30"), ("x-not-before", "tomorrow"), ("x-expires-in", "-1s")] {
        assert_refused(&fabric.call("f", &[(name, value)], "x").await, 400, "bad_request");
    }
    assert_refused(&client.get(&url("/nowhere")).await.unwrap(), 404, "no_route");
    assert_refused(&client.get(&url("/function/nope")).await.unwrap(), 404, "unknown_function");
    let bad_specs = [
        (json!({"service": "F"}), "bad_spec"),
        (json!({"service": "g"}), "bad_spec"),
        (json!({"service": "g", "annotations": {"fabric.upstream": "x"}}), "bad_spec"),
        (json!({"service": "g", "annotations": {"fabric.upstream": "http://x", "fabric.concurency": "5"}}), "bad_spec"),
        (json!({"image": "only"}), "bad_request"),
    ];
    for (spec, code) in bad_specs {
        let answer = client.send(Method::PUT, &url("/system/functions"), &[], spec.to_string()).await.unwrap();
        assert_refused(&answer, 400, code);
    }
    let nobody = json!({"functionName": "nope"}).to_string();
    let answer = client.send(Method::DELETE, &url("/system/functions"), &[], nobody).await.unwrap();
    assert_refused(&answer, 404, "unknown_function");
}

#[tokio::test]
async fn a_function_that_is_away_is_a_bad_gateway_to_a_synchronous_caller() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["dev", "--data-dir", dir.path().to_str().unwrap()]).await;
    fabric.register("away", json!({"fabric.upstream": format!("http://127.0.0.1:{}", tests::nats::free_port())})).await;
    fabric.register("slow", json!({"fabric.upstream": server.url("/hold"), "fabric.timeout": "200ms"})).await;
    let get = async |name| Client::default().get(&format!("{}/function/{name}", fabric.public)).await.unwrap();
    assert_refused(&get("away").await, 502, "unreachable");
    assert_refused(&get("slow").await, 504, "timed_out");
}

#[tokio::test]
async fn over_a_backlog_quota_it_is_429_and_what_was_accepted_is_kept() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let url = nats.url();
    let gateway = Fabric::start(&["gateway", "--broker", &url, "--function-backlog", "3"]).await;
    gateway.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    let mut accepted = std::collections::HashSet::new();
    for _ in 0..3 {
        accepted.insert(gateway.accepted("f", &[], "x").await);
    }
    let refused = gateway.call("f", &[], "x").await;
    assert_refused(&refused, 429, "backlog_full");
    assert_eq!(refused.header("retry-after"), "1");
    let _worker = Fabric::start(&["worker", "--broker", &url]).await;
    tests::eventually(async || if server.calls("/ok") == accepted { Ok(()) } else { Err("not all have run") }).await;
}

#[tokio::test]
async fn without_a_broker_it_is_503_and_afterwards_202() {
    let (mut nats, server) = (Nats::start().await, Server::start().await);
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    gateway.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    gateway.accepted("f", &[], "x").await;
    nats.kill9();
    let refused = gateway.call("f", &[], "x").await;
    assert_refused(&refused, 503, "broker_away");
    assert_eq!(refused.header("retry-after"), "1");
    nats.restart().await;
    tests::eventually(async || {
        let answer = gateway.call("f", &[], "x").await;
        if answer.status == StatusCode::ACCEPTED { Ok(()) } else { Err(answer.status) }
    })
    .await;
}

async fn fails_to_start(args: &[&str], because: &str) {
    let binary = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("fabric");
    let program = std::env::var_os("FABRIC_BIN").map_or(binary, Into::into);
    let mut command = std::process::Command::new(program);
    command.args(args).args(["--admin-listen", "127.0.0.1:0"]);
    let mut process = Process::start("fabric", &mut command).unwrap();
    assert!(!process.ended().await.success());
    tests::eventually(async || {
        let lines = process.lines();
        if lines.last().is_some_and(|last| last.contains(because)) { Ok(()) } else { Err(format!("{lines:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_process_that_cannot_start_says_why_in_its_last_line() {
    let nobody = format!("nats://me:secret@127.0.0.1:{}", tests::nats::free_port());
    fails_to_start(&["worker", "--broker", &nobody], "start nats-server with -js there").await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let first = Fabric::start(&["serve", "--data-dir", path]).await;
    fails_to_start(&["worker", "--data-dir", path], "in use by another fabric process").await;
    let taken = first.public.trim_start_matches("http://");
    fails_to_start(&["gateway", "--data-dir", path, "--listen", taken], "choose another address with --listen").await;
    let little = ["gateway", "--data-dir", path, "--max-body", "2MiB", "--body-memory", "1MiB"];
    fails_to_start(&little, "--body-memory is 1048576 bytes and --max-body 2097152").await;
}

#[tokio::test]
async fn a_stream_that_would_lose_messages_is_refused() {
    let nats = Nats::start().await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    let unsafe_stream = async_nats::jetstream::stream::Config {
        name: "FABRIC_LATER".into(),
        subjects: vec!["fabric.later.>".into(), "fabric.due.>".into()],
        ..Default::default()
    };
    async_nats::jetstream::new(client).create_stream(unsafe_stream).await.unwrap();
    fails_to_start(&["worker", "--broker", &nats.url()], "retention is limits, must be workqueue").await;
}

/// A body of several times what a NATS server takes reaches its function whole, and so does its result its caller.
#[tokio::test]
async fn a_large_body_is_kept_aside_and_a_larger_one_refused() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let url = nats.url();
    let gateway = Fabric::start(&["gateway", "--broker", &url, "--max-body", "4MiB"]).await;
    let args = ["worker", "--broker", &url, "--allow-private-callbacks", "--max-result", "8MiB"];
    let _worker = Fabric::start(&args).await;
    gateway.register("f", json!({"fabric.upstream": server.url("/fail-first/503")})).await;
    let body: String = (0..4 * 1024 * 1024).map(|n| char::from(b'a' + (n % 23) as u8)).collect();
    let callback = server.url("/callback");
    gateway.accepted("f", &[("x-callback-url", &callback)], &body).await;
    tests::eventually(async || if server.count("/callback") == 1 { Ok(()) } else { Err("not called back") }).await;
    let seen = server.seen("/fail-first");
    assert_eq!(seen.len(), 2, "and again when it is tried again");
    assert!(seen.iter().all(|seen| seen.body == body.as_bytes()));
    assert!(server.seen("/callback")[0].body == format!("answer to {body}").as_bytes());
    assert_refused(&gateway.call("f", &[], &format!("{body}x")).await, 413, "too_large");
}

/// Nobody waits for a broker that is known to be away; what needs none goes on, so the gateway stays ready.
#[tokio::test]
async fn while_the_broker_is_away_calls_are_refused_at_once() {
    let (mut nats, server) = (Nats::start().await, Server::start().await);
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    gateway.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    nats.kill9();
    // Whoever waits for a broker in vain has a line of the log for it.
    let in_vain = || gateway.process.lines().iter().filter(|line| line.contains("the broker did not confirm")).count();
    let bodies = [("x-call-id", "order-17"), ("x-delay", "1h"), ("idempotency-key", "k"), ("x-other", "x")];
    eventually(async || {
        let before = in_vain();
        for header in bodies {
            let answer = gateway.call("f", &[header], "x").await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{:?}", answer.body);
            assert!(!answer.header("retry-after").is_empty());
        }
        if in_vain() == before { Ok(()) } else { Err("it is still waited for") }
    })
    .await;
    let client = Client::default();
    let answer = client.post(&format!("{}/function/f", gateway.public), &[], "x").await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(client.get(&format!("{}/readyz", gateway.admin)).await.unwrap().status, StatusCode::OK);
    nats.restart().await;
    eventually(async || match gateway.call("f", &[], "x").await.status {
        StatusCode::ACCEPTED => Ok(()),
        status => Err(status),
    })
    .await;
}
