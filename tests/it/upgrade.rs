//! Processes are replaced one by one while calls come in, and nobody notices.
//!
//! `FABRIC_PREVIOUS_BIN` names the program of an earlier version, which is replaced then; without it, both are this one,
//! and what they store cannot differ: what two versions store is compared by `wire`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use http::StatusCode;
use serde_json::json;
use tests::client::Client;
use tests::eventually;
use tests::fabric::{Fabric, binary};
use tests::function::Server;
use tests::nats::Nats;
use tokio::sync::watch;

/// Calls that are posted between two steps of the upgrade, at least.
const BETWEEN: usize = 50;

struct Fleet {
    nats: Nats,
    previous: PathBuf,
}

impl Fleet {
    async fn new() -> Self {
        let previous = std::env::var_os("FABRIC_PREVIOUS_BIN").map_or_else(binary, PathBuf::from);
        Self { nats: Nats::start().await, previous }
    }

    async fn start(&self, program: &Path, role: &str) -> Fabric {
        let (url, mut args) = (self.nats.url(), vec![role, "--broker"]);
        args.extend([url.as_str(), "--pre-stop", "0s"]);
        if role == "worker" {
            args.push("--allow-private-callbacks");
        }
        Fabric::start_of(program, &args, "127.0.0.1:0").await
    }

    async fn old(&self, role: &str) -> Fabric {
        self.start(&self.previous, role).await
    }

    async fn new_one(&self, role: &str) -> Fabric {
        self.start(&binary(), role).await
    }
}

/// Posts calls to whichever gateway is the one to post to, until it is dropped; each must be accepted.
async fn post(gateway: watch::Receiver<String>, callback: &str, accepted: &Mutex<HashSet<String>>) {
    let client = Client::default();
    for n in 0_u64.. {
        let function = if n % 5 == 0 { "flaky" } else { "f" };
        let headers: &[(&str, &str)] = if n % 7 == 0 {
            &[("x-callback-url", callback), ("x-delay", "1s")]
        } else {
            &[("x-callback-url", callback)]
        };
        // Whoever watches moves on before the old one ends.
        let url = format!("{}/async-function/{function}", *gateway.borrow());
        let answer = client.post(&url, headers, n.to_string()).await.unwrap();
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{:?}", answer.body);
        accepted.lock().unwrap().insert(answer.header("x-call-id").to_owned());
    }
}

async fn more(accepted: &Mutex<HashSet<String>>) {
    let before = accepted.lock().unwrap().len();
    eventually(async || {
        let count = accepted.lock().unwrap().len();
        if count >= before + BETWEEN { Ok(()) } else { Err(format!("{count} were accepted")) }
    })
    .await;
}

async fn end(mut process: Fabric) {
    process.process.terminate();
    assert!(process.process.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_notices_that_workers_and_gateways_are_replaced() {
    let (fleet, server) = (Fleet::new().await, Server::start().await);
    let old = fleet.old("gateway").await;
    let old_workers = [fleet.old("worker").await, fleet.old("worker").await];
    old.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    let annotations = json!({
        "fabric.upstream": server.url("/fail-first/503"), "com.openfaas.retry.min_wait": "100ms", "fabric.retry.jitter": "none",
    });
    old.register("flaky", annotations).await;

    let (accepted, callback) = (Mutex::default(), server.url("/callback"));
    let (switch, gateway) = watch::channel(old.public.clone());
    let replaced = async {
        more(&accepted).await;
        // Old and new work side by side; then the new ones alone run what old gateways accept.
        let mut new = Vec::new();
        for leaving in old_workers {
            new.push(fleet.new_one("worker").await);
            more(&accepted).await;
            end(leaving).await;
            more(&accepted).await;
        }
        let arriving = fleet.new_one("gateway").await;
        drop(switch.send_replace(arriving.public.clone()));
        more(&accepted).await;
        // A request that was under way is answered before it ends.
        end(old).await;
        more(&accepted).await;
        (arriving, new)
    };
    let (gateway, _workers) = tokio::select! {
        replaced = replaced => replaced,
        () = post(gateway, &callback, &accepted) => panic!("that never ends"),
    };

    let accepted = accepted.into_inner().unwrap();
    eventually(async || {
        let told = server.calls("/callback");
        let missing = accepted.difference(&told).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} of {} were not called back", accepted.len())) }
    })
    .await;
    let client = Client::default();
    for id in &accepted {
        let record = client.get(&format!("{}/calls/{id}?wait=30s", gateway.public)).await.unwrap().json();
        assert_eq!((&record["state"], &record["crashes"]), (&json!("succeeded"), &json!(0)), "{record}");
    }
    let ran = server.seen("/ok").len();
    assert_eq!(ran, server.calls("/ok").len(), "nothing ran twice");
}
