//! When a connection is used again, and when it is not.

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;

const LONG: Duration = Duration::from_secs(3600);
/// How patient whoever waits for no connection is.
const NOT_AT_ALL: Duration = Duration::ZERO;
/// How long is waited for what must come, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(30);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

struct Server(TcpListener);

impl Server {
    async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn request(&self, body: Vec<u8>) -> Box<Request<Full<Bytes>>> {
        let uri = format!("http://{}/f?q=1", self.0.local_addr().unwrap());
        Box::new(Request::post(uri).header("host", "f").body(Full::new(body.into())).unwrap())
    }

    async fn accept(&self) -> TcpStream {
        self.0.accept().await.unwrap().0
    }

    /// Answers the first request of the next connection.
    async fn answer(&self, answer: &[u8]) -> TcpStream {
        let mut stream = self.accept().await;
        head(&mut stream).await;
        stream.write_all(answer).await.unwrap();
        stream
    }
}

/// The head of the next request, which has no body.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn has_ended(mut stream: TcpStream) -> bool {
    // It is reset where bytes had come that nobody read.
    timeout(PATIENCE, stream.read(&mut [0; 1])).await.is_ok_and(|read| read.unwrap_or(0) == 0)
}

fn pool(keep_for: Duration) -> Pool<HttpConnector> {
    Pool::new(HttpConnector::new(), Builder::new(), keep_for, 64)
}

/// One in which a single connection is many.
fn crowded() -> Pool<HttpConnector> {
    Pool::new(HttpConnector::new(), Builder::new(), LONG, 2)
}

async fn read(mut answer: Answer<impl Io>) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(frame) = answer.frame().await {
        body.extend(frame.unwrap().into_data().unwrap());
    }
    body
}

#[tokio::test]
async fn a_connection_is_used_again_once_an_answer_is_read() {
    let (server, pool) = (Server::start().await, pool(LONG));
    let serve = async {
        let mut stream = server.accept().await;
        for answer in [ANSWER, b"HTTP/1.1 204 No Content\r\n\r\n", ANSWER] {
            assert!(head(&mut stream).await.starts_with("POST /f?q=1 HTTP/1.1\r\n"));
            stream.write_all(answer).await.unwrap();
        }
        stream
    };
    let call = async {
        for body in [b"hello".as_slice(), b"", b"hello"] {
            assert_eq!(read(pool.send(server.request(Vec::new()), NOT_AT_ALL).await.unwrap()).await, body);
        }
    };
    let (stream, ()) = tokio::join!(serve, call);
    drop(pool);
    assert!(has_ended(stream).await, "a pool takes its connections with it");
}

#[tokio::test]
async fn one_that_was_closed_meanwhile_is_not_used() {
    let (server, pool) = (Server::start().await, pool(LONG));
    for _ in 0..3 {
        let serve = async { drop(server.answer(ANSWER).await) };
        let call = async { read(pool.send(server.request(Vec::new()), NOT_AT_ALL).await.unwrap()).await };
        tokio::join!(serve, call);
    }
}

#[tokio::test]
async fn a_request_that_a_connection_was_closed_in_front_of_is_given_back() {
    let (here, there) = tokio::io::duplex(1024);
    let (requests, connection) = Builder::new().handshake(TokioIo::new(here)).await.unwrap();
    let mut link = Box::new(Link { requests, connection });
    assert!(link.is_free());
    drop(there);
    let (_, unsent) = link.send(Box::default()).await.err().unwrap();
    assert!(unsent.is_some(), "it can be sent over another one");
}

