//! What comes in over a connection, byte for byte: requests that can be read in two ways, peers that take too much or too
//! long, and HTTP/2.

mod answers;
mod drains;
mod frames;
mod heads;
mod limits;

use std::time::Duration;

use serde_json::json;
use tests::fabric::Fabric;
use tests::function::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long anything may take here that is not to take long: a bound for what hangs, not a measure.
const SOON: Duration = Duration::from_secs(20);

/// A fabric with a function `f`, and the server that it is.
async fn fabric(dir: &tempfile::TempDir, args: &[&str]) -> (Fabric, Server) {
    let server = Server::start().await;
    let args = [&["dev", "--data-dir", dir.path().to_str().unwrap()], args].concat();
    let fabric = Fabric::start(&args).await;
    fabric.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    (fabric, server)
}

async fn connect(url: &str) -> TcpStream {
    TcpStream::connect(url.trim_start_matches("http://")).await.unwrap()
}

/// What is answered until the connection ends, or `until` is in it.
async fn answered(stream: &mut TcpStream, until: &str) -> String {
    let mut so_far = Vec::new();
    let read = async {
        let mut chunk = [0; 4096];
        while !String::from_utf8_lossy(&so_far).contains(until) {
            // A reset is an end as well.
            let Ok(read @ 1..) = stream.read(&mut chunk).await else { break };
            so_far.extend_from_slice(&chunk[..read]);
        }
    };
    timeout(SOON, read).await.unwrap();
    String::from_utf8_lossy(&so_far).into_owned()
}

/// What is answered to these bytes; the connection must end with it.
async fn asked(url: &str, bytes: &[u8]) -> String {
    let mut stream = connect(url).await;
    stream.write_all(bytes).await.unwrap();
    answered(&mut stream, "\u{0}never\u{0}").await
}
