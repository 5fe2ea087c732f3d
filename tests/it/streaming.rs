//! A synchronous call is streamed: neither direction waits for the whole of it.

use serde_json::json;
use tests::fabric::Fabric;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Reads until `text` has come.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut so_far = Vec::new();
    while !String::from_utf8_lossy(&so_far).contains(text) {
        let mut chunk = [0; 1024];
        let n = stream.read(&mut chunk).await.unwrap();
        assert!(n > 0, "it ended before {text:?}: {}", String::from_utf8_lossy(&so_far));
        so_far.extend_from_slice(&chunk[..n]);
    }
    String::from_utf8(so_far).unwrap()
}

/// A caller and a function that both speak bytes, with a gateway in between.
async fn talk(fabric: &Fabric) -> (TcpStream, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    fabric.register("f", json!({"fabric.upstream": upstream})).await;
    let caller = TcpStream::connect(fabric.public.trim_start_matches("http://")).await.unwrap();
    (caller, listener)
}

#[tokio::test]
async fn each_part_arrives_before_the_next_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["dev", "--data-dir", dir.path().to_str().unwrap()]).await;
    let (mut caller, listener) = talk(&fabric).await;
    let head = "POST /function/f HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    caller.write_all(head.as_bytes()).await.unwrap();
    caller.write_all(b"5\r\nask-1\r\n").await.unwrap();
    let (mut function, _) = listener.accept().await.unwrap();
    read_until(&mut function, "ask-1").await;
    function.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\nanswer-1\r\n").await.unwrap();
    read_until(&mut caller, "answer-1").await;
    caller.write_all(b"5\r\nask-2\r\n0\r\n\r\n").await.unwrap();
    read_until(&mut function, "ask-2").await;
    function.write_all(b"8\r\nanswer-2\r\n0\r\n\r\n").await.unwrap();
    read_until(&mut caller, "answer-2").await;
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_request_to_the_function() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["dev", "--data-dir", dir.path().to_str().unwrap()]).await;
    let (mut caller, listener) = talk(&fabric).await;
    caller.write_all(b"GET /function/f HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let (mut function, _) = listener.accept().await.unwrap();
    read_until(&mut function, "\r\n\r\n").await;
    drop(caller);
    let mut rest = Vec::new();
    // An orderly end or a reset: the function learns either way.
    drop(function.read_to_end(&mut rest).await);
    assert!(rest.is_empty());
}
