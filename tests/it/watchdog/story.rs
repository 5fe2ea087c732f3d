//! The story of long calls: the function that runs them is asked to go, then the worker, then the gateway.
//!
//! `FABRIC_LONG_CALL=90s` makes the calls as long as that.

use std::collections::HashSet;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tests::client::Client;
use tests::eventually;
use tests::fabric::Fabric;
use tests::nats::Nats;
use tests::process::Process;
use tokio::time::{Instant, sleep};

use super::{Watchdog, has_lines};

const CALLS: usize = 5;

/// How long a call is.
fn long_call() -> Duration {
    let text = std::env::var("FABRIC_LONG_CALL").unwrap_or_else(|_| "3s".into());
    humantime::parse_duration(&text).unwrap()
}

/// The function: each call writes its id down when it begins and when it ends.
async fn function(listen: &str, dir: &Path) -> Watchdog {
    let (began, ended) = (dir.join("began"), dir.join("ended"));
    let script = format!(
        "echo $Http_X_Call_Id >> {}; sleep {}; cat; echo $Http_X_Call_Id >> {}",
        began.display(),
        long_call().as_secs_f64(),
        ended.display()
    );
    let limit = format!("{}s", 2 * long_call().as_secs() + 60);
    let options = ["--listen", listen, "--exec-timeout", &limit, "--healthcheck-interval", "200ms"];
    Watchdog::shell(&[&options[..], &["--max-inflight", "5"]].concat(), &script).await
}

