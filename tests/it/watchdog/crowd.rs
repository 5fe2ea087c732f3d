//! Many at once.

use std::fs::File;
use std::io::Write;

use futures_util::{StreamExt, stream};
use http::{Method, StatusCode};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tests::client::Client;
use tests::eventually;

use super::{Watchdog, has_lines};

const CALLERS: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_run_at_once_and_leave_nothing_behind() {
    let now = getrlimit(Resource::Nofile);
    let enough = now.maximum.unwrap_or(8 * 1024).min(8 * 1024);
    setrlimit(Resource::Nofile, Rlimit { current: Some(enough), maximum: now.maximum }).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (began, go) = (dir.path().join("began"), dir.path().join("go"));
    // A FIFO holds each of them until there is a line for it: none has to look again and again.
    assert!(std::process::Command::new("mkfifo").arg(&go).status().unwrap().success());
    let mut lines = File::options().read(true).write(true).open(&go).unwrap();
    let script = format!("echo >> {}; read -r _ < {}; cat", began.display(), go.display());
    let watchdog = Watchdog::shell(&["--exec-timeout", "0", "--log", "warn"], &script).await;
    let client = Client::default();
    // A listener that serves has opened one file more than one that is about to.
    for url in [watchdog.url("/_/health"), watchdog.metrics.clone()] {
        let answer = client.send(Method::GET, &url, &[("connection", "close")], "").await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
    }
    let open_before = watchdog.open_files();

    let url = watchdog.url("/");
    let one = async |n: usize| {
        let answer = client.post(&url, &[], n.to_string()).await.unwrap();
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, n.to_string().as_bytes()));
    };
    let calls = stream::iter(0..CALLERS).map(one).buffer_unordered(CALLERS).count();
    let release = async {
        has_lines(&began, CALLERS).await;
        assert_eq!(watchdog.children().len(), CALLERS);
        lines.write_all("\n".repeat(CALLERS).as_bytes()).unwrap();
    };
    let (count, ()) = tokio::join!(calls, release);
    assert_eq!(count, CALLERS);
    watchdog.is_alone().await;
    drop(client);
    eventually(async || match watchdog.open_files() {
        open if open.len() <= open_before.len() => Ok(()),
        open => Err(format!("{open:?} are open, and there were {open_before:?}")),
    })
    .await;
}
