//! A program that serves HTTP by itself. It is a watchdog too: that is a server which every machine with these tests has.

use std::net::TcpListener;
use std::time::Duration;

use http::StatusCode;
use tests::client::Client;
use tests::fabric::binary;
use tests::process::Process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Watchdog, end, has_lines, watchdog};

/// A port that nobody has now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server on this port whose requests are this script.
fn server(port: u16, script: &str) -> Vec<String> {
    let binary = binary().display().to_string();
    let listen = format!("127.0.0.1:{port}");
    let words = ["watchdog", "--listen", &listen, "--metrics-listen", "127.0.0.1:0", "--healthcheck-interval", "0s"];
    let words = [binary.as_str()].into_iter().chain(words).chain(["--", "/bin/sh", "-c", script]);
    words.map(ToOwned::to_owned).collect()
}

async fn start(options: &[&str], script: &str) -> Watchdog {
    let port = free_port();
    let (server, upstream) = (server(port, script), format!("http://127.0.0.1:{port}"));
    let options = [&["--mode", "http", "--upstream-url", &upstream], options].concat();
    Watchdog::start(&options, &server.iter().map(String::as_str).collect::<Vec<_>>()).await
}

#[tokio::test]
async fn requests_are_passed_on_as_they_are() {
    for options in [&[][..], &["--buffer-body"]] {
        let watchdog = start(options, "env | grep ^Http_ | sort; cat").await;
        let headers = [("x-call-id", "c-7"), ("content-type", "image/png"), ("connection", "x-mine"), ("x-mine", "1")];
        let answer = Client::default().post(&watchdog.url("/a%2Fb?q=1"), &headers, "\u{0}body").await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.header("x-duration-seconds").parse::<f64>().unwrap() > 0.0);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let host = format!("Http_Host={}", watchdog.addr());
        for line in
            ["Http_X_Call_Id=c-7", "Http_Content_Type=image/png", "Http_Query=q=1", "Http_Content_Length=5", &host]
        {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        assert!(!text.contains("Http_X_Mine") && text.ends_with("\0body"), "{text}");
    }
}

#[tokio::test]
async fn both_directions_are_streamed() {
    let watchdog = start(&[], "cat").await;
    let mut caller = TcpStream::connect(watchdog.addr()).await.unwrap();
    caller.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    for part in ["part1", "part2"] {
        caller.write_all(format!("5\r\n{part}\r\n").as_bytes()).await.unwrap();
        let mut so_far = Vec::new();
        while !String::from_utf8_lossy(&so_far).contains(part) {
            let mut chunk = [0; 1024];
            let n = caller.read(&mut chunk).await.unwrap();
            assert!(n > 0, "it ended before {part}");
            so_far.extend_from_slice(&chunk[..n]);
        }
    }
}

#[tokio::test]
async fn what_takes_too_long_is_not_waited_for() {
    let watchdog = start(&["--exec-timeout", "500ms"], "sleep 1000").await;
    let answer = Client::default().post(&watchdog.url("/"), &[], "x").await.unwrap();
    assert_eq!((answer.status, answer.header("x-openfaas-internal")), (StatusCode::GATEWAY_TIMEOUT, "of-watchdog"));
    let watchdog = start(&["--exec-timeout", "1s"], "echo half; sleep 1000").await;
    let answer = Client::default().post(&watchdog.url("/"), &[], "x").await;
    assert!(answer.is_err(), "half of it is not the whole: {answer:?}");
}

#[tokio::test]
async fn nobody_is_let_in_before_it_is_there() {
    let (port, gate) = (free_port(), tempfile::tempdir().unwrap());
    let file = gate.path().join("go");
    let serve = server(port, "cat").iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let script = format!("echo waiting; until [ -e {} ]; do sleep 0.01; done; exec {serve}", file.display());
    let (mine, upstream) = (free_port(), format!("http://127.0.0.1:{port}"));
    let listen = format!("127.0.0.1:{mine}");
    let options = ["--mode", "http", "--upstream-url", &upstream, "--listen", &listen];
    let mut process = Process::start("watchdog", &mut watchdog(&options, &["/bin/sh", "-c", &script])).unwrap();
    tests::eventually(async || {
        let waits = process.lines().iter().any(|line| line.contains("stdout: waiting"));
        if waits { Ok(()) } else { Err("it was not started") }
    })
    .await;
    let refused = TcpStream::connect(&listen).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    std::fs::write(&file, "").unwrap();
    process.line_after("listening: function ").await.unwrap();
    let answer = Client::default().post(&format!("http://{listen}"), &[], "hi").await.unwrap();
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, &b"hi"[..]));
    end(&mut process);
}

