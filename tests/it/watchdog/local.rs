//! Commands as functions of `fabric dev`.

use tests::eventually;
use tests::fabric::Fabric;

#[tokio::test]
async fn what_dev_prints_for_a_command_works() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let fabric = Fabric::start(&["dev", "--data-dir", data.to_str().unwrap(), "--function", "count=wc -c"]).await;
    let command = eventually(async || {
        let lines = fabric.process.lines();
        let found = lines.iter().find(|line| line.contains("curl ") && line.contains("/async-function/count"));
        found.cloned().ok_or("it is not printed")
    })
    .await;
    assert!(fabric.process.lines().iter().any(|line| line == "functions: echo, sleep, flaky, count"));
    let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.starts_with("HTTP/1.1 202"), "{command}\n{output}");
    eventually(async || {
        let lines = fabric.process.lines();
        let called_back = lines
            .iter()
            .any(|line| line.contains("callback: count.") && line.contains("status 200") && line.ends_with(": \"5\""));
        if called_back { Ok(()) } else { Err("no callback yet") }
    })
    .await;
}

#[tokio::test]
async fn a_command_that_is_not_there_is_refused_at_once() {
    let output = std::process::Command::new(tests::fabric::binary())
        .args(["dev", "--function", "x=no-such-program -v"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("there is no program \"no-such-program\""), "{told}");
}
