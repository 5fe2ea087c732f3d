//! One function cannot hurt another.

use serde_json::json;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;

#[tokio::test]
async fn a_stuck_functions_backlog_does_not_hold_up_another() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["dev", "--data-dir", dir.path().to_str().unwrap(), "--max-inflight", "32"]).await;
    fabric.register("stuck", json!({"fabric.upstream": server.url("/hold")})).await;
    fabric.register("other", json!({"fabric.upstream": server.url("/ok")})).await;
    for n in 0..200 {
        fabric.accepted("stuck", &[], &n.to_string()).await;
    }
    // It takes all that one function may take, and never ends by itself.
    eventually(async || if server.running() >= 28 { Ok(()) } else { Err(format!("{} run", server.running())) }).await;
    for n in 0..20 {
        let id = fabric.accepted("other", &[], &n.to_string()).await;
        eventually(async || if server.calls("/ok").contains(&id) { Ok(()) } else { Err("it waits") }).await;
    }
    assert_eq!(server.seen("/hold").len(), 28, "the stuck function went no further meanwhile");
    server.release();
    eventually(async || {
        let calls = server.calls("/hold").len();
        if calls == 200 { Ok(()) } else { Err(format!("{calls} of 200 ran")) }
    })
    .await;
}