#[tokio::test]
async fn whoever_does_not_wait_for_the_end_closes_the_connection() {
    let (server, pool) = (Server::start().await, pool(LONG));
    let mut stream = tokio::select! {
        stream = async {
            let mut stream = server.accept().await;
            head(&mut stream).await;
            stream
        } => stream,
        _ = pool.send(server.request(Vec::new()), NOT_AT_ALL) => panic!("nobody has answered"),
    };
    stream.write_all(ANSWER).await.unwrap();
    assert!(has_ended(stream).await, "the head was not waited for");

    let serve = server.answer(&ANSWER[..ANSWER.len() - 1]);
    let call = async {
        let mut answer = pool.send(server.request(Vec::new()), NOT_AT_ALL).await.unwrap();
        answer.frame().await.unwrap().unwrap();
    };
    let (stream, ()) = tokio::join!(serve, call);
    assert!(has_ended(stream).await, "nor the whole body");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error_and_ends_the_connection() {
    let (server, pool) = (Server::start().await, pool(LONG));
    let serve = async { drop(server.answer(&ANSWER[..ANSWER.len() - 1]).await) };
    let call = async {
        let mut answer = pool.send(server.request(Vec::new()), NOT_AT_ALL).await.unwrap();
        let mut last = Ok(());
        while let Some(frame) = answer.frame().await {
            last = frame.map(drop);
        }
        last
    };
    let ((), last) = tokio::join!(serve, call);
    last.unwrap_err();
    assert!(pool.shelf.idle() == 0);
}

#[tokio::test]
async fn an_answer_to_half_a_request_is_an_answer() {
    let (server, pool) = (Server::start().await, pool(LONG));
    let serve = server.answer(ANSWER);
    // More than fits into the buffers of a socket that nobody reads from.
    let call = async { read(pool.send(server.request(vec![0; 64 << 20]), NOT_AT_ALL).await.unwrap()).await };
    let (stream, body) = tokio::join!(serve, call);
    assert_eq!(body, b"hello");
    assert!(pool.shelf.idle() == 0, "it could not take the next one");
    drop(stream);
}

#[tokio::test]
async fn what_nobody_uses_is_closed_in_time() {
    let (server, pool) = (Server::start().await, pool(Duration::from_millis(20)));
    for _ in 0..2 {
        let serve = server.answer(ANSWER);
        let call = async { read(pool.send(server.request(Vec::new()), NOT_AT_ALL).await.unwrap()).await };
        let (stream, _) = tokio::join!(serve, call);
        assert!(has_ended(stream).await);
    }
}

#[tokio::test]
async fn who_is_patient_takes_turns_with_a_connection() {
    const CALLS: usize = 5;
    let (server, pool) = (Server::start().await, crowded());
    let serve = async {
        let mut stream = server.accept().await;
        for _ in 0..CALLS {
            head(&mut stream).await;
            stream.write_all(ANSWER).await.unwrap();
        }
        stream
    };
    let calls = futures_util::future::join_all((0..CALLS).map(async |_| {
        assert_eq!(read(pool.send(server.request(Vec::new()), LONG).await.unwrap()).await, b"hello");
    }));
    tokio::join!(serve, calls);
    assert_eq!(pool.shelf.idle(), 1);
}

#[tokio::test]
async fn who_waits_for_one_that_ends_makes_another() {
    let (server, pool) = (Server::start().await, crowded());
    let serve = async {
        for _ in 0..2 {
            drop(server.answer(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await);
        }
    };
    let call = async || assert_eq!(read(pool.send(server.request(Vec::new()), LONG).await.unwrap()).await, b"");
    tokio::join!(serve, call(), call());
}

#[tokio::test]
async fn what_is_thinned_out_is_closed_and_the_rest_is_used_again() {
    let pool = Pool::new(HttpConnector::new(), Builder::new(), LONG, 2);
    let (mut servers, mut streams) = (Vec::new(), Vec::new());
    for kept in [1, 2, 2] {
        let server = Server::start().await;
        let call = async { read(pool.send(server.request(Vec::new()), NOT_AT_ALL).await.unwrap()).await };
        let (stream, _) = tokio::join!(server.answer(ANSWER), call);
        assert_eq!(pool.shelf.idle(), kept);
        streams.push(stream);
        servers.push(server);
    }
    assert!(has_ended(streams.remove(0)).await);
    for (server, mut stream) in servers[1..].iter().zip(streams) {
        let serve = async {
            head(&mut stream).await;
            stream.write_all(ANSWER).await.unwrap();
        };
        let call = async { read(pool.send(server.request(Vec::new()), NOT_AT_ALL).await.unwrap()).await };
        assert_eq!(tokio::join!(serve, call).1, b"hello");
    }
}
