//! `fabric apply`: files become what is set.

use std::path::Path;
use std::process::{Command, Output};

use http::Method;
use serde_json::{Value, json};
use tests::fabric::{Fabric, binary};

use super::api::Api;

fn apply(fabric: &Fabric, file: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(["apply", "--admin", &fabric.admin, "-f"]).arg(file).args(more);
    command.output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

const FILE: &str = r#"
[functions."resize.acme".annotations]
"fabric.upstream" = "http://127.0.0.1:9000"
"fabric.concurrency" = 5
[functions.plain.annotations]
"fabric.upstream" = "http://127.0.0.1:9001"
[queues.slow.annotations]
"com.openfaas.retry.attempts" = 3
[namespaces.acme.annotations]
"fabric.weight" = 2
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_shown_then_applied_and_a_second_time_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().join("data").to_str().unwrap()]).await;
    let (api, file) = (Api::of(&fabric), dir.path().join("all.toml"));
    std::fs::write(&file, FILE).unwrap();

    let shown = apply(&fabric, &file, &["--dry-run"]);
    assert!(shown.status.success(), "{shown:?}");
    assert!(told(&shown).contains("+ function resize.acme\n    + annotations.fabric.concurrency: 5\n"), "{shown:?}");
    assert!(told(&shown).ends_with("4 new, 0 changed, 0 as they were (nothing was done)\n"), "{shown:?}");
    assert_eq!(api.get("/functions").await["items"], json!([]));

    let applied = apply(&fabric, &file, &[]);
    assert!(applied.status.success() && told(&applied).ends_with("4 new, 0 changed, 0 as they were\n"), "{applied:?}");
    let function = api.get("/functions/resize.acme").await;
    assert_eq!(function["annotations"]["fabric.concurrency"], "5");
    assert_eq!(api.get("/queues/slow").await["annotations"], json!({"com.openfaas.retry.attempts": "3"}));
    let again = apply(&fabric, &file, &[]);
    assert!(told(&again).ends_with("0 new, 0 changed, 4 as they were\n"), "{again:?}");
    assert_eq!(api.get("/functions/resize.acme").await, function, "not even its revision");

    std::fs::write(&file, FILE.replace("= 5", "= 50")).unwrap();
    let changed = apply(&fabric, &file, &[]);
    let line = "~ function resize.acme\n    ~ annotations.fabric.concurrency: 5 → 50\n";
    assert!(told(&changed).contains(line) && told(&changed).contains("= queue slow\n"), "{changed:?}");
    assert_eq!(api.get("/functions/resize.acme").await["annotations"]["fabric.concurrency"], "50");

    api.asked(202, Method::DELETE, "/functions/plain", &Value::Null).await;
    let back = apply(&fabric, &file, &[]);
    assert!(back.status.success(), "{back:?}");
    assert_eq!(api.get("/functions/plain").await.get("deleting"), None, "what is deleted is wanted again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_of_openfaas_is_applied_and_a_bad_file_is_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().join("data").to_str().unwrap()]).await;
    let (api, file) = (Api::of(&fabric), dir.path().join("stack.yml"));
    let stack = "version: 1.0\nprovider: {name: openfaas, gateway: http://127.0.0.1:8080}\nfunctions:\n  env:\n    \
        lang: python3\n    handler: ./env\n    image: env:1\n    environment: {debug: true}\n    \
        annotations: {fabric.upstream: http://env:8080, fabric.timeout: 10m}\n";
    std::fs::write(&file, stack).unwrap();
    assert!(apply(&fabric, &file, &[]).status.success());
    let function = api.get("/functions/env").await;
    assert_eq!((&function["image"], &function["envVars"]), (&json!("env:1"), &json!({"debug": "true"})));

    let bad = "functions:\n  good: {annotations: {fabric.upstream: http://a}}\n  \
        bad: {annotations: {fabric.upstream: http://a, fabric.rate: fast}}\n";
    std::fs::write(&file, bad).unwrap();
    let refused = apply(&fabric, &file, &[]);
    let error = String::from_utf8(refused.stderr.clone()).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(error.contains("functions.bad: annotation fabric.rate is \"fast\""), "{error}");
    assert_eq!(api.get("/functions").await["items"].as_array().unwrap().len(), 1);

    let nobody = Command::new(binary()).args(["apply", "--admin", "http://127.0.0.1:1", "-f"]).arg(&file).output();
    assert!(!nobody.unwrap().status.success());
}
