//! Credentials that expire, and passwords that are changed, while calls run.

use std::time::{Duration, SystemTime};

use serde_json::json;
use tests::client::Client;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;

use super::pki::Operator;
use crate::cli::run::run;

async fn runs(server: &Server, path: &str, count: usize) {
    eventually(async || match server.seen(path).len() {
        seen if seen == count => Ok(()),
        seen => Err(format!("{path} was called {seen} times, not {count}")),
    })
    .await;
}

async fn says(fabric: &Fabric, word: &str) {
    eventually(async || match fabric.process.lines().iter().any(|line| line.contains(word)) {
        true => Ok(()),
        false => Err(format!("it has not said {word:?}")),
    })
    .await;
}

async fn reconnects(fabric: &Fabric) -> u64 {
    let text = Client::default().get(&format!("{}/metrics", fabric.admin)).await.unwrap().body;
    let text = String::from_utf8(text.to_vec()).unwrap();
    let line = text.lines().find(|line| line.starts_with("fabric_broker_reconnects_total ")).unwrap();
    line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_credentials_expire_goes_on_with_new_ones_and_runs_each_call_once() {
    let (operator, server) = (Operator::new(), Server::start().await);
    let nats = Nats::configured(&operator.config(), &[], &[]).await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let lasting = nats.write("gateway.creds", &operator.creds("gateway", None));
    let expiring = operator.creds("worker", Some(now + 10));
    let short = nats.write("worker.creds", &expiring);
    let at = nats.url();
    let gateway = Fabric::start(&["gateway", "--broker", &at, "--broker-creds", &lasting]).await;
    let worker = Fabric::start(&["worker", "--broker", &at, "--broker-creds", &short]).await;
    gateway.register("f", json!({"fabric.upstream": server.url("/hold")})).await;
    let ids = gateway.accepted_many("f", &[], 10).await;
    eventually(async || if server.running() == 10 { Ok(()) } else { Err("not all run") }).await;

    // The server puts it out, and does not let it in again; the worker says why.
    says(&worker, "user worker").await;
    nats.write("worker.creds", &operator.creds("worker", Some(now + 3600)));
    eventually(async || match reconnects(&worker).await {
        0 => Err("it is not connected again"),
        _ => Ok(()),
    })
    .await;
    let expired = nats.write("expired.creds", &expiring);
    let doctor =
        format!("doctor --broker {at} --broker-creds {expired} --admin {} --gateway {}", worker.admin, gateway.public);
    let said = run(&doctor).await.failed().stdout;
    assert!(said.contains("the credentials have expired, at "), "{said}");
    // Longer than what was left of the leases.
    tokio::time::sleep(Duration::from_secs(11)).await;
    server.release();
    runs(&server, "/hold", 10).await;
    assert_eq!(server.calls("/hold"), ids, "each of them once");
    for id in &ids {
        let url = format!("{}/calls/{id}?wait=30s", gateway.public);
        let call = Client::default().get(&url).await.unwrap().json();
        assert_eq!((&call["state"], &call["deliveries"]), (&json!("succeeded"), &json!(1)), "{call}");
    }
    let lines = worker.process.lines();
    let complaints = lines.iter().filter(|line| line.contains("no connection to NATS yet")).count();
    assert!(complaints <= 2, "{complaints} lines: {lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_on_the_server_while_calls_are_made() {
    let config = |password: &str| {
        format!(
            "listen: 127.0.0.1:4222\njetstream {{ store_dir: store }}\nauthorization {{ user: me, password: {password} }}\n"
        )
    };
    let (nats, server) = (Nats::configured(&config("first"), &[], &[]).await, Server::start().await);
    let file = nats.write("password", "first\n");
    let args = ["serve", "--broker", &nats.url(), "--broker-user", "me", "--broker-password-file", &file];
    let fabric = Fabric::start(&args).await;
    fabric.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    fabric.accepted_many("f", &[], 20).await;
    runs(&server, "/ok", 20).await;
    // The server is quicker: for a moment the file is wrong.
    let before = reconnects(&fabric).await;
    nats.reconfigure(&config("second")).await;
    says(&fabric, "no connection to NATS yet").await;
    nats.write("password", "second\n");
    eventually(async || match reconnects(&fabric).await {
        now if now > before => Ok(()),
        now => Err(format!("{now} reconnects")),
    })
    .await;
    fabric.accepted_many("f", &[], 20).await;
    runs(&server, "/ok", 40).await;
    assert!(fabric.process.lines().iter().all(|line| !line.contains("second")));
}
