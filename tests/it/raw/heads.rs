//! One request in, one request to everybody.

use serde_json::json;
use tests::client::Client;
use tests::eventually;
use tokio::io::AsyncWriteExt;

use super::{answered, asked, connect, fabric};

/// Heads that two programs may read in two ways, or that are no heads. What follows each is a request to a function of its
/// own, which must not be one to anybody. `BODY` is where a body would be.
const REFUSED: &[(&str, &str)] = &[
    ("a length beside chunks", "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunks beside a length", "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n"),
    ("the same length twice", "content-length: 0\r\ncontent-length: 0\r\n\r\n"),
    ("two lengths", "content-length: 0\r\ncontent-length: 44\r\n\r\n"),
    ("a list of lengths", "content-length: 0, 0\r\n\r\n"),
    ("a signed length", "content-length: +0\r\n\r\n"),
    ("a negative length", "content-length: -1\r\n\r\n"),
    ("a hexadecimal length", "content-length: 0x0\r\n\r\n"),
    ("a length with a point", "content-length: 0.0\r\n\r\n"),
    ("a length that is too long", "content-length: 18446744073709551616\r\n\r\n"),
    ("an empty length", "content-length:\r\n\r\n"),
    ("chunks twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunks of something", "transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("chunks that are not the last", "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    ("identity", "transfer-encoding: identity\r\n\r\n"),
    ("an unknown encoding", "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("chunks in quotes", "transfer-encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    ("chunks after a control character", "transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    ("a space before the colon", "transfer-encoding : chunked\r\n\r\n0\r\n\r\n"),
    ("a tab before the colon", "content-length\t: 0\r\n\r\n"),
    ("a folded line", "transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    ("a folded first line", " x: y\r\n\r\n"),
    ("a line without a colon", "content-length\r\n\r\n"),
    ("a name with a space", "content length: 0\r\n\r\n"),
    ("no name", ": 0\r\n\r\n"),
    ("a line that ends with LF only", "x: y\ncontent-length: 0\r\n\r\n"),
    ("a head that ends with LF only", "x: y\r\n\n"),
    ("a CR in a value", "x: y\rz\r\n\r\n"),
    ("a CR before the length", "x: y\rcontent-length: 44\r\n\r\n"),
    ("a NUL in a value", "x: y\0z\r\n\r\n"),
    ("a NUL in a name", "x\0: y\r\n\r\n"),
    ("a second host", "host: y\r\n\r\n"),
    ("the same host again", "host: x\r\n\r\n"),
];

/// Whole requests of that kind.
const WHOLE: &[(&str, &str)] = &[
    ("no host", "GET /healthz HTTP/1.1\r\n\r\n"),
    ("a host that is a list", "GET /healthz HTTP/1.1\r\nhost: x, y\r\n\r\n"),
    ("a host with a user", "GET /healthz HTTP/1.1\r\nhost: u@x\r\n\r\n"),
    ("a host with a path", "GET /healthz HTTP/1.1\r\nhost: x/y\r\n\r\n"),
    ("a host with a space", "GET /healthz HTTP/1.1\r\nhost: x y\r\n\r\n"),
    ("a host beside another target", "GET http://y/healthz HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a target with a user", "GET http://u@x/healthz HTTP/1.1\r\nhost: u@x\r\n\r\n"),
    ("a first line that ends with LF only", "GET /healthz HTTP/1.1\nhost: x\r\n\r\n"),
    ("LF before the first line", "\nGET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("HTTP/0.9", "GET /healthz\r\n\r\n"),
    ("HTTP/1.2", "GET /healthz HTTP/1.2\r\nhost: x\r\n\r\n"),
    ("HTTP/2.0 without its preface", "GET /healthz HTTP/2.0\r\nhost: x\r\n\r\n"),
    ("two spaces", "GET  /healthz HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a tab for a space", "GET\t/healthz HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a space in the target", "GET /healthz x HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a NUL in the target", "GET /healthz\0 HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a method that is none", "G@T /healthz HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("chunks in HTTP/1.0", "POST /async-function/f HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03\r\n\r\n"),
];

/// Chunks that are none.
const CHUNKS: &[(&str, &str)] = &[
    ("a size that ends with LF only", "5\nabcde\r\n0\r\n\r\n"),
    ("a chunk that ends with LF only", "5\r\nabcde\n0\r\n\r\n"),
    ("a chunk that is longer than its size", "5\r\nabcdef\r\n0\r\n\r\n"),
    ("a size with a sign", "+5\r\nabcde\r\n0\r\n\r\n"),
    ("a size with a prefix", "0x5\r\nabcde\r\n0\r\n\r\n"),
    ("a size with a space before it", " 5\r\nabcde\r\n0\r\n\r\n"),
    ("no size", "\r\nabcde\r\n0\r\n\r\n"),
    ("a size beyond all sizes", "ffffffffffffffff1\r\nabcde\r\n0\r\n\r\n"),
    ("a size at the end of all sizes", "ffffffffffffffff\r\nabcde\r\n0\r\n\r\n"),
    ("an extension with LF", "5;a\nb\r\nabcde\r\n0\r\n\r\n"),
    ("an extension with CR", "5;a\rb\r\nabcde\r\n0\r\n\r\n"),
    ("a chunk that ends with something else", "5\r\nabcdeXX0\r\n\r\n"),
];

/// The bodies go to a function that nobody else calls, of which nothing is to be told.
const BAD_BODIES: &str = "bad-bodies";

const NEXT: &str = "POST /async-function/f/smuggled HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_nothing_after_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (fabric, server) = fabric(&dir, &[]).await;
    let after_first_line = |rest: &str| format!("POST /async-function/f HTTP/1.1\r\nhost: x\r\n{rest}");
    fabric.register(BAD_BODIES, json!({"fabric.upstream": server.url("/status/200")})).await;
    let chunked = |path: &str, rest: &str| {
        format!("POST /{path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{rest}")
    };
    let forwarded = format!("function/{BAD_BODIES}");
    let both = [&fabric.public, &fabric.admin];
    let both = both.as_slice();
    let heads = REFUSED.iter().map(|(what, rest)| (*what, after_first_line(rest), both));
    let whole = WHOLE.iter().map(|(what, whole)| (*what, (*whole).to_owned(), both));
    // Only where somebody reads it does anybody hear of what is wrong with a body.
    let paths = ["async-function/f", &*forwarded];
    let chunks = CHUNKS.iter().flat_map(|(what, rest)| paths.map(|path| (*what, chunked(path, rest), &both[..1])));
    for (what, bytes, urls) in heads.chain(whole).chain(chunks) {
        for url in urls {
            let answer = asked(url, format!("{bytes}{NEXT}").as_bytes()).await;
            // HTTP/2 that is none gets no answer that HTTP/1 could read.
            let is_refused = answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.0 400 ");
            assert!(is_refused || (answer.is_empty() && what.contains("HTTP/")), "{what}: {answer:?}");
            assert_eq!(answer.matches("HTTP/1.").count(), usize::from(is_refused), "{what}: {answer:?}");
        }
    }
    let counted = Client::default().get(&format!("{}/metrics", fabric.admin)).await.unwrap();
    let counted = String::from_utf8_lossy(&counted.body).into_owned();
    let told = |line: &&str| line.contains(BAD_BODIES) && line.contains("code=\"");
    assert_eq!(counted.lines().find(told), None, "and no function has failed");
    // What is asked for afterwards is answered, and the function has heard of nothing else.
    let id = fabric.accepted("f/after", &[], "x").await;
    eventually(async || if server.calls("/ok/after").contains(&id) { Ok(()) } else { Err("not called yet") }).await;
    assert_eq!(server.count("/ok"), 1);
}

#[tokio::test]
async fn what_is_one_request_to_everybody_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (fabric, server) = fabric(&dir, &[]).await;
    let post = "POST /async-function/f/one HTTP/1.1\r\nhost: x\r\n";
    let close = "connection: close\r\n";
    for (what, bytes, answers) in [
        ("an absolute target", format!("GET http://x/healthz HTTP/1.1\r\nhost: X\r\n{close}\r\n"), 1),
        ("a port", format!("GET /healthz HTTP/1.1\r\nhost: [::1]:8080\r\n{close}\r\n"), 1),
        ("HTTP/1.0 without a host", "GET /healthz HTTP/1.0\r\n\r\n".into(), 1),
        ("empty lines before", format!("\r\n\r\nGET /healthz HTTP/1.1\r\nhost: x\r\n{close}\r\n"), 1),
        ("a length", format!("{post}{close}Content-Length:\t3 \r\n\r\na\nb"), 1),
        ("chunks", format!("{post}{close}Transfer-Encoding: Chunked\r\n\r\n3;x=y\r\na\nb\r\n0\r\nt: 1\r\n\r\n"), 1),
        ("one behind the other", format!("{post}content-length: 1\r\n\r\na{post}{close}content-length: 1\r\n\r\nb"), 2),
        (
            "chunks behind each other",
            format!(
                "{post}transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n{post}{close}content-length: 1\r\n\r\nb"
            ),
            2,
        ),
    ] {
        let answer = asked(&fabric.public, bytes.as_bytes()).await;
        let well = answer.matches("HTTP/1.1 20").count() + answer.matches("HTTP/1.0 20").count();
        assert_eq!(well, answers, "{what}: {answer:?}");
    }
    // And however it is cut.
    let whole = format!("{post}transfer-encoding: chunked\r\n\r\n3\r\na\nb\r\n0\r\n\r\n");
    let mut stream = connect(&fabric.public).await;
    for byte in whole.as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
    }
    assert!(answered(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 202 "));
    eventually(async || if server.count("/ok/one") == 7 { Ok(()) } else { Err(server.count("/ok/one")) }).await;
}

/// What somebody has packed is somebody else's to unpack.
#[tokio::test]
async fn a_packed_body_passes_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (fabric, server) = fabric(&dir, &[]).await;
    // The beginning of a bomb, and no gzip at all.
    let packed = "\u{1f}not gzip\u{0}\u{1}";
    for path in ["async-function/f/later", "function/f/now"] {
        let head = format!("POST /{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-encoding: gzip\r\n");
        let bytes = format!("{head}content-length: {}\r\n\r\n{packed}", packed.len());
        assert!(asked(&fabric.public, bytes.as_bytes()).await.starts_with("HTTP/1.1 20"));
    }
    eventually(async || if server.count("/ok") == 2 { Ok(()) } else { Err("not called yet") }).await;
    for seen in server.seen("/ok") {
        assert_eq!((seen.body.as_ref(), seen.header("content-encoding")), (packed.as_bytes(), "gzip"));
    }
}
