//! A long call and a function that is asked to go: the first third of the story of long calls.
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
use tokio::time::Instant;

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
    assert!(leaving.process.ended().await.success());
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
