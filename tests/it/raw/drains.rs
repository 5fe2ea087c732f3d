//! Whom a drain waits for.

use serde_json::json;
use tests::fabric::Fabric;
use tests::function::Server;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::frames::{PREFACE, SETTINGS};
use super::{SOON, answered, connect};

#[tokio::test]
async fn who_has_only_connected_holds_up_no_drain() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let dir = dir.path().to_str().unwrap();
    let mut fabric = Fabric::start(&["serve", "--data-dir", dir, "--pre-stop", "0s", "--grace", "10m"]).await;
    fabric.register("slow", json!({"fabric.upstream": server.url("/hold")})).await;
    let mut open = Vec::new();
    for sent in [&[PREFACE, SETTINGS].concat()[..], b"PRI * HTTP/2.0\r\n", b"GET / HTTP/1.1\r\nhost", b""] {
        let mut stream = connect(&fabric.public).await;
        stream.write_all(sent).await.unwrap();
        if sent.starts_with(PREFACE) {
            // HTTP/2 has begun: these are the settings of the other side.
            answered(&mut stream, "\u{4}").await;
        }
        open.push(stream);
    }
    let mut asks = connect(&fabric.public).await;
    asks.write_all(b"GET /function/slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    server.running_is(1).await;
    fabric.process.terminate();
    for mut idle in open {
        // Until the end of the connection.
        answered(&mut idle, "\u{0}never\u{0}").await;
    }
    server.release();
    assert!(answered(&mut asks, "answer to").await.starts_with("HTTP/1.1 200 "), "who has asked is answered");
    assert!(timeout(SOON, fabric.process.ended()).await.unwrap().success());
    assert!(!fabric.process.lines().iter().any(|line| line.contains("cut off")), "and nobody was cut off");
}
