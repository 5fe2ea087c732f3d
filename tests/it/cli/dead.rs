//! `fabric dead`: what died is listed, shown, taken back and removed.

use serde_json::json;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;

use super::run::{ask, json};

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_redriven_at_a_pace_and_removed_when_meant() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    let annotations = |path: &str| json!({"fabric.upstream": server.url(path), "com.openfaas.retry.attempts": "1"});
    fabric.register("f", annotations("/status/500")).await;
    let ids = fabric.accepted_many("f", &[], 7).await;
    let dead = eventually(async || match json(&fabric, "dead list").await {
        list if list.as_array().unwrap().len() == ids.len() => Ok(list),
        list => Err(list.to_string()),
    })
    .await;
    let table = ask(&fabric, "dead list --limit 3").await.good();
    assert_eq!(table.stdout.lines().count(), 4, "{}", table.stdout);
    assert!(table.stdout.contains("exhausted") && table.stderr.contains("--limit"), "{}", table.stdout);
    assert_eq!(json(&fabric, "dead list --reason poison").await, json!([]));
    let number = dead[0]["number"].as_u64().unwrap();
    let shown = ask(&fabric, &format!("dead show {number}")).await.good().stdout;
    assert!(shown.contains("function  f.openfaas-fn") && shown.contains("reason    exhausted"), "{shown}");

    assert_eq!(ask(&fabric, "dead redrive --dry-run").await.good().stdout, "7 would be redriven\n");
    fabric.register("f", annotations("/ok")).await;
    assert_eq!(json(&fabric, &format!("dead redrive {number}")).await["done"], 1);
    let redriven = ask(&fabric, "dead redrive --function f --rate 20/s --max 4").await.good().stdout;
    assert!(redriven.starts_with("4 redriven\n"), "{redriven}");
    eventually(async || match server.seen("/ok").len() {
        5 => Ok(()),
        seen => Err(format!("{seen} ran")),
    })
    .await;

    let refused = ask(&fabric, "dead purge").await.failed().stderr;
    assert!(refused.contains("This removes 2 dead letters for good") && refused.contains("--yes"), "{refused}");
    assert_eq!(ask(&fabric, "dead purge --yes").await.good().stdout, "2 removed\n");
    assert_eq!(json(&fabric, "dead list").await, json!([]));
    let unknown = ask(&fabric, &format!("dead show {number}")).await.failed().stderr;
    assert!(unknown.contains(&number.to_string()), "{unknown}");
}
