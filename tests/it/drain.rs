//! Workers that go while calls run.
//!
//! `FABRIC_LONG_CALL=90s` makes the long calls as long as that.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::StatusCode;
use serde_json::json;
use tests::client::Client;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;
use tokio::time::{Instant, interval, sleep};

const LONG_CALLS: usize = 10;

/// How long a long call is.
fn long_call() -> Duration {
    let text = std::env::var("FABRIC_LONG_CALL").unwrap_or_else(|_| "3s".into());
    humantime::parse_duration(&text).unwrap()
}

async fn worker(nats: &Nats, args: &[&str]) -> Fabric {
    let url = nats.url();
    Fabric::start(&[&["worker", "--broker", &url, "--pre-stop", "0s"], args].concat()).await
}

/// A worker that runs all the long calls, and what they run on.
async fn long_calls_under_way(args: &[&str]) -> (Nats, Server, Fabric, Fabric, HashSet<String>) {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    let leaving = worker(&nats, args).await;
    let path = format!("/sleep/{}", long_call().as_millis());
    gateway.register("long", json!({"fabric.upstream": server.url(&path), "fabric.timeout": "10m"})).await;
    let ids = gateway.accepted_many("long", &[], LONG_CALLS).await;
    eventually(async || match server.running() {
        LONG_CALLS => Ok(()),
        running => Err(format!("{running} run")),
    })
    .await;
    (nats, server, gateway, leaving, ids)
}

async fn assert_all_succeeded(gateway: &Fabric, ids: &HashSet<String>) {
    for id in ids {
        let until = Instant::now() + 3 * long_call() + Duration::from_secs(60);
        let url = format!("{}/calls/{id}?wait=60s", gateway.public);
        loop {
            let record = Client::default().get(&url).await.unwrap().json();
            assert!(Instant::now() < until, "{record}");
            if record["state"] == "succeeded" {
                assert_eq!(record["crashes"], 0, "{record}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn long_calls_finish_on_the_worker_that_was_asked_to_go() {
    let (_nats, server, gateway, mut leaving, ids) = long_calls_under_way(&[]).await;
    leaving.process.terminate();
    eventually(async || {
        let lines = leaving.process.lines();
        let told = lines.iter().any(|line| line.contains("draining queues") && line.contains("running=10"));
        if told { Ok(()) } else { Err("it does not say how many run") }
    })
    .await;
    let until = Instant::now() + long_call() + Duration::from_secs(60);
    while leaving.process.is_running() {
        assert!(Instant::now() < until, "it does not end");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(leaving.process.ended().await.success());
    assert_all_succeeded(&gateway, &ids).await;
    assert_eq!((server.calls("/sleep"), server.seen("/sleep").len()), (ids, LONG_CALLS), "each of them once");
}

#[tokio::test]
async fn what_does_not_finish_in_time_starts_again_at_once_elsewhere() {
    // With a lease of ten minutes, only giving back explains that they start again.
    let (nats, server, gateway, mut leaving, ids) = long_calls_under_way(&["--grace", "500ms", "--lease", "10m"]).await;
    let _staying = worker(&nats, &["--lease", "10m"]).await;
    leaving.process.terminate();
    assert!(leaving.process.ended().await.success());
    let ended = Instant::now();
    eventually(async || match server.seen("/sleep").len() {
        seen if seen == 2 * LONG_CALLS => Ok(()),
        seen => Err(format!("{seen} have begun")),
    })
    .await;
    println!("all began again {:.2} s after the first worker's exit", ended.elapsed().as_secs_f64());
    assert_all_succeeded(&gateway, &ids).await;
    assert_eq!((server.calls("/sleep"), server.seen("/sleep").len()), (ids, 2 * LONG_CALLS));
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_replaced_under_load_and_no_call_notices() {
    const RATE: u32 = 500;
    let (nats, server) = (Nats::start().await, Server::start().await);
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    let mut workers = Vec::new();
    for _ in 0..3 {
        workers.push(worker(&nats, &[]).await);
    }
    for (name, path) in [("f0", "/ok"), ("f1", "/sleep/20"), ("f2", "/sleep/200")] {
        gateway.register(name, json!({"fabric.upstream": server.url(path)})).await;
    }
    let (over, is_over) = tokio::sync::watch::channel(false);
    let posting = async {
        let ticks = stream::unfold((interval(Duration::from_secs(1) / RATE), 0), |(mut tick, n)| async move {
            tick.tick().await;
            Some((n, (tick, n + 1)))
        });
        let go_on = |_: &usize| std::future::ready(!*is_over.borrow());
        let one = async |n: usize| gateway.accepted(&format!("f{}", n % 3), &[], "x").await;
        ticks.take_while(go_on).map(one).buffer_unordered(256).collect::<HashSet<String>>().await
    };
    let replacing = async {
        sleep(Duration::from_secs(1)).await;
        for _ in 0..3 {
            let mut leaving = workers.remove(0);
            leaving.process.terminate();
            workers.push(worker(&nats, &[]).await);
            assert!(leaving.process.ended().await.success());
            sleep(Duration::from_secs(1)).await;
        }
        over.send_replace(true);
    };
    let (ids, ()) = tokio::join!(posting, replacing);
    let client = Client::default();
    let told = async |id: &String| {
        let url = format!("{}/calls/{id}?wait=60s", gateway.public);
        let answer = client.get(&url).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        answer.json()
    };
    let mut records = stream::iter(&ids).map(told).buffer_unordered(64);
    while let Some(record) = records.next().await {
        let numbers = (&record["state"], &record["deliveries"], &record["attempts"]);
        assert_eq!(numbers, (&json!("succeeded"), &json!(1), &json!(1)), "{record}");
    }
    assert_eq!(server.count("/ok") + server.count("/sleep"), ids.len(), "each of them once");
    println!("{} calls, none delivered twice, none failed", ids.len());
}