#[tokio::test]
async fn with_its_program_the_watchdog_ends_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let began = dir.path().join("began");
    let mut watchdog = start(&[], &format!("echo >> {}; sleep 30", began.display())).await;
    let url = watchdog.url("/");
    let client = Client::default();
    let call = client.post(&url, &[], "x");
    let kill = async {
        has_lines(&began, 1).await;
        let line = watchdog.says(&["the function's process was started"]).await;
        let (_, pid) = line.rsplit_once("process=").unwrap();
        assert!(std::process::Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
    };
    let (answer, ()) = tokio::join!(call, kill);
    let answer = answer.unwrap();
    let told = (answer.status, answer.header("x-openfaas-internal"));
    assert_eq!(told, (StatusCode::INTERNAL_SERVER_ERROR, "of-watchdog"));
    assert_eq!(watchdog.process.ended().await.code(), Some(1));
    let last = watchdog.says_last("giving up").await.pop().unwrap();
    assert!(last.starts_with("fabric: the function's process ended with signal: 9"), "{last}");
}

#[tokio::test]
async fn a_program_that_never_serves_ends_it_too() {
    let upstream = format!("http://127.0.0.1:{}", free_port());
    let options = ["--mode", "http", "--upstream-url", &upstream];
    let mut process = Process::start("watchdog", &mut watchdog(&options, &["/bin/sh", "-c", "exit 0"])).unwrap();
    assert_eq!(process.ended().await.code(), Some(1), "even with 0: there is no function any more");
    let mut process = Process::start("watchdog", &mut watchdog(&options, &["sleep", "1000"])).unwrap();
    process.line_after("listening: metrics ").await.unwrap();
    tests::eventually(async || {
        let started = process.lines().iter().any(|line| line.contains("process was started"));
        if started { Ok(()) } else { Err("it was not started") }
    })
    .await;
    process.terminate();
    assert_eq!(process.ended().await.code(), Some(0), "asked to end while it waits, it does");
}

#[tokio::test]
async fn the_program_hears_of_the_end_when_its_requests_are_done() {
    let dir = tempfile::tempdir().unwrap();
    let (began, go) = (dir.path().join("began"), dir.path().join("go"));
    let script = format!("echo >> {}; until [ -e {} ]; do sleep 0.01; done; cat", began.display(), go.display());
    let mut watchdog = start(&["--healthcheck-interval", "0s"], &script).await;
    let url = watchdog.url("/");
    let client = Client::default();
    let call = client.post(&url, &[], "x");
    let end = async {
        has_lines(&began, 1).await;
        watchdog.process.terminate();
        watchdog.says(&["no new connections", "running=1"]).await;
        std::fs::write(&go, "").unwrap();
    };
    let (answer, ()) = timeout(Duration::from_secs(60), async { tokio::join!(call, end) }).await.unwrap();
    assert_eq!(&*answer.unwrap().body, b"x");
    assert_eq!(watchdog.process.ended().await.code(), Some(0));
    let lines = watchdog.says_last("exiting running=0").await;
    let at = |words: &[&str]| lines.iter().position(|line| words.iter().all(|word| line.contains(word))).unwrap();
    let order = [
        at(&["asked to end: unhealthy", "SIGTERM", "running=1"]),
        at(&["no new connections: draining", "running=1"]),
        at(&["POST /", "status=200"]),
        at(&["the function's process is asked to end"]),
        // The program's own line: it hears of it now.
        at(&["stderr: ", "asked to end: unhealthy"]),
        at(&["the function's process has ended", "exit status: 0"]),
    ];
    assert!(order.is_sorted(), "{order:?}\n{}", lines.join("\n"));
}
