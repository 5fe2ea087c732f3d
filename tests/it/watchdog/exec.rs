//! A process for each request.

use std::time::Duration;

use http::{Method, StatusCode};
use tests::client::Client;
use tests::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Watchdog, are_gone, has_lines};

/// Longer than any test: what ends sooner was ended.
const LONG: &str = "sleep 1000";

async fn connect(watchdog: &Watchdog) -> TcpStream {
    TcpStream::connect(watchdog.addr()).await.unwrap()
}

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

#[tokio::test]
async fn a_program_gets_the_body_and_gives_the_answer() {
    let watchdog = Watchdog::start(&["--content-type", "text/plain"], &["wc", "-c"]).await;
    let answer = Client::default().post(&watchdog.url("/"), &[], "hello").await.unwrap();
    assert_eq!((answer.status, answer.body.trim_ascii()), (StatusCode::OK, &b"5"[..]));
    assert_eq!(answer.header("content-type"), "text/plain");
    assert!(answer.header("x-duration-seconds").parse::<f64>().unwrap() > 0.0);
    watchdog.is_alone().await;
}

#[tokio::test]
async fn it_finds_the_request_in_its_environment() {
    let watchdog = Watchdog::shell(&[], "env | grep ^Http_ | sort").await;
    let headers = [("x-call-id", "c-7"), ("x-start-time", "12"), ("x-attempt", "2"), ("proxy", "http://evil")];
    let answer = Client::default().send(Method::PUT, &watchdog.url("/a/b?q=1&r"), &headers, "x").await.unwrap();
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    for line in [
        "Http_Method=PUT",
        "Http_Path=/a/b",
        "Http_Query=q=1&r",
        "Http_X_Call_Id=c-7",
        "Http_X_Start_Time=12",
        "Http_X_Attempt=2",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    assert!(!text.contains("evil"), "{text}");
}

#[tokio::test]
async fn bytes_are_bytes_both_ways() {
    let body: Vec<u8> = (0..=255).cycle().take(1_000_003).collect();
    for mode in ["streaming", "serializing"] {
        let watchdog = Watchdog::start(&["--mode", mode], &["cat"]).await;
        let answer = Client::default().post(&watchdog.url("/"), &[], body.clone()).await.unwrap();
        assert!(answer.status == StatusCode::OK && answer.body == body, "{mode}: {} bytes", answer.body.len());
        let nothing = Client::default().post(&watchdog.url("/"), &[], "").await.unwrap();
        assert_eq!((nothing.status, nothing.body.len()), (StatusCode::OK, 0), "{mode}");
    }
}

#[tokio::test]
async fn each_part_is_answered_before_the_next_is_sent() {
    let watchdog = Watchdog::start(&[], &["cat"]).await;
    let mut caller = connect(&watchdog).await;
    caller.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\npart1\r\n").await.unwrap();
    let head = read_until(&mut caller, "part1").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    caller.write_all(b"5\r\npart2\r\n").await.unwrap();
    read_until(&mut caller, "part2").await;
    caller.write_all(b"0\r\n\r\n").await.unwrap();
    read_until(&mut caller, "0\r\n\r\n").await;
}

#[tokio::test]
async fn what_is_streamed_is_not_kept() {
    const LENGTH: usize = 128 * 1024 * 1024;
    let watchdog = Watchdog::start(&["--exec-timeout", "0"], &["cat"]).await;
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", watchdog.process.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().to_owned();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    };
    Client::default().post(&watchdog.url("/"), &[], "warm").await.unwrap();
    let before = peak();
    let (mut answer, mut request) = connect(&watchdog).await.into_split();
    let send = async move {
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {LENGTH}\r\n\r\n");
        request.write_all(head.as_bytes()).await.unwrap();
        let chunk = vec![7; 64 * 1024];
        for _ in 0..LENGTH / chunk.len() {
            request.write_all(&chunk).await.unwrap();
        }
        request
    };
    let receive = async {
        let (mut chunk, mut total) = (vec![0; 64 * 1024], 0);
        loop {
            match answer.read(&mut chunk).await.unwrap() {
                0 => break total,
                n => total += n,
            }
        }
    };
    let (_request, received) = tokio::join!(send, receive);
    assert!(received > LENGTH, "{received} bytes came back");
    let grown = peak() - before;
    println!("{} MiB went through, and memory grew by {} KiB", LENGTH >> 20, grown >> 10);
    assert!(grown < LENGTH / 8, "{grown} bytes are kept");
}

#[tokio::test]
async fn a_program_that_reads_nothing_answers_all_the_same() {
    let watchdog = Watchdog::start(&[], &["echo", "hi"]).await;
    let answer = Client::default().post(&watchdog.url("/"), &[], vec![0; 3_000_000]).await.unwrap();
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, &b"hi\n"[..]));
}

#[tokio::test]
async fn a_failure_is_a_failure_and_what_it_says_is_in_the_log() {
    let watchdog = Watchdog::shell(&[], "echo broken >&2; exit 3").await;
    let answer = Client::default().post(&watchdog.url("/"), &[("x-call-id", "c-9")], "x").await.unwrap();
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.header("x-openfaas-internal"), "", "it is the function that says so");
    assert!(String::from_utf8_lossy(&answer.body).contains("exit status: 3"), "{answer:?}");
    watchdog.says(&["stderr: broken", "c-9"]).await;
    watchdog.says(&["POST /", "status=500", "c-9"]).await;
}

#[tokio::test]
async fn half_an_answer_does_not_pass_for_the_whole() {
    let script = "echo half; exit 3";
    let watchdog = Watchdog::shell(&[], script).await;
    let answer = Client::default().post(&watchdog.url("/"), &[], "x").await;
    assert!(answer.is_err(), "{answer:?}");
    let watchdog = Watchdog::shell(&["--mode", "serializing"], script).await;
    let answer = Client::default().post(&watchdog.url("/"), &[], "x").await.unwrap();
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "where it was not sent yet, it is not sent");
}

