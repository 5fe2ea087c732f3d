//! How it ends.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::StatusCode;
use tests::client::Client;
use tests::eventually;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::{Watchdog, are_gone, has_lines};

/// A function whose calls say that they have begun, and end when they may.
struct Held {
    _dir: tempfile::TempDir,
    began: PathBuf,
    go: PathBuf,
    watchdog: Watchdog,
}

async fn held(options: &[&str]) -> Held {
    let dir = tempfile::tempdir().unwrap();
    let (began, go) = (dir.path().join("began"), dir.path().join("go"));
    let script = format!("echo $$ >> {}; until [ -e {} ]; do sleep 0.01; done; cat", began.display(), go.display());
    let watchdog = Watchdog::shell(&[&["--exec-timeout", "0"], options].concat(), &script).await;
    Held { _dir: dir, began, go, watchdog }
}

#[tokio::test]
async fn nobody_who_was_let_in_is_sent_away() {
    // Long enough to look at what is still taken; the second signal of another test does without it.
    let Held { _dir, began, go, mut watchdog } = held(&["--healthcheck-interval", "8s"]).await;
    let client = Client::default();
    let url = watchdog.url("/");
    let calls =
        stream::iter(0..5).map(|n| client.post(&url, &[], n.to_string())).buffer_unordered(5).collect::<Vec<_>>();
    let end = async {
        has_lines(&began, 5).await;
        assert_eq!(client.get(&watchdog.url("/_/health")).await.unwrap().status, StatusCode::OK);
        watchdog.process.terminate();
        watchdog.says(&["asked to end: unhealthy from now on", "running=5"]).await;
        for path in ["/_/health", "/_/ready"] {
            let status = client.get(&watchdog.url(path)).await.unwrap().status;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        }
        let late = client.post(&url, &[], "late");
        let more = async {
            has_lines(&began, 6).await;
            watchdog.says(&["no new connections: draining", "running=6"]).await;
            eventually(async || match TcpStream::connect(watchdog.addr()).await {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
                other => Err(format!("{other:?}")),
            })
            .await;
            let scraped = client.get(&watchdog.metrics).await.unwrap();
            assert!(String::from_utf8_lossy(&scraped.body).contains("http_requests_in_flight 6"), "{scraped:?}");
            watchdog.says(&[" draining ", "running=6"]).await;
            std::fs::write(&go, "").unwrap();
        };
        let (late, ()) = tokio::join!(late, more);
        assert_eq!(&*late.unwrap().body, b"late", "who came in time was let in");
    };
    let (answers, ()) = tokio::join!(calls, end);
    let bodies: HashSet<_> = answers.into_iter().map(|it| it.unwrap().body).collect();
    assert_eq!(bodies, (0..5).map(|n| n.to_string().into()).collect());
    assert_eq!(watchdog.process.ended().await.code(), Some(0));
    let lines = watchdog.says_last("exiting running=0").await;
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
    let order = ["asked to end", "no new connections", " draining ", "status=200", "exiting"].map(at);
    assert!(order.is_sorted(), "{order:?}\n{}", lines.join("\n"));
}

#[tokio::test]
async fn the_grace_is_the_most_that_they_get() {
    let Held { _dir, began, go: _, mut watchdog } = held(&["--healthcheck-interval", "0s", "--grace", "300ms"]).await;
    let client = Client::default();
    let url = watchdog.url("/");
    let end = async {
        let pids = has_lines(&began, 1).await;
        watchdog.process.signal("INT");
        pids
    };
    let (answer, pids) = tokio::join!(client.post(&url, &[], "x"), end);
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(watchdog.process.ended().await.code(), Some(0));
    are_gone(&pids).await;
    watchdog.says(&["requests were cut off at the deadline"]).await;
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    for at in ["asked to end: unhealthy", "no new connections"] {
        let interval = if at.starts_with("asked") { "1000s" } else { "0s" };
        let Held { _dir, began, go: _, mut watchdog } = held(&["--healthcheck-interval", interval]).await;
        let client = Client::default();
        let url = watchdog.url("/");
        let end = async {
            let pids = has_lines(&began, 1).await;
            watchdog.process.terminate();
            watchdog.says(&[at]).await;
            watchdog.process.terminate();
            pids
        };
        let began = Instant::now();
        let (answer, pids) = tokio::join!(client.post(&url, &[], "x"), end);
        assert!(answer.is_err(), "{answer:?}");
        assert_eq!(watchdog.process.ended().await.code(), Some(0), "{at}");
        assert!(began.elapsed() < Duration::from_secs(500), "{at}");
        are_gone(&pids).await;
        watchdog.says(&["asked to end again", "running=1"]).await;
    }
}

#[tokio::test]
async fn the_lock_file_is_there_while_it_is_healthy() {
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join(".lock");
    let mut watchdog =
        Watchdog::start(&["--lock-file", lock.to_str().unwrap(), "--healthcheck-interval", "0s"], &["cat"]).await;
    let health = async || Client::default().get(&watchdog.url("/_/health")).await.unwrap();
    let good = health().await;
    assert!(lock.exists() && good.status == StatusCode::OK && &*good.body == b"OK");
    std::fs::remove_file(&lock).unwrap();
    assert_eq!(health().await.status, StatusCode::SERVICE_UNAVAILABLE, "who takes it away has it drained by others");
    watchdog.process.terminate();
    assert_eq!(watchdog.process.ended().await.code(), Some(0));
    assert!(!lock.exists());
}
