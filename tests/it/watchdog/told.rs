//! What it is told.

use std::process::Output;

use http::StatusCode;
use tests::client::Client;
use tests::process::Process;

use super::watchdog;

/// Starts it with these variables, to see it fail.
fn fails(variables: &[(&str, &str)], options: &[&str], program: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = watchdog(options, program).envs(variables.iter().copied()).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn an_image_of_openfaas_s_runs_as_it_is() {
    let mut command = std::process::Command::new(tests::fabric::binary());
    for (name, value) in [
        ("fprocess", "sh -c 'cat; echo \" $Http_X_Call_Id\"'"),
        ("mode", "serializing"),
        ("exec_timeout", "20"),
        ("read_timeout", "25s"),
        ("write_timeout", "1m"),
        ("max_inflight", "4"),
        ("content_type", "text/plain"),
        ("healthcheck_interval", "0"),
        ("prefix_logs", "false"),
        ("suppress_lock", "true"),
    ] {
        command.env(name, value);
    }
    command.args(["watchdog", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
    let mut process = Process::start("watchdog", &mut command).unwrap();
    let url = process.line_after("listening: function ").await.unwrap();
    let answer = Client::default().post(&url, &[("x-call-id", "c-1")], "hello").await.unwrap();
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, &b"hello c-1\n"[..]));
    assert_eq!(answer.header("content-type"), "text/plain");
    process.terminate();
    assert_eq!(process.ended().await.code(), Some(0));
}

#[test]
fn a_wrong_value_starts_nothing_and_is_told_with_what_would_do() {
    let (code, told) = fails(&[("exec_timeout", "soon"), ("mode", "afterburn")], &[], &["cat"]);
    assert_eq!(code, Some(2));
    for part in [
        "exec_timeout: invalid value 'soon' for '--exec-timeout <DURATION>'",
        "write 90s, 1m30s or 500ms, or a number of seconds",
        "mode: invalid value 'afterburn' for '--mode <MODE>' [possible values: streaming, serializing, http]",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let (code, told) = fails(&[], &["--mode", "http"], &["cat"]);
    assert!(code == Some(2) && told.contains("mode http needs --upstream-url"), "{code:?} {told}");
    let (code, told) = fails(&[], &[], &[]);
    assert!(code == Some(2) && told.contains("--process <CMD>"), "{code:?} {told}");
    let (code, told) = fails(&[], &[], &["no-such-program"]);
    assert!(code == Some(1) && told.contains("there is no program \"no-such-program\""), "{code:?} {told}");
    let (code, told) = fails(&[("jwt_auth", "true")], &[], &["cat"]);
    assert!(code == Some(2) && told.contains("jwt_auth: tokens are not looked at"), "{code:?} {told}");
}
