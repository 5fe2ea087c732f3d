//! A queue over several streams: every process agrees on their number, and changing it strands nothing.

use std::collections::HashSet;
use std::process::Command;

use serde_json::json;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;

/// What a process says that does not start.
fn refused(args: &[&str]) -> String {
    let mut command = Command::new(tests::fabric::binary());
    command.args(args).args(["--admin-listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

async fn streams(nats: &Nats) -> HashSet<String> {
    let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let names: Vec<String> = futures_util::TryStreamExt::try_collect(context.stream_names()).await.unwrap();
    names.into_iter().filter(|name| name.starts_with("FABRIC_READY_default")).collect()
}

#[tokio::test]
async fn functions_are_spread_and_a_number_that_would_strand_messages_is_refused() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let url = nats.url();
    let mut gateway = Fabric::start(&["gateway", "--broker", &url, "--shards", "4"]).await;
    let mut all = HashSet::new();
    for n in 0..32 {
        gateway.register(&format!("f{n}"), json!({"fabric.upstream": server.url("/ok")})).await;
        all.insert(gateway.accepted(&format!("f{n}"), &[], "x").await);
    }
    assert_eq!(streams(&nats).await.len(), 4);

    let alive = refused(&["gateway", "--broker", &url, "--shards", "8"]);
    assert!(alive.contains("1 other processes are alive"), "{alive}");
    let fewer = refused(&["gateway", "--broker", &url, "--shards", "2"]);
    assert!(fewer.contains("queue default has 4 shards") && fewer.contains("can only be raised"), "{fewer}");
    gateway.process.terminate();
    gateway.process.ended().await;
    let waiting = refused(&["gateway", "--broker", &url, "--shards", "8"]);
    assert!(waiting.contains("messages wait in FABRIC_READY_default_"), "{waiting}");

    // A process that asks for no number goes by the one that is recorded, and finds every function's messages.
    let mut worker = Fabric::start(&["worker", "--broker", &url]).await;
    eventually(async || {
        let ran = server.calls("/ok").len();
        if ran == 32 { Ok(()) } else { Err(format!("{ran} of 32 ran")) }
    })
    .await;
    assert_eq!(server.calls("/ok"), all);
    worker.process.terminate();
    worker.process.ended().await;

    let serve = Fabric::start(&["serve", "--broker", &url, "--shards", "8"]).await;
    for n in 0..32 {
        all.insert(serve.accepted(&format!("f{n}"), &[], "x").await);
    }
    eventually(async || if server.calls("/ok") == all { Ok(()) } else { Err("not all ran") }).await;
    assert_eq!(streams(&nats).await.len(), 8);
}