/// Waits until a process has ended, for as long as its calls may take; that it ended well.
async fn ends(process: &mut Process) {
    let until = Instant::now() + long_call() + Duration::from_secs(60);
    while process.is_running() {
        assert!(Instant::now() < until, "it does not end");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(process.ended().await.success());
}

async fn record(gateway: &Fabric, id: &str) -> Value {
    Client::default().get(&format!("{}/calls/{id}", gateway.public)).await.unwrap().json()
}

async fn succeeded(gateway: &Fabric, id: &str) -> Value {
    let until = Instant::now() + 3 * long_call() + Duration::from_secs(90);
    let url = format!("{}/calls/{id}?wait=30s", gateway.public);
    loop {
        let record = Client::default().get(&url).await.unwrap().json();
        if record["state"] == "succeeded" {
            return record;
        }
        assert!(Instant::now() < until, "{record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_asked_to_go_finishes_its_calls_and_the_next_run_when_it_is_back() {
    let (nats, dir) = (Nats::start().await, tempfile::tempdir().unwrap());
    let (began, ended) = (dir.path().join("began"), dir.path().join("ended"));
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    let _worker = Fabric::start(&["worker", "--broker", &nats.url()]).await;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let mut leaving = function(&listen, dir.path()).await;
    let annotations = json!({
        "fabric.upstream": leaving.url, "fabric.timeout": "10m", "fabric.concurrency": CALLS.to_string(),
        "com.openfaas.retry.max_wait": "1s"
    });
    gateway.register("long", annotations).await;

    let ids = gateway.accepted_many("long", &[], CALLS).await;
    has_lines(&began, CALLS).await;
    leaving.process.terminate();
    leaving.says(&["asked to end: unhealthy from now on", "running=5"]).await;
    leaving.says(&["no new connections: draining", "running=5"]).await;
    // Those that come now find nobody there once there is room for them.
    let more = gateway.accepted_many("long", &[], 3).await;
    ends(&mut leaving.process).await;
    assert_eq!(has_lines(&ended, CALLS).await.into_iter().collect::<HashSet<_>>(), ids, "none was cut off");
    let lines = leaving.says_last("exiting running=0").await;
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
    let order = ["asked to end", "no new connections", "status=200", "exiting running=0"].map(at);
    assert!(order.is_sorted(), "{order:?}\n{}", lines.join("\n"));
    assert_eq!(lines.iter().filter(|line| line.contains("status=200")).count(), CALLS);
    for id in &ids {
        let it = succeeded(&gateway, id).await;
        let numbers = (&it["attempts"], &it["crashes"], &it["deliveries"]);
        assert_eq!(numbers, (&json!(1), &json!(0), &json!(1)), "{it}");
    }

    eventually(async || {
        for id in &more {
            let it = record(&gateway, id).await;
            if it["throttles"].as_u64().is_some_and(|throttles| throttles > 0) {
                return Ok(());
            }
        }
        Err("none of them has found out that nobody is there")
    })
    .await;
    let _back = function(&listen, dir.path()).await;
    for id in &more {
        let it = succeeded(&gateway, id).await;
        assert_eq!((&it["attempts"], &it["crashes"]), (&json!(1), &json!(0)), "{it}");
    }
    let all: HashSet<String> = ids.union(&more).cloned().collect();
    for file in [&began, &ended] {
        assert_eq!(has_lines(file, all.len()).await.into_iter().collect::<HashSet<_>>(), all, "each of them once");
    }
}

/// Waits for a line of a process's log that has all of these.
async fn says(fabric: &Fabric, words: &[&str]) {
    eventually(async || {
        let lines = fabric.process.lines();
        match lines.iter().any(|line| words.iter().all(|word| line.contains(word))) {
            true => Ok(()),
            false => Err(format!("no line has {words:?}:\n{}", lines.join("\n"))),
        }
    })
    .await;
}

/// Each began once and ended once, at its first attempt, and was delivered once.
async fn ran_once(gateway: &Fabric, dir: &Path, ids: &HashSet<String>) {
    for id in ids {
        let it = succeeded(gateway, id).await;
        let numbers = (&it["attempts"], &it["crashes"], &it["deliveries"]);
        assert_eq!(numbers, (&json!(1), &json!(0), &json!(1)), "{it}");
    }
    for file in ["began", "ended"] {
        let lines = has_lines(&dir.join(file), ids.len()).await;
        assert_eq!(lines.into_iter().collect::<HashSet<_>>(), *ids, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_asked_to_go_finishes_its_calls_and_the_next_run_elsewhere() {
    let (nats, dir) = (Nats::start().await, tempfile::tempdir().unwrap());
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    let worker = ["worker", "--broker", &nats.url(), "--pre-stop", "0s"];
    let mut leaving = Fabric::start(&worker).await;
    let function = function("127.0.0.1:0", dir.path()).await;
    let annotations =
        json!({"fabric.upstream": function.url, "fabric.timeout": "10m", "fabric.concurrency": CALLS.to_string()});
    gateway.register("long", annotations).await;

    let mut ids = gateway.accepted_many("long", &[], CALLS).await;
    has_lines(&dir.path().join("began"), CALLS).await;
    leaving.process.terminate();
    says(&leaving, &["draining queues", "running=5"]).await;
    // These are for whoever comes in its place.
    ids.extend(gateway.accepted_many("long", &[], 3).await);
    let _next = Fabric::start(&worker).await;
    ends(&mut leaving.process).await;
    ran_once(&gateway, dir.path(), &ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_asked_to_go_answers_those_who_wait_and_loses_nothing_it_has_taken() {
    let (nats, dir) = (Nats::start().await, tempfile::tempdir().unwrap());
    let gateway = ["gateway", "--broker", &nats.url(), "--pre-stop", "0s"];
    let mut leaving = Fabric::start(&gateway).await;
    let _worker = Fabric::start(&["worker", "--broker", &nats.url()]).await;
    let function = function("127.0.0.1:0", dir.path()).await;
    leaving.register("long", json!({"fabric.upstream": function.url, "fabric.timeout": "10m"})).await;

    let url = format!("{}/function/long", leaving.public);
    let waiting = |n: usize| {
        let url = url.clone();
        async move {
            let id = format!("waits-{n}");
            Client::default().send(http::Method::POST, &url, &[("x-call-id", &id)], id.clone()).await.unwrap()
        }
    };
    let mut waiting: tokio::task::JoinSet<_> = (0..2).map(waiting).collect();
    let ids = leaving.accepted_many("long", &[], 3).await;
    has_lines(&dir.path().join("began"), CALLS).await;
    leaving.process.terminate();
    says(&leaving, &["draining"]).await;
    while let Some(answer) = waiting.join_next().await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert!(answer.body.starts_with(b"waits-"), "{:?}", answer.body);
    }
    ends(&mut leaving.process).await;
    assert!(Client::default().get(&url).await.is_err(), "nobody listens there any more");
    let next = Fabric::start(&gateway).await;
    for id in &ids {
        let it = succeeded(&next, id).await;
        assert_eq!((&it["attempts"], &it["crashes"], &it["deliveries"]), (&json!(1), &json!(0), &json!(1)), "{it}");
    }
}
