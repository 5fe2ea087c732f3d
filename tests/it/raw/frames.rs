//! HTTP/2 of a client that begins with it.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tests::eventually;
use tests::fabric::Fabric;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{SOON, connect, fabric};

/// A connection, and what drives it.
async fn dial(fabric: &Fabric, tasks: &mut JoinSet<()>) -> SendRequest<Full<Bytes>> {
    let stream = connect(&fabric.public).await;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tasks.spawn(async move { drop(connection.await) });
    sender
}

fn request(fabric: &Fabric, method: Method, path: &str, body: &'static str) -> Request<Full<Bytes>> {
    let uri = format!("{}{path}", fabric.public);
    Request::builder().method(method).uri(uri).body(Full::new(body.into())).unwrap()
}

#[tokio::test]
async fn calls_are_taken_and_answered_over_one_connection() {
    let dir = tempfile::tempdir().unwrap();
    let (fabric, server) = fabric(&dir, &[]).await;
    let mut tasks = JoinSet::new();
    let mut sender = dial(&fabric, &mut tasks).await;
    let mut asked = JoinSet::new();
    for _ in 0..300 {
        sender.ready().await.unwrap();
        asked.spawn(sender.send_request(request(&fabric, Method::POST, "/async-function/f/later", "x")));
    }
    while let Some(answer) = asked.join_next().await {
        assert_eq!(answer.unwrap().unwrap().status(), StatusCode::ACCEPTED);
    }
    let mut now = request(&fabric, Method::POST, "/function/f/now?q=1", "hello");
    now.headers_mut().append("cookie", "a=1".parse().unwrap());
    now.headers_mut().append("cookie", "b=2".parse().unwrap());
    let answer = sender.send_request(now).await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, http::Version::HTTP_2));
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "answer to hello");
    let seen = server.seen("/ok/now");
    assert_eq!((seen.len(), seen[0].header("cookie"), seen[0].uri.as_str()), (1, "a=1; b=2", "/ok/now?q=1"));
    assert_eq!(seen[0].header("x-forwarded-host"), fabric.public.trim_start_matches("http://"));
    eventually(async || if server.count("/ok/later") == 300 { Ok(()) } else { Err(server.count("/ok/later")) }).await;
    let refused = sender.send_request(request(&fabric, Method::POST, "/async-function/nope", "x")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_drain_lets_what_runs_come_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (mut fabric, server) = fabric(&dir, &[]).await;
    fabric.register("slow", json!({"fabric.upstream": server.url("/hold")})).await;
    let mut tasks = JoinSet::new();
    let mut sender = dial(&fabric, &mut tasks).await;
    let slow = sender.send_request(request(&fabric, Method::GET, "/function/slow", ""));
    let answer = tokio::spawn(slow);
    server.running_is(1).await;
    fabric.process.terminate();
    // It takes nothing more.
    let address = fabric.public.trim_start_matches("http://").to_owned();
    eventually(async || if TcpStream::connect(&address).await.is_err() { Ok(()) } else { Err("it still accepts") })
        .await;
    server.release();
    let answer = timeout(SOON, answer).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "answer to ");
    assert!(fabric.process.ended().await.success());
    assert!(sender.ready().await.is_err(), "the connection is over");
}

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// GET, http, `/`, and an authority; with an end of the stream.
const HEADERS: &[u8] = &[0x82, 0x86, 0x84, 0x41, 1, b'x'];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Sends the frames after a beginning, and reads until the connection ends.
async fn flooded(fabric: &Fabric, frames: &[u8]) {
    let mut stream = connect(&fabric.public).await;
    stream.write_all(&[PREFACE, SETTINGS].concat()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let flood = async {
        // It may be ended before all of them have gone.
        while write.write_all(frames).await.is_ok() {}
    };
    let end = async {
        let mut chunk = vec![0; 64 * 1024];
        while matches!(read.read(&mut chunk).await, Ok(1..)) {}
    };
    timeout(SOON, async { tokio::join!(flood, end) }).await.unwrap();
}

#[tokio::test]
async fn who_floods_with_frames_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let (fabric, _server) = fabric(&dir, &[]).await;
    let resets =
        (0..2000).flat_map(|n| [frame(1, 5, 2 * n + 1, HEADERS), frame(3, 0, 2 * n + 1, &[0, 0, 0, 8])].concat());
    flooded(&fabric, &resets.collect::<Vec<_>>()).await;
    // A head that goes on and on.
    let mut continued = frame(1, 1, 1, HEADERS);
    let field: Vec<u8> = [&[0x40, 1, b'y', 0x7f, 0x81, 0x7e][..], &[b'z'; 16_256]].concat();
    (0..64).for_each(|_| continued.extend(frame(9, 0, 1, &field[..16_000])));
    flooded(&fabric, &continued).await;
    // Frames that are none, of a stream that there is not, and that are too long.
    flooded(&fabric, &frame(0, 0, 0, b"x")).await;
    flooded(&fabric, &frame(0, 0, 7, b"x")).await;
    flooded(&fabric, &frame(8, 0, 0, &[0, 0, 0, 0])).await;
    flooded(&fabric, &frame(1, 4, 2, HEADERS)).await;
    flooded(&fabric, &[0xff; 4096]).await;
    fabric.accepted("f", &[], "x").await;
}
