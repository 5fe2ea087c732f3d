//! `fabric queue` and `fabric call`.

use serde_json::{Value, json};
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;

use super::run::{ask, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_paused_purged_and_resumed() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    fabric.register("f", json!({"fabric.upstream": server.url("/ok"), "com.openfaas.queue": "slow"})).await;
    let paused = ask(&fabric, "queue pause slow").await.good().stdout;
    assert!(paused.starts_with("queue slow is paused"), "{paused}");
    ask(&fabric, "queue set slow --attempts 3").await.good();
    let set = json(&fabric, "queue get slow").await;
    assert_eq!(set["annotations"], json!({"fabric.paused": "true", "com.openfaas.retry.attempts": "3"}));
    let ids = fabric.accepted_many("f", &[], 5).await;

    let listed = json(&fabric, "call list f").await;
    assert_eq!(listed.as_array().unwrap().len(), 5);
    let some = ask(&fabric, "call list f --limit 2").await.good();
    assert_eq!((some.stdout.lines().count(), some.stderr.contains("--limit")), (3, true), "{}", some.stderr);
    let id = ids.iter().next().unwrap();
    assert_eq!(json(&fabric, &format!("call get {id}")).await["state"], "ready");
    let cancelled = ask(&fabric, &format!("call cancel {id}")).await.good();
    assert_eq!(cancelled.stdout, format!("call {id} is cancelled\n"));

    let table = ask(&fabric, "queue list").await.good().stdout;
    let row = table.lines().find(|line| line.starts_with("slow ")).unwrap();
    let row: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(row, ["slow", "4", "paused", "com.openfaas.retry.attempts=3"], "{table}");

    let counted = ask(&fabric, "queue purge slow --dry-run").await.good().stdout;
    assert_eq!(counted, "4 would be cancelled\n");
    let refused = ask(&fabric, "queue purge slow").await.failed().stderr;
    assert!(refused.contains("This cancels 4 calls") && refused.contains("--yes"), "{refused}");
    let purged = json(&fabric, "queue purge slow --yes").await;
    assert_eq!((purged["done"].as_u64(), purged["left"].as_u64()), (Some(4), Some(0)));

    ask(&fabric, "queue resume slow").await.good();
    ask(&fabric, "queue rm slow").await.good();
    let bare = json(&fabric, "queue get slow").await;
    assert_eq!((&bare["annotations"], bare["calls"].as_u64()), (&Value::Null, Some(0)));
    assert_eq!(server.seen("/ok").len(), 0, "nothing ran");
    let last = fabric.accepted("f", &[], "x").await;
    eventually(async || server.seen("/ok").pop().ok_or(format!("{last} has not run"))).await;
}