#[tokio::test]
async fn what_takes_too_long_is_ended_with_all_that_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pids");
    let script = format!("{LONG} & echo $! >> {0}; echo $$ >> {0}; wait", file.display());
    for mode in ["streaming", "serializing"] {
        let watchdog = Watchdog::shell(&["--exec-timeout", "500ms", "--mode", mode], &script).await;
        let answer = Client::default().post(&watchdog.url("/"), &[], "x").await.unwrap();
        assert_eq!((answer.status, answer.header("x-openfaas-internal")), (StatusCode::GATEWAY_TIMEOUT, "of-watchdog"));
        are_gone(&has_lines(&file, 2).await).await;
        watchdog.is_alone().await;
        std::fs::remove_file(&file).unwrap();
    }
    let watchdog = Watchdog::shell(&["--exec-timeout", "0"], LONG).await;
    let answer = Client::default().post(&watchdog.url("/"), &[("x-timeout", "200ms")], "x").await.unwrap();
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT, "a caller may give less");
}

#[tokio::test]
async fn what_takes_too_long_breaks_off_what_was_sent() {
    let watchdog =
        Watchdog::shell(&["--write-timeout", "1s", "--exec-timeout", "0"], &format!("echo half; {LONG}")).await;
    let answer = Client::default().post(&watchdog.url("/"), &[], "x").await;
    assert!(answer.is_err(), "{answer:?}");
    watchdog.is_alone().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    for mode in ["streaming", "serializing"] {
        let options = ["--read-timeout", "300ms", "--exec-timeout", "0", "--mode", mode];
        let watchdog = Watchdog::start(&options, &["cat"]).await;
        let mut caller = connect(&watchdog).await;
        caller.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n").await.unwrap();
        let head = read_until(&mut caller, "\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 408"), "{mode}: {head}");
        watchdog.is_alone().await;
    }
}

#[tokio::test]
async fn a_caller_who_goes_away_takes_his_process_with_him() {
    let dir = tempfile::tempdir().unwrap();
    for (name, script) in [("before", ""), ("after", "echo half;")] {
        let file = dir.path().join(name);
        let watchdog = Watchdog::shell(&[], &format!("echo $$ >> {}; {script} {LONG}", file.display())).await;
        let mut caller = connect(&watchdog).await;
        caller.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        let pids = has_lines(&file, 1).await;
        if !script.is_empty() {
            read_until(&mut caller, "half").await;
        }
        drop(caller);
        are_gone(&pids).await;
        watchdog.is_alone().await;
    }
}

#[tokio::test]
async fn what_a_program_leaves_running_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pids");
    let watchdog =
        Watchdog::shell(&["--exec-timeout", "0"], &format!("{LONG} & echo $! >> {}; echo hi", file.display())).await;
    let answer = timeout(Duration::from_secs(60), Client::default().post(&watchdog.url("/"), &[], "x")).await.unwrap();
    assert_eq!(&*answer.unwrap().body, b"hi\n");
    are_gone(&has_lines(&file, 1).await).await;
}

#[tokio::test]
async fn as_many_as_may_are_let_in_and_the_others_told_that_it_is_busy() {
    let dir = tempfile::tempdir().unwrap();
    let (began, go) = (dir.path().join("began"), dir.path().join("go"));
    let script = format!("echo >> {}; until [ -e {} ]; do sleep 0.01; done", began.display(), go.display());
    let watchdog = Watchdog::shell(&["--max-inflight", "2", "--exec-timeout", "0"], &script).await;
    let client = Client::default();
    let ready = async || client.get(&watchdog.url("/_/ready")).await.unwrap().status;
    assert_eq!(ready().await, StatusCode::OK);
    let url = watchdog.url("/");
    let two = async { tokio::join!(client.post(&url, &[], "x"), client.post(&url, &[], "x")) };
    let others = async {
        has_lines(&began, 2).await;
        let busy = client.post(&url, &[], "x").await.unwrap();
        assert_eq!(busy.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(
            (busy.header("x-openfaas-internal"), busy.header("content-type")),
            ("faas-middleware", "text/plain")
        );
        assert_eq!(&*busy.body, b"Concurrent request limit exceeded. Max concurrent requests: 2\n");
        assert_eq!(ready().await, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(client.get(&watchdog.url("/_/health")).await.unwrap().status, StatusCode::OK);
        std::fs::write(&go, "").unwrap();
    };
    let ((first, second), ()) = tokio::join!(two, others);
    assert_eq!((first.unwrap().status, second.unwrap().status), (StatusCode::OK, StatusCode::OK));
    eventually(async || match ready().await {
        StatusCode::OK => Ok(()),
        status => Err(status),
    })
    .await;
    let metrics = client.get(&watchdog.metrics).await.unwrap().body;
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    for line in [
        "http_requests_total{code=\"200\",method=\"post\"} 2",
        "http_requests_total{code=\"429\",method=\"post\"} 1",
        "http_request_duration_seconds_count{code=\"200\",method=\"post\"} 2",
        "http_requests_in_flight 0",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn a_function_may_say_itself_whether_it_is_ready() {
    let watchdog = Watchdog::shell(&["--ready-path", "/am-i"], "[ $Http_Path != /am-i ]").await;
    let status = async |path: &str| Client::default().get(&watchdog.url(path)).await.unwrap().status;
    assert_eq!(status("/_/ready").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(status("/else").await, StatusCode::OK);
    let posted = Client::default().post(&watchdog.url("/_/ready"), &[], "").await.unwrap();
    assert_eq!((posted.status, posted.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET"));
}
