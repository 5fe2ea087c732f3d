//! What one peer may take.

use tests::eventually;
use tokio::io::AsyncWriteExt;

use super::{answered, asked, connect, fabric};

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
