//! The Helm chart, in several ways: against the schemas of Kubernetes, and its options against the program.

use std::process::Command;

use serde_json::Value;
use tests::tool::{named, says_yes};

use super::rendered::{KUBERNETES, Rendered, refusals, template, ways};
use super::{deploy, fabric};

fn name(way: &std::path::Path) -> &str {
    way.file_name().unwrap().to_str().unwrap()
}

#[test]
fn helm_finds_nothing_to_say() {
    let Some(helm) = named("HELM") else { return };
    for way in ways() {
        let mut lint = Command::new(helm.get_program());
        lint.args(["lint", "--strict", "--kube-version", KUBERNETES[1], "--values"])
            .arg(&way)
            .arg(deploy("helm/fabric"));
        let told = says_yes(&mut lint);
        assert!(told.contains("0 chart(s) failed"), "{}: {told}", way.display());
    }
}

#[test]
fn kubernetes_knows_every_field() {
    for version in KUBERNETES {
        let dir = tempfile::tempdir().unwrap();
        let Some(mut validate) = named("KUBERNETES_VALIDATE") else { return };
        validate.args(["--strict", "--quiet", "--kubernetes-version", version]);
        for way in ways() {
            let Some(mut template) = template(version, &[name(&way)]) else { return };
            let text = says_yes(&mut template);
            // Of these the cluster has the schema, not Kubernetes: see custom.rs.
            let of_others = |it: &&str| !it.contains("apiVersion: keda.sh") && !it.contains("monitoring.coreos.com");
            let file = dir.path().join(name(&way));
            std::fs::write(&file, text.split("\n---\n").filter(of_others).collect::<Vec<_>>().join("\n---\n")).unwrap();
            validate.arg(file);
        }
        says_yes(&mut validate);
    }
}

