//! The unit for machines without containers.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use tests::fabric::binary;
use tests::tool::{named, says_yes};

use super::{deploy, fabric};

fn text() -> String {
    std::fs::read_to_string(deploy("systemd/fabric@.service")).unwrap()
}

/// The unit as `fabric@worker`, of the program that is tested.
fn unit(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("fabric@worker.service");
    std::fs::write(&path, text().replace("/usr/local/bin/fabric", &binary().display().to_string())).unwrap();
    path
}

/// What a setting says, wherever it is said.
fn settings(name: &str) -> Vec<String> {
    text().lines().filter_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned())).collect()
}

#[test]
fn systemd_takes_the_unit_and_finds_little_exposed() {
    let Some(tool) = named("SYSTEMD_ANALYZE") else { return };
    let dir = tempfile::tempdir().unwrap();
    let unit = unit(&dir);
    let analyze = || Command::new(tool.get_program());
    let told = analyze().arg("verify").arg(&unit).output().unwrap();
    let stderr = String::from_utf8_lossy(&told.stderr);
    // It verifies what the unit needs of this machine too.
    let ours: Vec<&str> = stderr.lines().filter(|it| it.contains("fabric")).collect();
    assert!(told.status.success() && ours.is_empty(), "{stderr}");
    // From 0, nothing is exposed, to 100, everything is.
    says_yes(analyze().args(["security", "--offline=true", "--threshold=20", "--no-pager"]).arg(&unit));
}

#[test]
fn what_it_starts_is_a_command_that_is_told_what_the_unit_says() {
    let dir = tempfile::tempdir().unwrap();
    let environment = settings("Environment").join(" ");
    for process in ["gateway", "worker", "serve"] {
        let start = settings("ExecStart").remove(0).replace("%i", process);
        let mut config = fabric();
        config.arg("config").args(start.split(' ').skip(1)).args(["--output", "json"]);
        let file = deploy("fabric.toml").display().to_string();
        for pair in environment.split(' ') {
            let (name, value) = pair.split_once('=').unwrap();
            config
                .env(name, value.replace("/etc/fabric/fabric.toml", &file).replace("%d", dir.path().to_str().unwrap()));
        }
        let told = says_yes(&mut config);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let key = told[process]["admin-key-file"]["value"].as_str().unwrap();
        let (credential, _) =
            settings("LoadCredential")[0].split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert!(key.ends_with(&format!("/{credential}")), "{key}");

        let after = settings("ExecStartPost").remove(0).replace("%i", process);
        says_yes(fabric().args(after.split(' ').skip(1)).arg("--help"));
        assert!(after.split(' ').skip(1).take(2).eq(["health", process]), "{after}");
    }
}
