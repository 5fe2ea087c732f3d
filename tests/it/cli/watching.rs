//! `fabric tree`, `fabric why`, `fabric top` and `fabric tail`.

use serde_json::json;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;

use super::run::{ask, json};

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_and_what_waits_is_told_with_the_reason() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    fabric.register("f", json!({"fabric.upstream": server.url("/hold"), "fabric.concurrency": "1"})).await;
    for _ in 0..3 {
        fabric.accepted("f", &[], "x").await;
    }
    eventually(async || fabric.waits_for("f").await.filter(|it| it == "cluster_limit").ok_or("it does not wait")).await;
    let why = ask(&fabric, "why f").await.good().stdout;
    let sentence = "function f: as many of its calls run as the function's concurrency allows";
    assert!(why.starts_with(sentence) && why.contains("cause      cluster_limit"), "{why}");
    let calls = json(&fabric, "call list f").await;
    let last = calls[2]["id"].as_str().unwrap();
    let explained = json(&fabric, &format!("why {last}")).await;
    assert_eq!((&explained["cause"], explained["ahead"].as_u64()), (&json!({"held": "cluster_limit"}), Some(2)));
    let neither = ask(&fabric, "why nobody").await.failed().stderr;
    assert!(neither.contains("nobody is neither a function nor a call"), "{neither}");

    let tree = ask(&fabric, "tree").await.good().stdout;
    let line = tree.lines().find(|line| line.contains("f.openfaas-fn")).unwrap();
    assert!(line.contains("└─ f.openfaas-fn  up, 1 in flight of 1 in all workers"), "{tree}");
    assert!(line.ends_with(" wait: as many of its calls run as the function's concurrency allows"), "{tree}");
    assert_eq!(json(&fabric, "tree").await["phase"], "running");
    let top = ask(&fabric, "top --once").await.good().stdout;
    let row = top.lines().find(|line| line.starts_with("f.openfaas-fn")).unwrap();
    assert_eq!(row.split_whitespace().take(3).collect::<Vec<_>>(), ["f.openfaas-fn", "default", "1"], "{top}");
    assert_eq!(json(&fabric, "top").await[0]["in_flight"], 1);

    server.release();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_told_as_they_end_with_each_stage() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    fabric.register("f", json!({"fabric.upstream": server.url("/sleep/300")})).await;
    // Whoever follows hears of what ends from then on: something does for as long as he listens.
    let calls = async {
        loop {
            fabric.accepted("f", &[], "x").await;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let followed = tokio::select! {
        followed = ask(&fabric, "tail f --count 3 --output json") => followed,
        () = calls => panic!("that never ends"),
    };
    let ended: Vec<serde_json::Value> =
        followed.good().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ended.len(), 3);
    for call in &ended {
        let of = |name: &str| call[name].as_f64().unwrap();
        assert_eq!((&call["state"], &call["attempts"]), (&json!("succeeded"), &json!(1)));
        assert!(of("ran_ms") >= 300.0, "{call}");
        assert!(of("waited_ms") + of("ran_ms") <= of("all_ms") + 2.0, "{call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trees_of_all_processes_are_one_after_the_other() {
    let nats = Nats::start().await;
    let url = nats.url();
    let gateway = Fabric::start(&["gateway", "--broker", &url]).await;
    let _worker = Fabric::start(&["worker", "--broker", &url]).await;
    gateway.knows(2).await;
    let trees = eventually(async || match json(&gateway, "tree --all").await {
        trees if trees.as_array().unwrap().len() == 2 => Ok(trees),
        trees => Err(trees.to_string()),
    })
    .await;
    let ids: Vec<&str> = trees.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    let drawn = ask(&gateway, "tree --all").await.good().stdout;
    assert!(ids.iter().all(|id| drawn.contains(&format!("{id}  running, "))), "{drawn}");
    assert_eq!(json(&gateway, "worker list").await.as_array().unwrap().len(), 2);
}
