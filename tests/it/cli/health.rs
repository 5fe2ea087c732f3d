//! `fabric health`: an exit code for whoever starts processes and has no other way to ask.

use std::time::Duration;

use tests::fabric::{Fabric, binary};
use tests::nats::free_port;
use tests::process::Process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;

use super::run::{Said, ask, json, run};

/// The command, with these variables.
async fn told(words: &[&str], variables: &[(&str, &str)]) -> Said {
    let output = Command::new(binary()).args(words).envs(variables.iter().copied()).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_alive_and_ready_says_so_without_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let key = "k".repeat(40);
    let words = ["serve", "--data-dir", dir.path().to_str().unwrap(), "--admin-key", &key];
    let fabric = Fabric::start(&words).await;
    let said = ask(&fabric, "health").await.good();
    assert_eq!(said.stdout, format!("{}/healthz answers 200\n", fabric.admin));
    let said = json(&fabric, "health --ready").await;
    assert_eq!((said["url"].as_str().unwrap(), &said["status"]), (&*format!("{}/readyz", fabric.admin), &200.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_drains_is_alive_and_not_ready() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let words = ["serve", "--data-dir", dir.path().to_str().unwrap(), "--pre-stop", "60s"];
    let fabric = Fabric::start_at(&words, &format!("127.0.0.1:{port}")).await;
    fabric.process.signal("TERM");
    let said = tests::eventually(async || match ask(&fabric, "health --ready").await {
        said if said.code == 1 => Ok(said),
        said => Err(said.stdout),
    })
    .await;
    assert!(said.stderr.contains("/readyz answers 503"), "{}", said.stderr);
    ask(&fabric, "health").await.good();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_found_by_what_tells_it_where_to_listen() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let store = dir.path().join("store");
    let file = dir.path().join("fabric.toml");
    let text = format!("admin-listen = '127.0.0.1:1'\n[serve]\nadmin-listen = '0.0.0.0:{port}'\n");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let words = ["serve", "--data-dir", store.to_str().unwrap(), "--insecure-no-auth", "--listen", "127.0.0.1:0"];
    let mut process =
        Process::start("serve", std::process::Command::new(binary()).args(words).args(["--config", file])).unwrap();
    process.line_after("listening: admin ").await.unwrap();

    let reached = format!("http://127.0.0.1:{port}/healthz answers 200\n");
    let said = told(&["health", "serve", "--config", file], &[]).await.good();
    assert_eq!(said.stdout, reached);
    let said = told(&["health", "serve"], &[("FABRIC_CONFIG", file)]).await.good();
    assert_eq!(said.stdout, reached);
    let address = format!("[::]:{port}");
    let said = told(&["health", "gateway"], &[("FABRIC_CONFIG", file), ("FABRIC_ADMIN_LISTEN", &address)]).await;
    assert!(said.stderr.contains(&format!("http://[::1]:{port}/healthz does not answer")), "{}", said.stderr);
    let said = told(&["health", "worker"], &[("FABRIC_CONFIG", file)]).await.failed();
    assert!(said.stderr.contains("http://127.0.0.1:1/healthz does not answer"), "{}", said.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_asked_as_watchdogs_are() {
    let port = free_port().to_string();
    let words = ["watchdog", "--listen", &port, "--metrics-listen", "127.0.0.1:0", "--", "cat"];
    let mut watchdog = Process::start("watchdog", std::process::Command::new(binary()).args(words)).unwrap();
    watchdog.line_after("listening: function ").await.unwrap();
    for (words, path) in
        [(&["health", "watchdog", "--within", "30s"][..], "health"), (&["health", "watchdog", "--ready"], "ready")]
    {
        let said = told(words, &[("port", &port)]).await.good();
        assert_eq!(said.stdout, format!("http://127.0.0.1:{port}/_/{path} answers 200\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_asked_again_for_as_long_as_was_said() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        for status in ["503 Service Unavailable", "503 Service Unavailable", "200 OK"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        listener
    });
    let said = run(&format!("health --admin {url}")).await.failed();
    assert_eq!(said.stderr, format!("fabric: {url}/healthz answers 503 Service Unavailable\n"));
    run(&format!("health --admin {url} --within 60s")).await.good();

    // One who takes requests and says nothing is not waited for.
    let _silent = server.await.unwrap();
    let asked = tokio::time::timeout(Duration::from_secs(60), run(&format!("health --admin {url}"))).await.unwrap();
    assert!(asked.failed().stderr.contains("does not answer within 2s"));
}