#[test]
fn the_chart_is_of_this_version() {
    let chart: Value =
        serde_saphyr::from_str(&std::fs::read_to_string(deploy("helm/fabric/Chart.yaml")).unwrap()).unwrap();
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn processes_take_what_they_are_told() {
    for way in ways() {
        let Some(rendered) = Rendered::of(&[name(&way)]) else { return };
        for deployment in rendered.deployments() {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("fabric.toml");
            std::fs::write(&path, rendered.options(deployment)).unwrap();
            let container = rendered.container(deployment);
            let words: Vec<&str> =
                container["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
            let mut config = fabric();
            config.arg("config").args(words).arg("--config").arg(&path);
            for variable in container["env"].as_array().unwrap() {
                if variable["name"] == "FABRIC_BROKER" {
                    config.env("FABRIC_BROKER", "nats://somewhere:4222");
                }
            }
            let told = says_yes(&mut config);
            let admin = told.lines().find(|it| it.starts_with("admin-listen ")).unwrap();
            assert!(admin.contains("0.0.0.0:8081"), "{admin}");
        }
    }
}

#[test]
fn each_group_serves_its_queues() {
    let Some(rendered) = Rendered::of(&["groups.yaml"]) else { return };
    assert_eq!(rendered.deployments(), ["gateway", "worker-quick", "worker-slow"]);
    assert!(rendered.options("worker-quick").contains(r#"queue = ["default","callbacks"]"#));
    assert!(rendered.options("worker-slow").contains("max-inflight = 16\n"));
    for group in ["worker-quick", "worker-slow"] {
        assert_eq!(
            rendered.get("Deployment", group)["spec"]["replicas"],
            Value::Null,
            "whoever scales it says how many"
        );
        let labels = &rendered.get("Deployment", group)["spec"]["template"]["metadata"]["labels"];
        let budget = &rendered.get("PodDisruptionBudget", group)["spec"]["selector"]["matchLabels"];
        assert!(budget.as_object().unwrap().iter().all(|(name, value)| &labels[name] == value), "{budget} of {labels}");
    }
}

#[test]
fn each_component_may_have_a_version_of_its_own() {
    const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    let image = |rendered: &Rendered, name: &str| rendered.container(name)["image"].as_str().unwrap().to_owned();
    let Some(rendered) = Rendered::of(&["secure.yaml", "worker.image.tag=v2"]) else { return };
    assert_eq!(image(&rendered, "worker-all"), "registry.example/fabric:v2", "its tag beats a digest for all");
    for gateway in ["gateway", "admin"] {
        assert!(image(&rendered, gateway).contains("/fabric@sha256:0000"), "{gateway} is left as it was");
    }
    let (worker, gateway) = (format!("worker.image.digest={DIGEST}"), format!("gateway.image.digest={DIGEST}"));
    let values = ["groups.yaml", "image.tag=v1", &worker, "workers.slow.image.tag=v3"];
    let Some(rendered) = Rendered::of(&values) else { return };
    assert_eq!(image(&rendered, "worker-slow"), "fabric:v3", "a group's beats that of all workers");
    assert_eq!(image(&rendered, "worker-quick"), format!("fabric@{DIGEST}"));
    assert_eq!(image(&rendered, "gateway"), "fabric:v1");
    let Some(rendered) = Rendered::of(&["secure.yaml", &gateway, "adminGateway.image.tag=v4"]) else { return };
    assert_eq!(image(&rendered, "gateway"), format!("registry.example/fabric@{DIGEST}"));
    assert_eq!(image(&rendered, "admin"), "registry.example/fabric:v4");
}

#[test]
fn what_selects_pods_finds_some() {
    for way in ways() {
        let Some(rendered) = Rendered::of(&[name(&way)]) else { return };
        let pods: Vec<_> = rendered.all().map(|it| &it["spec"]["template"]["metadata"]["labels"]).collect();
        let matches = |wanted: &Value, labels: &Value| {
            wanted.as_object().unwrap().iter().all(|(name, value)| labels.get(name) == Some(value))
        };
        for object in rendered.all() {
            let wanted = match object["kind"].as_str().unwrap() {
                "Service" => &object["spec"]["selector"],
                "NetworkPolicy" => &object["spec"]["podSelector"]["matchLabels"],
                "PodDisruptionBudget" | "Deployment" | "StatefulSet" => &object["spec"]["selector"]["matchLabels"],
                _ => continue,
            };
            let found = pods.iter().filter(|it| matches(wanted, it)).count();
            assert!(found >= 1, "{}: {} selects nothing", way.display(), object["metadata"]["name"]);
            if object["kind"] == "Deployment" {
                assert_eq!(found, 1, "{} selects others", object["metadata"]["name"]);
            }
        }
        for monitor in rendered.of_kind("ServiceMonitor") {
            let wanted = &monitor["spec"]["selector"]["matchLabels"];
            assert_eq!(rendered.of_kind("Service").filter(|it| matches(wanted, &it["metadata"]["labels"])).count(), 1);
        }
    }
}

#[test]
fn operators_reach_the_gateway_that_may_change_what_is_set() {
    for (values, gateway, user) in [("bundled.yaml", "gateway", None), ("secure.yaml", "admin", Some("admin"))] {
        let Some(rendered) = Rendered::of(&[values]) else { return };
        let selector = &rendered.get("Service", "admin")["spec"]["selector"];
        assert_eq!(selector["app.kubernetes.io/component"], gateway, "{values}");
        let user = user.map(|user| format!("broker-user = \"{user}\"\n"));
        assert!(user.is_none_or(|user| rendered.options(gateway).contains(&user)), "{values}");
        let callers = &rendered.get("Service", "gateway")["spec"]["selector"];
        assert_eq!(callers["app.kubernetes.io/component"], "gateway", "{values}");
    }
}

#[test]
fn secrets_are_named_and_nothing_is_open_by_chance() {
    let Some(rendered) = Rendered::of(&["bundled.yaml"]) else { return };
    for name in rendered.deployments() {
        let volumes = &rendered.get("Deployment", name)["spec"]["template"]["spec"]["volumes"];
        assert_eq!(volumes[1]["secret"]["secretName"], "fabric-admin");
        assert!(rendered.options(name).contains(r#"admin-key-file = "/etc/fabric-keys/admin""#));
    }
    for way in ways() {
        let Some(rendered) = Rendered::of(&[name(&way)]) else { return };
        assert_eq!(rendered.of_kind("Secret").count(), 0, "the chart makes none");
        let open = rendered.options("gateway").contains("insecure-no-auth = true");
        assert_eq!(open, name(&way) == "open.yaml", "{}", way.display());
    }
}

#[test]
fn what_cannot_be_is_refused() {
    const LOCKED: &str = "auth.adminKeySecret.name=x";
    refusals(&[
        (&[][..], "say who may do what"),
        (&[LOCKED, "auth.insecureNoAuth=true"], "contradicts"),
        (&[LOCKED, "nats.enabled=false"], "say where NATS is"),
        (&["bundled.yaml", "nats.replicas=1"], "broker.replicas is more"),
        (&[LOCKED], "nats.authSecret.name"),
        (&["bundled.yaml", "nats.insecureNoAuth=true"], "nats.insecureNoAuth contradicts"),
        (&[LOCKED, "worker.image.repository=x"], "repository"),
        (&["bundled.yaml", "serviceMonitor.enabled=true"], "serviceMonitor.keySecret.name"),
        (&[LOCKED, "worker.longestCall=soon"], "longestCall"),
        (&[LOCKED, "worker.longestcall=5m"], "longestcall"),
        (&[LOCKED, "config.admin-key=secret"], "admin-key"),
        (&[LOCKED, "gateway.config.listen=8080"], "listen"),
        (&[LOCKED, "config.log.level=info"], "log"),
        (&[LOCKED, "adminGateway.service.port=80"], "service"),
    ]);
}
