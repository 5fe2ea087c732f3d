//! The NATS of the chart: where there is one, and its servers started with what their pods are told.

use std::process::Command;

use async_nats::jetstream;
use http::StatusCode;
use serde_json::Value;
use tests::client::Client;
use tests::nats::{Nats, free_port};
use tests::tool::says_yes;

use super::installed::is_well;
use super::rendered::{Rendered, ways};

/// What is in the secret: one that a server would take for a number.
pub(super) const PASSWORD: &str = "123e4567";

fn container(rendered: &Rendered) -> &Value {
    &rendered.get("StatefulSet", "nats")["spec"]["template"]["spec"]["containers"][0]
}

/// The variables of a pod, as Kubernetes makes them: each may name those before it.
fn variables(rendered: &Rendered, pod: &str) -> Vec<(String, String)> {
    let mut told: Vec<(String, String)> = Vec::new();
    for variable in container(rendered)["env"].as_array().unwrap() {
        let from = &variable["valueFrom"];
        let value = match variable["value"].as_str() {
            Some(text) => told.iter().fold(text.to_owned(), |text, (name, it)| text.replace(&format!("$({name})"), it)),
            None if !from["secretKeyRef"].is_null() => PASSWORD.to_owned(),
            None => {
                assert_eq!(from["fieldRef"]["fieldPath"], "metadata.name");
                pod.to_owned()
            }
        };
        told.push((variable["name"].as_str().unwrap().to_owned(), value));
    }
    told
}

/// Where a server is on this machine: what it tells of itself, and what it is to the others.
#[derive(Clone, Copy)]
struct Ports {
    monitor: u16,
    route: u16,
}

impl Ports {
    fn free() -> Self {
        Self { monitor: free_port(), route: free_port() }
    }
}

/// One of the servers of a release, started.
async fn started(rendered: &Rendered, number: usize, servers: &[Ports]) -> Nats {
    let Ports { monitor, route } = servers[number];
    let conf = rendered.get("ConfigMap", "nats")["data"]["nats.conf"].as_str().unwrap();
    let conf = conf
        .replace("port: 4222", "host: 127.0.0.1")
        .replace("http: 8222", &format!("http: 127.0.0.1:{monitor}"))
        .replace("port: 6222", &format!("listen: 127.0.0.1:{route}"))
        .replace("/data", "data");
    let mut told = variables(rendered, &format!("here-fabric-nats-{number}"));
    for (number, server) in servers.iter().enumerate() {
        let there = format!("here-fabric-nats-{number}.here-fabric-nats-peers:6222");
        let here = format!("127.0.0.1:{}", server.route);
        told.iter_mut().for_each(|(_, value)| *value = value.replace(&there, &here));
    }
    let told: Vec<_> = told.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Nats::configured(&conf, &told, &[]).await
}

/// The one server of a release that has one.
pub(super) async fn alone(rendered: &Rendered) -> Nats {
    started(rendered, 0, &[Ports::free()]).await
}

