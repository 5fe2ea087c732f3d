//! What one peer may take.

use std::time::Duration;

use serde_json::json;
use tests::client::{Answer, Client};
use tests::eventually;
use tests::fabric::Fabric;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{SOON, answered, asked, connect, fabric};

const MOMENT: Duration = Duration::from_millis(50);
const GET: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n";

#[tokio::test]
async fn a_head_has_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let (fabric, _server) = fabric(&dir, &[]).await;
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    for (what, head, status) in [
        ("a header that is too long", format!("{GET}x: {}\r\n\r\n", "y".repeat(512 * 1024)), 431),
        ("too many headers", format!("{GET}{many}\r\n"), 431),
        ("a target that is too long", format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(512 * 1024)), 431),
        ("a name that is too long", format!("{GET}{}: y\r\n\r\n", "x".repeat(512 * 1024)), 431),
        ("a line that never ends", "y".repeat(512 * 1024), 431),
    ] {
        let mut stream = connect(&fabric.public).await;
        // It is answered, and the connection ended, before all of it has gone.
        drop(stream.write_all(head.as_bytes()).await);
        let answer = answered(&mut stream, "\r\n\r\n").await;
        assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer:?}");
    }
    let fits = format!("{GET}connection: close\r\nx: {}\r\n\r\n", "y".repeat(32 * 1024));
    assert!(asked(&fabric.public, fits.as_bytes()).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn one_address_has_only_so_many_connections() {
    let dir = tempfile::tempdir().unwrap();
    let (fabric, _server) = fabric(&dir, &["--max-connections-per-address", "8"]).await;
    let mut open = Vec::new();
    // Those of the harness count as well.
    let refused = loop {
        let mut stream = connect(&fabric.public).await;
        drop(stream.write_all(format!("{GET}\r\n").as_bytes()).await);
        let answer = answered(&mut stream, "\r\n\r\n").await;
        if answer.is_empty() {
            break open.len();
        }
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        open.push(stream);
    };
    assert!((4..=8).contains(&refused), "the {refused}th was one too many");
    open.pop();
    eventually(async || {
        let mut stream = connect(&fabric.public).await;
        drop(stream.write_all(format!("{GET}\r\n").as_bytes()).await);
        if answered(&mut stream, "\r\n\r\n").await.is_empty() { Err("still too many") } else { Ok(()) }
    })
    .await;
}

/// A body of which all but the end has come.
async fn begun(fabric: &Fabric, path: &str, len: usize) -> TcpStream {
    let mut stream = connect(&fabric.public).await;
    let head = format!("POST /async-function/{path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", len + 4);
    stream.write_all(format!("{head}{}", "x".repeat(len)).as_bytes()).await.unwrap();
    stream
}

/// The same, which is held: a call with a body of `beside` finds no room for it; and what that is told.
async fn held(fabric: &Fabric, path: &str, len: usize, beside: (&str, usize)) -> (TcpStream, Answer) {
    let mut stream = begun(fabric, path, len).await;
    let refused = timeout(SOON, async {
        loop {
            // A moment for it to come, so that it is seldom that the other is there before.
            sleep(MOMENT).await;
            let answer = fabric.call(beside.0, &[], &"x".repeat(beside.1)).await;
            if answer.status == 503 {
                return answer;
            }
            assert_eq!(answer.status, 202);
            // Where that call came first, it was this one that found no room.
            if matches!(stream.try_read(&mut [0]), Ok(1)) {
                stream = begun(fabric, path, len).await;
            }
        }
    });
    let refused = refused.await.unwrap();
    assert_eq!((&refused.json()["error"], refused.header("retry-after")), (&json!("bodies_full"), "1"));
    (stream, refused)
}

/// Waits until a call with such a body is accepted.
async fn fits(fabric: &Fabric, path: &str, len: usize) {
    eventually(async || {
        let answer = fabric.call(path, &[], &"x".repeat(len)).await;
        if answer.status == 202 { Ok(()) } else { Err(format!("{} {:?}", answer.status, answer.body)) }
    })
    .await;
}

#[tokio::test]
async fn bodies_on_their_way_take_no_more_memory_than_there_is_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let (fabric, server) = fabric(&dir, &["--max-body", "64KiB", "--body-memory", "160KiB"]).await;
    for name in ["g.other", "h.third"] {
        fabric.register(name, json!({"fabric.upstream": server.url("/ok")})).await;
    }
    let kib = 1024;
    let (mut first, refused) = held(&fabric, "f", 60 * kib, ("f", 30 * kib)).await;
    let told = refused.json()["message"].to_string();
    assert!(told.contains("namespace openfaas-fn"), "no more than half: {told}");
    fits(&fabric, "g.other", 60 * kib).await;
    let (second, refused) = held(&fabric, "g.other", 60 * kib, ("h.third", 50 * kib)).await;
    let told = refused.json()["message"].to_string();
    assert!(told.contains("this gateway"), "{told}");
    fits(&fabric, "h.third", 30 * kib).await;
    let counted = Client::default().get(&format!("{}/metrics", fabric.admin)).await.unwrap();
    assert!(String::from_utf8_lossy(&counted.body).contains("bodies_full"), "what was refused is counted");
    // However they end, there is room again.
    first.write_all(b"last").await.unwrap();
    assert!(answered(&mut first, "\r\n\r\n").await.starts_with("HTTP/1.1 202 "));
    fits(&fabric, "f", 60 * kib).await;
    drop(second);
    let (third, _) = held(&fabric, "h.third", 60 * kib, ("h.third", 50 * kib)).await;
    drop(third);
    fits(&fabric, "h.third", 64 * kib).await;
}
