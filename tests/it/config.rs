//! What a process is told by flags, the environment and a file.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use http::StatusCode;
use serde_json::{Value, json};
use tests::client::Client;
use tests::eventually;
use tests::fabric::binary;
use tests::function::Server;
use tests::nats::Nats;
use tests::process::Process;

fn written(dir: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = dir.path().join("fabric.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// `fabric` with these arguments, told nothing else.
fn fabric(arguments: &[&str], file: &Path) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FABRIC_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).arg("--config").arg(file);
    command
}

fn lines(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn a_gateway_and_a_worker_are_told_by_one_file() {
    let (nats, server, dir) = (Nats::start().await, Server::start().await, tempfile::tempdir().unwrap());
    let text = format!(
        "broker = '{}'\nlisten = '127.0.0.1:0'\nadmin-listen = '127.0.0.1:0'\nmax-body = '1KiB'\nlog = 'warn'\n\
         allow-private-callbacks = true\nqueue-weight = {{ default = 2 }}\n\n[worker]\nlog = 'info'\nlease = '2s'\n",
        nats.url()
    );
    let file = written(&dir, &text);
    let mut gateway = Process::start("gateway", &mut fabric(&["gateway"], &file)).unwrap();
    let public = gateway.line_after("listening: public ").await.unwrap();
    let admin = gateway.line_after("listening: admin ").await.unwrap();
    let mut worker = Process::start("worker", &mut fabric(&["worker"], &file)).unwrap();
    let other = worker.line_after("listening: admin ").await.unwrap();
    let client = Client::default();
    for admin in [admin, other] {
        eventually(async || match client.get(&format!("{admin}/readyz")).await {
            Ok(answer) if answer.status == StatusCode::OK => Ok(()),
            answer => Err(format!("{:?}", answer.map(|it| it.status))),
        })
        .await;
    }
    let deployment = json!({"service": "f", "annotations": {"fabric.upstream": server.url("/ok")}});
    let answer = client.post(&format!("{public}/system/functions"), &[], deployment.to_string()).await.unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED);

    let call = format!("{public}/async-function/f");
    let callback = server.url("/callback");
    let headers = [("x-callback-url", callback.as_str())];
    let answer = client.post(&call, &headers, "x".repeat(1024)).await.unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    eventually(async || server.seen("/callback").pop().ok_or("no callback yet")).await;
    let answer = client.post(&call, &[], "x".repeat(1025)).await.unwrap();
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn what_is_in_force_is_shown_with_its_source_and_without_its_password() {
    let dir = tempfile::tempdir().unwrap();
    let file = written(&dir, "broker = 'nats://me:secret@127.0.0.1:1'\nlease = '3s'\n[worker]\nlease = '4s'\n");
    let shown = |arguments: &[&str]| {
        let mut command = fabric(arguments, &file);
        let output = command.env("FABRIC_MAX_INFLIGHT", "7").env("FABRIC_PRE_STP", "1s").output().unwrap();
        let (stdout, stderr) = lines(&output);
        assert!(
            output.status.success() && !stdout.contains("secret") && !stderr.contains("secret"),
            "{stdout}{stderr}"
        );
        assert!(stderr.contains("FABRIC_PRE_STP") && stderr.contains("did you mean FABRIC_PRE_STOP?"), "{stderr}");
        stdout
    };
    let table = shown(&["config", "worker", "--grace", "1m"]);
    let row = |key: &str| {
        let row = table.lines().find(|line| line.starts_with(&format!("{key} "))).unwrap();
        row.replace(file.to_str().unwrap(), "FILE").split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("broker"), "nats://me:***@127.0.0.1:1 FILE:1");
    assert_eq!(row("lease"), "4s FILE:4");
    assert_eq!(row("max-inflight"), "7 FABRIC_MAX_INFLIGHT");
    assert_eq!(row("grace"), "1m --grace");
    assert_eq!(row("keep-calls"), "1h default");

    let all: Value = serde_json::from_str(&shown(&["config", "--output", "json"])).unwrap();
    for (command, lease) in [("dev", "3s"), ("serve", "3s"), ("worker", "4s")] {
        assert_eq!(all[command]["lease"]["value"], lease, "{command}");
        assert_eq!(all[command]["max-inflight"]["source"], "environment", "{command}");
    }
    assert_eq!(all["gateway"]["lease"], Value::Null, "a gateway has none");
}

#[test]
fn a_file_with_faults_starts_nothing_and_all_of_them_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = written(&dir, "max-inflght = 3\nlease = 10\n");
    let output = fabric(&["worker"], &file).output().unwrap();
    let (stdout, stderr) = lines(&output);
    assert_eq!((output.status.code(), stdout.as_str()), (Some(2), ""));
    let told: Vec<_> = stderr.lines().map(|line| line.replace(file.to_str().unwrap(), "FILE")).collect();
    assert_eq!(told.len(), 2, "{stderr}");
    assert_eq!(told[0], "FILE:1: there is no option \"max-inflght\"; did you mean \"max-inflight\"?");
    assert!(told[1].starts_with("FILE:2: lease: invalid value '10' for '--lease <DURATION>'"), "{stderr}");
}

#[test]
fn help_names_the_variables_and_does_not_tell_what_is_in_them() {
    for (command, variable, value) in [
        ("worker", "FABRIC_BROKER", "nats://me:secret@127.0.0.1:1"),
        ("dev", "FABRIC_FUNCTION", "f=http://me:secret@127.0.0.1:1"),
    ] {
        let output = Command::new(binary()).args([command, "--help"]).env(variable, value).output().unwrap();
        let (stdout, stderr) = lines(&output);
        assert!(output.status.success() && stdout.contains(&format!("[env: {variable}]")), "{stdout}{stderr}");
        assert!(!stdout.contains("secret"), "{stdout}");
    }
}