#[test]
fn the_server_takes_its_configuration() {
    for values in [&["bundled.yaml"][..], &["open.yaml"], &["open.yaml", "nats.replicas=3"]] {
        let Some(rendered) = Rendered::of(values) else { return };
        let conf = rendered.get("ConfigMap", "nats")["data"]["nats.conf"].as_str().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let conf = conf.replace("/data", dir.path().join("data").to_str().unwrap());
        let path = dir.path().join("nats.conf");
        std::fs::write(&path, conf).unwrap();
        let server = std::env::var_os("NATS_SERVER").unwrap_or_else(|| "nats-server".into());
        let told = variables(&rendered, "here-fabric-nats-0");
        says_yes(Command::new(server).arg("-t").arg("-c").arg(path).envs(told));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_are_a_cluster_of_those_that_know_the_password() {
    let Some(rendered) = Rendered::of(&["bundled.yaml"]) else { return };
    let ports: [Ports; 3] = std::array::from_fn(|_| Ports::free());
    let client = Client::default();
    let probe = |number: usize, name: &str| {
        let path = container(&rendered)[name]["httpGet"]["path"].as_str().unwrap();
        format!("http://127.0.0.1:{}{path}", ports[number].monitor)
    };
    let first = started(&rendered, 0, &ports).await;
    for name in ["livenessProbe", "readinessProbe"] {
        is_well(&client, &probe(0, name)).await;
    }
    let told = client.get(&probe(0, "startupProbe")).await.unwrap().status;
    assert_eq!(told, StatusCode::SERVICE_UNAVAILABLE, "alone it has not started: the next is not replaced yet");

    let (_second, _third) = (started(&rendered, 1, &ports).await, started(&rendered, 2, &ports).await);
    for number in 0..3 {
        is_well(&client, &probe(number, "startupProbe")).await;
    }
    let known = async_nats::ConnectOptions::with_user_and_password("fabric".into(), PASSWORD.into());
    let context = jetstream::new(known.connect(first.url()).await.unwrap());
    let config = jetstream::stream::Config { name: "PROBE".into(), num_replicas: 3, ..Default::default() };
    context.create_stream(config).await.unwrap();
    let unknown = async_nats::connect(first.url()).await.unwrap_err();
    assert_eq!(unknown.kind(), async_nats::ConnectErrorKind::AuthorizationViolation);
}

#[test]
fn servers_are_apart() {
    let Some(rendered) = Rendered::of(&["bundled.yaml"]) else { return };
    let placed = |rendered: &Rendered| rendered.get("StatefulSet", "nats")["spec"]["template"]["spec"].clone();
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let strict = placed(&rendered);
    assert_eq!(strict["affinity"]["podAntiAffinity"][required][0]["topologyKey"], "kubernetes.io/hostname");
    let zones = &strict["topologySpreadConstraints"][0];
    assert_eq!(zones["topologyKey"], "topology.kubernetes.io/zone");
    assert_eq!(zones["whenUnsatisfiable"], "ScheduleAnyway", "there may be fewer zones than servers");
    let Some(few) = Rendered::of(&["bundled.yaml", "nats.antiAffinity=preferred"]) else { return };
    assert_eq!(placed(&few)["affinity"]["podAntiAffinity"][required], Value::Null);
}

#[test]
fn there_is_none_beside_another() {
    const URL: &str = "broker.url=nats://nats.example:4222";
    for values in [
        &["auth.adminKeySecret.name=x", URL][..],
        &["bundled.yaml", URL],
        &["bundled.yaml", "broker.urlSecret.name=nats"],
        &["secure.yaml"],
    ] {
        let Some(rendered) = Rendered::of(values) else { return };
        assert_eq!(rendered.of_kind("StatefulSet").count(), 0, "{values:?}");
        assert_eq!(rendered.of_kind("NetworkPolicy").count(), 1, "{values:?}");
        for deployment in rendered.deployments() {
            let options = rendered.options(deployment);
            assert!(!options.contains("/etc/fabric-nats") && !options.contains("fabric-nats:4222"), "{options}");
            let pods = rendered.get("Deployment", deployment).to_string();
            assert!(!pods.contains("/etc/fabric-nats"), "{values:?}: {deployment} is given what it has no use for");
        }
    }
}

#[test]
fn whoever_is_asked_for_a_password_has_it_from_the_secret() {
    for way in ways() {
        let Some(rendered) = Rendered::of(&[way.file_name().unwrap().to_str().unwrap()]) else { return };
        for server in rendered.of_kind("StatefulSet") {
            let env = server["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
            let secret = env.iter().find(|it| it["name"] == "NATS_SECRET").map(|it| &it["valueFrom"]["secretKeyRef"]);
            let conf = rendered.get("ConfigMap", "nats")["data"]["nats.conf"].as_str().unwrap();
            assert_eq!(conf.contains("\nauthorization { user: fabric, password: $NATS_PASSWORD }"), secret.is_some());
            for deployment in rendered.deployments() {
                let volumes = rendered.get("Deployment", deployment)["spec"]["template"]["spec"]["volumes"].as_array();
                let mounted = volumes.unwrap().iter().find(|it| it["name"] == "nats").map(|it| &it["secret"]);
                let same = |one: &Value, other: &Value| {
                    one["secretName"] == other["name"] && one["items"][0]["key"] == other["key"]
                };
                let agree = mounted.zip(secret).is_some_and(|(one, other)| same(one, other));
                assert!(agree || (mounted.is_none() && secret.is_none()), "{}: {mounted:?}", way.display());
            }
        }
    }
}
