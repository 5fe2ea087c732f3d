//! What `faas-cli` sends is accepted as `faas-cli` expects it.

use std::process::Command;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::fabric::{Fabric, binary};
use tests::function::Server;

/// One request of a command, and the status that answers it.
#[derive(Default)]
struct Exchange {
    command: &'static str,
    line: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    status: u16,
}

/// Reads the recording.
fn recorded() -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    let (mut command, mut next) = ("", Exchange::default());
    for line in include_str!("faas-cli.txt").lines() {
        match line.split_once(' ') {
            Some(("$", text)) => command = text,
            Some((">", text)) if next.line.is_empty() => (next.command, next.line) = (command, text),
            Some((">", text)) => next.headers.push(text.split_once(": ").unwrap()),
            Some(("|", text)) => next.body = text.into(),
            Some(("<", text)) => {
                next.status = text.parse().unwrap();
                exchanges.push(std::mem::take(&mut next));
            }
            _ => assert!(next.line.is_empty(), "{line:?} is in the middle of a request"),
        }
    }
    assert_eq!(exchanges.len(), 33);
    exchanges
}

#[tokio::test]
async fn what_faas_cli_sends_is_answered_as_it_expects() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let template = server.url("/ok/{name}.{namespace}");
    let dir = dir.path().to_str().unwrap();
    let fabric = Fabric::start(&["serve", "--data-dir", dir, "--upstream-template", &template]).await;
    fabric.register("env.team1", json!({})).await;
    let client = Client::default();
    let mut answers: Vec<(&str, Answer)> = Vec::new();
    for Exchange { command, line, headers, body, status } in recorded() {
        let (method, path) = line.split_once(' ').unwrap();
        let url = format!("{}{path}", fabric.public);
        let answer = client.send(method.parse().unwrap(), &url, &headers, body).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{command}: {line}: {:?}", answer.body);
        answers.push((command, answer));
    }
    let all = |command: &str| answers.iter().filter(|it| it.0 == command).map(|it| &it.1).collect::<Vec<_>>();
    let last = |command: &str| all(command).pop().unwrap().clone();

    let version = last("faas-cli version").json();
    for version in [&version["version"], &version["provider"]["version"]] {
        assert!(["release", "sha", "commit_message"].iter().all(|key| version[key].is_string()), "{version}");
    }
    assert!(version["provider"]["provider"].is_string() && version["provider"]["orchestration"].is_string());
    assert_eq!(last("faas-cli login -u admin -p pw").json().as_array().unwrap().len(), 1, "env.team1");

    let listed = last("faas-cli list -v").json();
    let env = &listed[0];
    assert_eq!(
        (listed.as_array().unwrap().len(), &env["name"], &env["namespace"]),
        (2, &json!("env"), &json!("openfaas-fn"))
    );
    assert_eq!((&env["image"], &env["envProcess"]), (&json!("ghcr.io/openfaas/alpine:latest"), &json!("env")));
    assert_eq!((&env["labels"], &env["annotations"]), (&json!({"x": "y"}), &json!({"com.openfaas.queue": "q1"})));
    assert_eq!(
        (&env["replicas"], &env["availableReplicas"], &env["invocationCount"]),
        (&json!(1), &json!(1), &json!(0))
    );
    assert!(humantime::parse_rfc3339(env["createdAt"].as_str().unwrap()).is_ok(), "{env}");
    assert_eq!(env["usage"], Value::Null, "nobody asked for it");

    let described = all("faas-cli describe env -n team1");
    assert_eq!(described[0].json()["usage"], json!({"cpu": 0.0, "totalMemoryBytes": 0.0}));
    assert_eq!(described[1].json().as_array().unwrap().len(), 1);
    assert_eq!(last("faas-cli ready env").json()["availableReplicas"], json!(1));

    assert_eq!(&*last("faas-cli invoke env").body, b"answer to hi");
    assert!(!last("faas-cli invoke env --async").header("x-call-id").is_empty());
    let signed = server.seen("/ok/env.team1").pop().unwrap();
    assert!(signed.header("x-sig").starts_with("sha256="));
    assert!(!server.seen("/ok/env.openfaas-fn").is_empty());

    assert_eq!(last("faas-cli namespaces").json(), json!(["openfaas-fn", "team1"]));
    assert_eq!(last("faas-cli namespace list").json(), json!(["openfaas-fn", "t1", "team1"]));
    let t1 = json!({"name": "t1", "annotations": {"a": "b", "openfaas": "1"}, "labels": {"openfaas": "1"}});
    assert_eq!(last("faas-cli namespace get t1").json(), t1);
    assert_eq!(last("faas-cli secret list").json(), json!([]));
    for (command, advice) in [
        ("faas-cli secret remove s1", "whatever runs the function"),
        ("faas-cli logs env --tail --lines 5", "GET /calls/<X-Call-Id>"),
    ] {
        assert!(last(command).json()["message"].as_str().unwrap().contains(advice), "{command}");
    }
    let scale = format!("{}/system/scale-function/env", fabric.public);
    let answer = client.post(&scale, &[], r#"{"serviceName":"env","replicas":3}"#).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_IMPLEMENTED, "an autoscaler must not believe that it has scaled");
}

#[tokio::test]
async fn a_function_is_deployed_once_and_updated_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["dev", "--data-dir", dir.path().to_str().unwrap()]).await;
    let client = Client::default();
    let url = format!("{}/system/functions", fabric.public);
    let refused = client.send(Method::PUT, &url, &[], r#"{"service":"env","image":"i","labels":{},"annotations":{}}"#);
    let refused = refused.await.unwrap();
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(message.contains("fabric.upstream") && message.contains("--upstream-template"), "{message}");

    let created = async || {
        let status = client.get(&format!("{}/system/function/env", fabric.public)).await.unwrap().json();
        status["createdAt"].as_str().unwrap().to_owned()
    };
    fabric.register("env", json!({"fabric.upstream": "http://127.0.0.1:1"})).await;
    let first = created().await;
    fabric.register("env", json!({"fabric.upstream": "http://127.0.0.1:2"})).await;
    assert_eq!(created().await, first, "an update is no creation");
}

#[test]
fn what_is_no_template_or_no_subject_starts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, advice) in [
        (vec!["--upstream-template", "http://{function}:8080"], "only {name} and {namespace}"),
        (vec!["--openfaas-subject", "faas request"], "write faas-request"),
        (vec!["--openfaas-subject", "faas-request"], "needs --broker"),
    ] {
        let mut command = Command::new(binary());
        command.args(["worker", "--admin-listen", "127.0.0.1:0", "--data-dir"]).arg(dir.path()).args(&arguments);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(advice), "{arguments:?}: {text}");
    }
}
