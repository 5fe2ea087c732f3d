//! Dashboards and alerts use metrics and labels that there are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::queries::faults;

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy").join(path)
}

fn boards() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(deploy("grafana")).unwrap().map(|file| file.unwrap().path());
    let boards = files.filter(|path| path.extension().is_some_and(|it| it == "json"));
    boards
        .map(|path| (path.display().to_string(), serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()))
        .collect()
}

/// The queries of a board: those of its panels, and those that its choices come from.
fn queries(board: &Value) -> Vec<String> {
    let panels = board["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap().clone());
    let mut all: Vec<String> = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    for choice in board["templating"]["list"].as_array().unwrap().iter().filter(|it| it["type"] == "query") {
        let query = choice["query"]["query"].as_str().unwrap();
        let inside = query.strip_prefix("label_values(").and_then(|it| it.strip_suffix(')')).unwrap();
        let (metric, label) = inside.rsplit_once(", ").unwrap();
        all.push(format!("sum by ({label}) ({metric})"));
    }
    all
}

#[test]
fn dashboards_use_what_there_is() {
    let boards = boards();
    assert!(boards.len() >= 3);
    let mut faulty = Vec::new();
    for (path, board) in &boards {
        let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
        for panel in board["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{path}: {title}");
            assert!(places.insert((panel["gridPos"]["y"].as_u64(), panel["gridPos"]["x"].as_u64())), "{path}: {title}");
            for target in panel["targets"].as_array().unwrap() {
                let (query, legend) = (target["expr"].as_str().unwrap(), target["legendFormat"].as_str().unwrap());
                let labels = legend.split("{{").skip(1).filter_map(|it| it.split("}}").next());
                faulty.extend(
                    labels.filter(|it| !query.contains(*it) && *it != "instance").map(|it| format!("{title}: {it}")),
                );
            }
        }
        let queries = queries(board);
        faulty.extend(
            queries.iter().flat_map(|query| faults(query).into_iter().map(move |it| format!("{path}: {query}: {it}"))),
        );
    }
    assert_eq!(faulty, [""; 0]);
}

#[test]
fn alerts_use_what_there_is_and_say_what_to_do() {
    let text = std::fs::read_to_string(deploy("prometheus/alerts.yml")).unwrap();
    let rules: Value = serde_saphyr::from_str(&text).unwrap();
    let mut names = BTreeSet::new();
    for rule in rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()) {
        let (name, query) = (rule["alert"].as_str().unwrap(), rule["expr"].as_str().unwrap());
        assert!(names.insert(name.to_owned()), "{name} is there twice");
        assert_eq!(faults(query), [""; 0], "{name}");
        assert!(matches!(rule["labels"]["severity"].as_str(), Some("info" | "warning" | "critical")), "{name}");
        for told in ["summary", "description"] {
            assert!(rule["annotations"][told].as_str().is_some_and(|it| it.ends_with('.')), "{name}: {told}");
        }
    }
    assert!(names.len() >= 10);
}

#[test]
fn promtool_takes_the_alerts() {
    let promtool = std::env::var_os("PROMTOOL").unwrap_or_else(|| "promtool".into());
    let checked = Command::new(promtool).args(["check", "rules"]).arg(deploy("prometheus/alerts.yml")).output();
    match checked {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("promtool is not here ({error}): only our own check of the alerts was made"),
    }
}
