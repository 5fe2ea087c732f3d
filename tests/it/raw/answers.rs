//! Answers of functions that could be read in two ways, or as none.

use serde_json::json;
use tests::client::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::fabric;

/// What the function writes, and a word of what its caller hears.
const ANSWERS: [(&str, &str); 5] = [
    ("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "101"),
    ("HTTP/1.1 999 X\r\ncontent-length: 0\r\n\r\n", "999"),
    ("HTTP/1.1 600 X\r\ncontent-length: 0\r\n\r\n", "600"),
    ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "length"),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n1\r\na\r\n0\r\n\r\n", "length"),
];

/// Answers every request with these bytes, and then ends the connection.
async fn answering(bytes: &'static str, tasks: &mut JoinSet<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(bytes.as_bytes()).await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_bad_gateway_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let (fabric, _server) = fabric(&dir, &[]).await;
    let mut tasks = JoinSet::new();
    let ends = "HTTP/1.1 599 X\r\ncontent-length: 2\r\n\r\nok";
    fabric.register("odd", json!({"fabric.upstream": answering(ends, &mut tasks).await})).await;
    let odd = Client::default().get(&format!("{}/function/odd", fabric.public)).await.unwrap();
    assert_eq!((odd.status.as_u16(), &*odd.body), (599, &b"ok"[..]), "what is a status is passed on");
    for (n, (bytes, word)) in ANSWERS.into_iter().enumerate() {
        let name = format!("bad-{n}");
        fabric.register(&name, json!({"fabric.upstream": answering(bytes, &mut tasks).await})).await;
        let answer = Client::default().get(&format!("{}/function/{name}", fabric.public)).await.unwrap();
        let told = answer.json();
        assert_eq!((answer.status.as_u16(), &told["error"]), (502, &json!("bad_answer")), "{bytes:?}");
        assert!(told["message"].as_str().unwrap().contains(word), "{told}");
    }
}
