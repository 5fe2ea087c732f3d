//! Everything at once, by Docker Compose.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tests::tool::{named, says_yes};

use super::{deploy, fabric};

fn composed() -> Option<Value> {
    let mut compose = named("DOCKER_COMPOSE")?;
    let told = says_yes(compose.arg("-f").arg(deploy("compose/compose.yaml")).args(["config", "--format", "json"]));
    Some(serde_json::from_str(&told).unwrap())
}

/// A service, with what it is told set for a command of ours.
fn told(service: &Value, command: &mut Command) {
    for (variable, value) in service["environment"].as_object().unwrap() {
        command.env(variable, value.as_str().unwrap());
    }
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect()
}

#[test]
fn it_is_three_servers_two_gateways_three_workers_and_who_watches_them() {
    let Some(all) = composed() else { return };
    let services = all["services"].as_object().unwrap();
    assert_eq!(services.keys().filter(|it| it.starts_with("nats-")).count(), 3);
    assert_eq!(services["gateway"]["deploy"]["replicas"], 2);
    assert_eq!(services["worker"]["deploy"]["replicas"], 3);
    for name in ["prometheus", "grafana", "collector"] {
        assert!(services.contains_key(name), "{name}");
    }
    for (name, service) in services {
        for port in service["ports"].as_array().into_iter().flatten() {
            assert_eq!(port["host_ip"], "127.0.0.1", "{name} is for this machine only");
        }
        for volume in service["volumes"].as_array().into_iter().flatten().filter(|it| it["type"] == "bind") {
            let path = volume["source"].as_str().unwrap();
            assert!(std::path::Path::new(path).exists(), "{name}: {path} is not there");
        }
    }
}

#[test]
fn processes_take_what_they_are_told() {
    let Some(all) = composed() else { return };
    for name in ["gateway", "worker"] {
        let service = &all["services"][name];
        let mut config = fabric();
        told(service, config.arg("config").args(words(&service["command"])).args(["--output", "json"]));
        let shown: Value = serde_json::from_str(&says_yes(&mut config)).unwrap();
        let said = shown[name].as_object().unwrap().values().filter(|it| it["source"] == "environment").count();
        assert_eq!(said, service["environment"].as_object().unwrap().len(), "each variable is an option of {name}");

        let value = |option: &str| humantime::parse_duration(shown[name][option]["value"].as_str().unwrap()).unwrap();
        let patience = humantime::parse_duration(service["stop_grace_period"].as_str().unwrap()).unwrap();
        assert!(patience >= value("pre-stop") + value("grace") + Duration::from_secs(10), "{name} is ended too early");
    }
}

#[test]
fn processes_are_locked_by_a_secret_and_asked_how_they_are() {
    let Some(all) = composed() else { return };
    for name in ["gateway", "worker"] {
        let service = &all["services"][name];
        let secret = &service["secrets"][0]["source"];
        assert_eq!(secret, "admin-key");
        assert_eq!(service["environment"]["FABRIC_ADMIN_KEY_FILE"], "/run/secrets/admin-key");
        let check = words(&service["healthcheck"]["test"]);
        let ["CMD", "/usr/bin/fabric", health @ ..] = &*check else { panic!("{check:?}") };
        let mut asked = fabric();
        told(service, asked.args(health));
        let answer = asked.output().unwrap();
        let stderr = String::from_utf8_lossy(&answer.stderr);
        assert_eq!(answer.status.code(), Some(1), "nobody is there: {stderr}");
        assert!(stderr.contains("http://127.0.0.1:8081/readyz does not answer"), "{stderr}");
    }
}

#[test]
fn nats_takes_its_configuration() {
    let Some(all) = composed() else { return };
    let dir = tempfile::tempdir().unwrap();
    let conf = all["configs"]["nats"]["content"].as_str().unwrap();
    let conf = conf.replace("/data", dir.path().join("data").to_str().unwrap());
    let path = dir.path().join("nats.conf");
    std::fs::write(&path, conf).unwrap();
    let server = std::env::var_os("NATS_SERVER").unwrap_or_else(|| "nats-server".into());
    says_yes(Command::new(server).arg("-t").arg("-c").arg(path));
}

#[test]
fn what_is_mounted_is_yaml_and_dashboards_are_where_grafana_looks() {
    let Some(all) = composed() else { return };
    let content =
        |name: &str| -> Value { serde_saphyr::from_str(all["configs"][name]["content"].as_str().unwrap()).unwrap() };
    let folder = &content("grafana-dashboards")["providers"][0]["options"]["path"];
    let mounted = all["services"]["grafana"]["volumes"].as_array().unwrap().iter();
    assert!(mounted.map(|it| &it["target"]).any(|it| it == folder));
    let rules = &content("prometheus")["rule_files"][0];
    let mounted = &all["services"]["prometheus"]["volumes"][0]["target"];
    assert_eq!(mounted, &format!("/etc/prometheus/{}", rules.as_str().unwrap()));
    let job = &content("prometheus")["scrape_configs"][0];
    assert_eq!(words(&job["dns_sd_configs"][0]["names"]), ["gateway", "worker"]);
    assert_eq!(job["authorization"]["credentials_file"], "/run/secrets/admin-key");
    let collector = content("collector");
    let endpoint = collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"].as_str().unwrap();
    let told = all["services"]["gateway"]["environment"]["FABRIC_OTLP_ENDPOINT"].as_str().unwrap();
    assert_eq!(told.rsplit_once(':').unwrap().1, endpoint.rsplit_once(':').unwrap().1);
}

#[test]
fn promtool_takes_what_prometheus_is_told() {
    let Some(all) = composed() else { return };
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(deploy("prometheus/alerts.yml"), dir.path().join("alerts.yml")).unwrap();
    let path = dir.path().join("prometheus.yml");
    std::fs::write(&path, all["configs"]["prometheus"]["content"].as_str().unwrap()).unwrap();
    let promtool = std::env::var_os("PROMTOOL").unwrap_or_else(|| "promtool".into());
    match Command::new(promtool).args(["check", "config", "--syntax-only"]).arg(path).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("NOT CHECKED: promtool is not here ({error})"),
    }
}
