//! A disk without room: what is refused, what is kept, and that it passes.

use std::collections::HashSet;
use std::fs;

use http::StatusCode;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::json;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;

/// Far more than fits.
const CALLS_MAX: usize = 2000;

/// Sets how long files of a process may get, as `ulimit -f` does.
fn limit_files(fabric: &Fabric, limit: Rlimit) {
    let pid = Pid::from_raw(fabric.process.pid().cast_signed());
    prlimit(Some(pid.unwrap()), Resource::Fsize, limit).unwrap();
}

#[tokio::test]
async fn a_file_that_may_not_grow_is_a_full_disk_and_no_reason_to_end() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().unwrap());
    let mut fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    let upstream = server.url("/ok");
    fabric.register("f", json!({"fabric.upstream": upstream, "fabric.paused": "true"})).await;
    let longest = fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().metadata().unwrap().len()).max().unwrap();
    let before = getrlimit(Resource::Fsize);
    // What is free in the file is used; what would make it longer is refused.
    limit_files(&fabric, Rlimit { current: Some(longest), ..before });

    let body = "x".repeat(16 * 1024);
    let mut accepted = HashSet::new();
    let refused = loop {
        let answer = fabric.call("f", &[], &body).await;
        if answer.status != StatusCode::ACCEPTED {
            break answer;
        }
        accepted.insert(answer.header("x-call-id").to_owned());
        assert!(accepted.len() < CALLS_MAX, "the limit limits nothing");
    };
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{:?}", refused.body);
    assert_eq!(refused.json()["error"], "storage_full", "{:?}", refused.body);
    assert!(fabric.process.is_running());
    assert!(!accepted.is_empty());

    limit_files(&fabric, before);
    let last = eventually(async || {
        let answer = fabric.call("f", &[], &body).await;
        if answer.status == StatusCode::ACCEPTED { Ok(answer) } else { Err(format!("{:?}", answer.body)) }
    })
    .await;
    accepted.insert(last.header("x-call-id").to_owned());
    fabric.register("f", json!({"fabric.upstream": upstream, "fabric.paused": "false"})).await;
    eventually(async || {
        let ran = server.calls("/ok");
        if ran == accepted { Ok(()) } else { Err(format!("{} of {} ran", ran.len(), accepted.len())) }
    })
    .await;
    assert_eq!(server.count("/ok"), accepted.len(), "each once");
}
