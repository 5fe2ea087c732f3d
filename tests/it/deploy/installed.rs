//! What the chart starts, started here: the same command with the same options, but for where files, ports and NATS are.

use http::{Method, StatusCode};
use serde_json::json;
use tests::client::Client;
use tests::eventually;
use tests::nats::Nats;
use tests::process::Process;

use super::nats::{PASSWORD, alone};
use super::rendered::Rendered;
use super::{deploy, fabric};
use crate::cli::run::run;

/// The process of a deployment. Its options are those that are rendered, with what is `here` for what is there, and without
/// those that begin with a word of `without`.
async fn started(
    rendered: &Rendered,
    deployment: &str,
    nats: &Nats,
    here: &[(&str, String)],
    without: &[&str],
) -> (Process, String) {
    let ports = [("0.0.0.0:8080", "127.0.0.1:0"), ("0.0.0.0:8081", "127.0.0.1:0"), ("replicas = 3", "replicas = 1")];
    let here = here.iter().map(|(there, here)| (*there, here.as_str()));
    let options = rendered.options(deployment).lines().filter(|line| !without.iter().any(|it| line.starts_with(it)));
    let options = options.collect::<Vec<_>>().join("\n");
    let options = ports.into_iter().chain(here).fold(options, |options, (there, here)| options.replace(there, here));
    let file = nats.write(&format!("{deployment}.toml"), &options);
    let word = rendered.container(deployment)["args"][0].as_str().unwrap();
    let mut command = fabric();
    if !options.contains("broker = ") {
        command.env("FABRIC_BROKER", nats.url());
    }
    let mut process = Process::start(deployment, command.arg(word).arg("--config").arg(file)).unwrap();
    let admin = process.line_after("listening: admin ").await.unwrap();
    (process, admin)
}

/// Waits until a probe is answered with yes.
pub(super) async fn is_well(client: &Client, url: &str) {
    eventually(async || match client.get(url).await {
        Ok(answer) if answer.status == StatusCode::OK => Ok(()),
        answer => Err(format!("{url}: {:?}", answer.map(|it| it.status))),
    })
    .await;
}

/// A key that may do everything.
const KEY: &str = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";

/// The secrets of a release, and where its one NATS server is.
fn secrets(nats: &Nats) -> [(&'static str, String); 3] {
    [
        ("/etc/fabric-keys/admin", nats.write("admin-keys", KEY)),
        ("/etc/fabric-nats/password", nats.write("password", PASSWORD)),
        ("nats://here-fabric-nats:4222", nats.url()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_installed_is_ready_and_asks_who_one_is() {
    let Some(rendered) = Rendered::of(&["bundled.yaml", "broker.replicas=1", "nats.replicas=1"]) else { return };
    let (nats, client) = (alone(&rendered).await, Client::default());
    let here = secrets(&nats);
    for deployment in ["gateway", "worker-all"] {
        let (_process, admin) = started(&rendered, deployment, &nats, &here, &[]).await;
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let path = rendered.container(deployment)[probe]["httpGet"]["path"].as_str().unwrap();
            is_well(&client, &format!("{admin}{path}")).await;
        }
        let url = format!("{admin}/metrics");
        assert_eq!(client.get(&url).await.unwrap().status, StatusCode::UNAUTHORIZED);
        let bearer = format!("Bearer {KEY}");
        let known = client.send(Method::GET, &url, &[("authorization", bearer.as_str())], String::new()).await.unwrap();
        assert_eq!(known.status, StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keda_has_an_answer_while_there_is_no_worker() {
    let Some(rendered) = Rendered::of(&["groups.yaml", "broker.replicas=1", "nats.replicas=1"]) else { return };
    let (nats, client) = (alone(&rendered).await, Client::default());
    let (_gateway, admin) = started(&rendered, "gateway", &nats, &secrets(&nats), &[]).await;
    is_well(&client, &format!("{admin}/readyz")).await;

    let (keys, bearer) = (format!("{admin}/admin/v1/keys"), format!("Bearer {KEY}"));
    let wanted = json!({"name": "keda", "scopes": ["read"], "namespaces": ["*"]}).to_string();
    let made = client.send(Method::POST, &keys, &[("authorization", bearer.as_str())], wanted).await.unwrap();
    let bearer = format!("Bearer {}", made.json()["key"].as_str().unwrap());

    let trigger = &rendered.get("ScaledObject", "worker-quick")["spec"]["triggers"][0]["metadata"];
    let (_, path) = trigger["url"].as_str().unwrap().split_once(".svc:8081").unwrap();
    let url = format!("{admin}{path}");
    assert_eq!(client.get(&url).await.unwrap().status, StatusCode::UNAUTHORIZED);
    let told = client.send(Method::GET, &url, &[("authorization", bearer.as_str())], String::new()).await.unwrap();
    assert_eq!(told.status, StatusCode::OK);
    assert_eq!(told.json()[trigger["valueLocation"].as_str().unwrap()], 0, "there is nothing to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_process_is_the_user_of_nats_that_it_must_be() {
    let Some(rendered) = Rendered::of(&["secure.yaml"]) else { return };
    let variables =
        [("GATEWAY_PASSWORD", "of-gateway"), ("WORKER_PASSWORD", "of-worker"), ("ADMIN_PASSWORD", "of-admin")];
    let conf = std::fs::read_to_string(deploy("nats/secure.conf")).unwrap();
    let nats = Nats::configured(&conf, &variables, &[]).await;
    for user in ["gateway", "worker", "admin"] {
        nats.write(user, &format!("of-{user}\n"));
    }
    let files = nats.dir().display().to_string();
    let user = format!("--broker-user admin --broker-password-file {files}/admin --broker-inbox _INBOX_admin");
    run(&format!("setup --broker {} {user}", nats.url())).await.good();

    // There is neither TLS here, nor a provider, nor a collector.
    let (here, without) = ([("/etc/fabric-broker", files.clone())], ["broker-ca", "oidc-", "otlp-"]);
    let client = Client::default();
    let mut running = Vec::new();
    for deployment in ["gateway", "admin", "worker-all"] {
        let (process, admin) = started(&rendered, deployment, &nats, &here, &without).await;
        is_well(&client, &format!("{admin}/readyz")).await;
        running.push((process, admin));
    }
    let function = json!({"service": "f", "annotations": {"fabric.upstream": "http://127.0.0.1:1"}}).to_string();
    let put = async |admin: &str| {
        client.send(Method::PUT, &format!("{admin}/system/functions"), &[], function.clone()).await.unwrap().status
    };
    assert_eq!(put(&running[1].1).await, StatusCode::ACCEPTED, "operators may change what is set");
    assert_ne!(put(&running[0].1).await, StatusCode::ACCEPTED, "those whom callers reach may not");
}
