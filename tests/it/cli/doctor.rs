//! `fabric doctor`: nothing to find where all is well; each fault of a broken set-up with its mend.

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy};
use serde_json::{Value, json};
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::{Nats, free_port};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::run::{Said, run};
use crate::broker::pki::Operator;

const NOBODY: &str = "http://127.0.0.1:1";

async fn doctor(fabric: &Fabric, words: &str) -> Said {
    run(&format!("doctor --admin {} --gateway {}{words}", fabric.admin, fabric.public)).await
}

/// The findings that have a mend.
fn faults(said: &Said) -> Vec<(String, String, String)> {
    let text = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
    let findings = said.json();
    let faults = findings.as_array().unwrap().iter().filter(|it| !it["mend"].is_null());
    faults.map(|it| (text(it, "what"), text(it, "found"), text(it, "mend"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_is_well_nothing_is_found() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let fabric = Fabric::start(&["serve", "--broker", &nats.url()]).await;
    fabric.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    let said = doctor(&fabric, &format!(" --broker {}", nats.url())).await.good();
    assert!(said.stdout.lines().all(|line| line.starts_with("ok ")), "{}", said.stdout);
    for what in ["broker", "stream FABRIC_DEAD", "clock of the broker", "admin API", "gateway", "queue default"] {
        assert!(said.stdout.contains(&format!("ok     {what} ")), "{what}: {}", said.stdout);
    }
    assert!(said.stdout.contains("function f.openfaas-fn"), "{}", said.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_nobody_answers_for_and_queues_that_nobody_serves_are_named() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let url = nats.url();
    let gateway = Fabric::start(&["gateway", "--broker", &url]).await;
    let _worker = Fabric::start(&["worker", "--broker", &url, "--queue", "default"]).await;
    gateway.knows(2).await;
    let gone = format!("http://127.0.0.1:{}", free_port());
    gateway.register("good", json!({"fabric.upstream": server.url("/ok")})).await;
    gateway.register("gone", json!({"fabric.upstream": gone, "com.openfaas.queue": "slow"})).await;
    let said = eventually(async || match doctor(&gateway, " --output json").await {
        said if said.code == 1 && faults(&said).len() == 2 => Ok(said),
        said => Err(format!("{}{}", said.stdout, said.stderr)),
    })
    .await;
    let faults = faults(&said);
    assert_eq!((faults[0].0.as_str(), faults[1].0.as_str()), ("queue slow", "function gone.openfaas-fn"));
    assert!(faults[0].2.contains("fabric worker --queue slow"), "{}", faults[0].2);
    assert!(faults[1].1.contains(&gone) && faults[1].2.contains("fabric function set gone.openfaas-fn"), "{faults:?}");
    assert!(said.stderr.contains("2 faults were found"), "{}", said.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_drops_old_messages_is_named_with_its_mend() {
    let nats = Nats::start().await;
    let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let unsafe_stream = Config {
        name: "FABRIC_READY_default_0".into(),
        subjects: vec!["fabric.ready.default.0.>".into()],
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::Old,
        ..Config::default()
    };
    context.create_stream(unsafe_stream).await.unwrap();
    let said = run(&format!("doctor --broker {} --admin {NOBODY} --gateway {NOBODY}", nats.url())).await.failed();
    let lines: Vec<&str> = said.stdout.lines().collect();
    let at = lines.iter().position(|line| line.starts_with("FAULT  stream FABRIC_READY_default_0")).unwrap();
    assert!(lines[at].contains("it would lose messages: ") && lines[at].contains("discard is old, must be new"));
    assert!(lines[at + 1].contains("mend: nats stream edit FABRIC_READY_default_0"), "{}", lines[at + 1]);
    for what in ["admin API", "gateway"] {
        assert!(lines.iter().any(|line| line.starts_with(&format!("FAULT  {what}"))), "{}", said.stdout);
    }
    assert!(said.stderr.contains("3 faults were found"), "{}", said.stderr);
}

/// A server, as far as a client hears before it has asked for anything.
///
/// If it puts people out, then the first as soon as he asks; nobody is let in after him.
async fn pretended_server(listener: TcpListener, version: &str, puts_out: bool) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (reader, mut writer) = stream.into_split();
        let info = json!({"server_id": "S", "server_name": "s", "version": version, "proto": 1, "host": "127.0.0.1",
            "port": 4222, "max_payload": 1_048_576, "headers": true, "jetstream": true, "go": "go1.19",
            "client_id": 1, "client_ip": "127.0.0.1"});
        writer.write_all(format!("INFO {info}\r\n").as_bytes()).await.unwrap();
        let mut lines = BufReader::new(reader).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if line == "PING" && writer.write_all(b"PONG\r\n").await.is_err() {
                break;
            }
            if puts_out && (line.starts_with("PUB") || line.starts_with("HPUB")) {
                writer.write_all(b"-ERR 'User Authentication Expired'\r\n").await.unwrap();
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_server_lets_in_and_puts_out_again_is_not_told_that_there_is_no_jetstream() {
    let dir = tempfile::tempdir().unwrap();
    let expired = dir.path().join("expired.creds");
    std::fs::write(&expired, Operator::new().creds("someone", Some(1_700_000_000))).unwrap();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    for (creds, why) in [
        (String::new(), "it let this one in, and the connection was lost"),
        (format!(" --broker-creds {}", expired.display()), "the credentials have expired, at 2023-11-14"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let server = tokio::spawn(pretended_server(listener, "2.12.0", true));
        let asked = format!("doctor --output json --broker nats://{at}{creds} --admin {nobody} --gateway {nobody}");
        let found = faults(&run(&asked).await.failed());
        let broker = found.iter().find(|fault| fault.0 == "broker").unwrap();
        assert!(broker.1.contains(why), "{found:?}");
        server.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_server_and_none_at_all_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let old = format!("nats://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let server = tokio::spawn(pretended_server(listener, "2.9.10", false));
    let said = doctor(&fabric, &format!(" --output json --broker {old}")).await.failed();
    let found = faults(&said);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].1.contains("version 2.9.10") && found[0].2.contains("2.12 or newer"), "{found:?}");
    server.abort();

    let nobody = format!("nats://127.0.0.1:{}", free_port());
    let said = doctor(&fabric, &format!(" --output json --broker {nobody}")).await.failed();
    let found = faults(&said);
    assert!(found.len() == 1 && found[0].0 == "broker" && found[0].2.contains("start nats-server"), "{found:?}");
}
