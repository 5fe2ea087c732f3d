//! Limits that hold across processes, and what becomes of what is over them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::json;
use tests::client::Client;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;

/// A gateway and so many workers on a nats-server.
pub(crate) struct Cluster {
    pub(crate) nats: Nats,
    pub(crate) gateway: Fabric,
    pub(crate) workers: Vec<Fabric>,
}

impl Cluster {
    pub(crate) async fn start(workers: usize, args: &[&str]) -> Self {
        let nats = Nats::start().await;
        let url = nats.url();
        let gateway = Fabric::start(&["gateway", "--broker", &url]).await;
        let mut all = Vec::new();
        for _ in 0..workers {
            let args = [&["worker", "--broker", &url, "--allow-private-callbacks"], args].concat();
            all.push(Fabric::start(&args).await);
        }
        for process in all.iter().chain([&gateway]) {
            process.knows(workers + 1).await;
        }
        Self { nats, gateway, workers: all }
    }
}

async fn all_ran(server: &Server, path: &str, ids: &HashSet<String>) {
    eventually(async || {
        let ran = server.calls(path).len();
        if ran == ids.len() && server.running() == 0 { Ok(()) } else { Err(format!("{ran} of {} ran", ids.len())) }
    })
    .await;
    assert_eq!(server.calls(path), *ids);
}

#[tokio::test]
async fn a_functions_concurrency_holds_across_workers() {
    let (cluster, server) = (Cluster::start(4, &[]).await, Server::start().await);
    let annotations = json!({"fabric.upstream": server.url("/sleep/20"), "fabric.concurrency": "5"});
    cluster.gateway.register("f", annotations).await;
    let ids = cluster.gateway.accepted_many("f", &[], 400).await;
    all_ran(&server, "/sleep", &ids).await;
    assert_eq!(server.running_max(), 5);
}

#[tokio::test]
async fn the_slots_of_endpoints_are_divided_and_none_is_asked_for_more() {
    for workers in [1, 3] {
        let cluster = Cluster::start(workers, &[]).await;
        let mut servers = Vec::new();
        for _ in 0..4 {
            servers.push(Server::start().await);
        }
        let upstreams: Vec<String> = servers.iter().map(|server| server.url("/slots/5/20")).collect();
        cluster.gateway.register("f", json!({"fabric.upstream": upstreams.join(","), "fabric.slots": "5"})).await;
        let ids = cluster.gateway.accepted_many("f", &[], 400).await;
        eventually(async || {
            let ran: usize = servers.iter().map(|server| server.calls("/slots").len()).sum();
            if ran == ids.len() { Ok(()) } else { Err(format!("{ran} of {} ran", ids.len())) }
        })
        .await;
        let turned_away: usize = servers.iter().map(Server::turned_away).sum();
        assert_eq!(turned_away, 0, "with {workers} workers");
    }
}

/// `localhost` is one address or two, of which one answers; either way every call gets there, by the name.
#[tokio::test]
async fn a_name_is_resolved_and_its_addresses_are_called_by_it() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["dev", "--data-dir", dir.path().to_str().unwrap()]).await;
    let port = server.url("").rsplit(':').next().unwrap().to_owned();
    let upstream = format!("dns+http://localhost:{port}/ok");
    fabric.register("f", json!({"fabric.upstream": upstream, "com.openfaas.retry.attempts": "1"})).await;
    let ids = fabric.accepted_many("f", &[], 50).await;
    all_ran(&server, "/ok", &ids).await;
    assert!(server.seen("/ok").iter().all(|seen| seen.header("host") == format!("localhost:{port}")));
}

#[tokio::test]
async fn a_rate_holds_across_workers() {
    let (cluster, server) = (Cluster::start(2, &[]).await, Server::start().await);
    let annotations = json!({"fabric.upstream": server.url("/ok"), "fabric.rate": "100/s", "fabric.burst": "10"});
    cluster.gateway.register("f", annotations).await;
    let ids = cluster.gateway.accepted_many("f", &[], 150).await;
    all_ran(&server, "/ok", &ids).await;
    // However slow this machine is, it was never faster than the rate. It is kept where calls start: a first one that is
    // long on its way makes the others seem to follow faster. Were each worker to take the whole rate, it would be half.
    let least = Duration::from_secs_f64(0.8 * (150.0 - 10.0 - 2.0) / 100.0);
    assert!(server.span() >= least, "{:?} is faster than {least:?}", server.span());
}

#[tokio::test]
async fn a_worker_that_goes_leaves_its_part_to_the_others() {
    let mut cluster = Cluster::start(2, &[]).await;
    let mut gone = cluster.workers.pop().unwrap();
    gone.process.terminate();
    gone.process.ended().await;
    cluster.workers[0].knows(2).await;
    let mut killed = Fabric::start(&["worker", "--broker", &cluster.nats.url()]).await;
    cluster.workers[0].knows(3).await;
    killed.process.kill9();
    let at = Instant::now();
    cluster.workers[0].knows(2).await;
    assert!(at.elapsed() <= Duration::from_secs(20), "within the time that a sign of life lasts, and a beat");
}

#[tokio::test]
async fn what_is_over_an_accept_rate_is_429_and_may_come_again() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["dev", "--data-dir", dir.path().to_str().unwrap()]).await;
    fabric.register("f.acme", json!({"fabric.upstream": server.url("/ok"), "fabric.accept-rate": "1/h"})).await;
    fabric.register("g.acme", json!({"fabric.upstream": server.url("/ok")})).await;
    let id = fabric.accepted("f.acme", &[], "x").await;
    let refused = fabric.call("f.acme", &[], "x").await;
    assert_eq!((refused.status, &refused.json()["error"]), (StatusCode::TOO_MANY_REQUESTS, &json!("rate_exceeded")));
    let after: u64 = refused.header("retry-after").parse().unwrap();
    assert!((3500..=3600).contains(&after), "{after}");
    all_ran(&server, "/ok", &HashSet::from([id])).await;

    fabric.set_namespace("acme", json!({"fabric.accept-rate": "2/h", "fabric.accept-burst": "2"})).await;
    fabric.accepted("g.acme", &[], "x").await;
    fabric.accepted("g.acme", &[], "x").await;
    let refused = fabric.call("g.acme", &[], "x").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.json()["message"].as_str().unwrap().contains("namespace acme"));
}

#[tokio::test]
async fn a_namespace_is_set_described_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["dev", "--data-dir", dir.path().to_str().unwrap()]).await;
    let client = Client::default();
    let url = |path: &str| format!("{}/system/{path}", fabric.public);
    let body = json!({"name": "acme", "annotations": {"fabric.weight": "3"}, "labels": {"openfaas": "1"}}).to_string();
    // As faas-cli creates one, and as it updates one.
    let created = client.post(&url("namespace/"), &[], body.clone()).await.unwrap();
    assert_eq!(created.status, StatusCode::ACCEPTED);
    let updated = client.send(Method::PUT, &url("namespace/acme"), &[], body).await.unwrap();
    assert_eq!(updated.status, StatusCode::ACCEPTED);
    let described = client.get(&url("namespace/acme")).await.unwrap().json();
    assert_eq!(described["annotations"]["fabric.weight"], "3");
    let listed = client.get(&url("namespaces")).await.unwrap().json();
    assert!(listed.as_array().unwrap().contains(&json!("acme")), "{listed}");

    for (body, code) in [
        (json!({"name": "acme", "annotations": {"fabric.upstream": "http://x"}}), "bad_spec"),
        (json!({"name": "Acme"}), "bad_request"),
        (json!({"name": "other"}), "bad_request"),
        (json!({"annotations": {}}), "bad_request"),
    ] {
        let refused = client.send(Method::PUT, &url("namespace/acme"), &[], body.to_string()).await.unwrap();
        assert_eq!((refused.status, &refused.json()["error"]), (StatusCode::BAD_REQUEST, &json!(code)), "{body}");
    }
    for expected in [StatusCode::ACCEPTED, StatusCode::NOT_FOUND] {
        let deleted = client.send(Method::DELETE, &url("namespace/acme"), &[], "").await.unwrap();
        assert_eq!(deleted.status, expected);
    }
    assert_eq!(client.get(&url("namespace/acme")).await.unwrap().status, StatusCode::NOT_FOUND);
}

/// Producers that fill a queue faster than it drains see 429, and lose nothing that was accepted.
#[tokio::test]
async fn a_full_queue_refuses_and_loses_nothing() {
    let (nats, server, dir) = (Nats::start().await, Server::start().await, tempfile::tempdir().unwrap());
    let url = nats.url();
    for place in [["--broker", &url], ["--data-dir", dir.path().to_str().unwrap()]] {
        let args = [&["serve", "--queue-backlog", "50"], place.as_slice()].concat();
        let fabric = Fabric::start(&args).await;
        let path = format!("/sleep/2/{}", place[0]);
        fabric.register("f", json!({"fabric.upstream": server.url(&path), "fabric.concurrency": "8"})).await;
        let (mut accepted, mut refused) = (HashSet::new(), 0);
        while accepted.len() < 400 || refused == 0 {
            let calls = (0..64).map(|_| fabric.call("f", &[], "x"));
            for answer in futures_util::future::join_all(calls).await {
                if answer.status == StatusCode::ACCEPTED {
                    accepted.insert(answer.header("x-call-id").to_owned());
                } else {
                    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
                    assert_eq!(answer.json()["error"], "backlog_full");
                    assert_eq!(answer.header("retry-after"), "1");
                    refused += 1;
                }
            }
        }
        all_ran(&server, &path, &accepted).await;
    }
}

#[tokio::test]
async fn a_namespaces_quotas_hold_for_all_its_functions_together() {
    let (cluster, server) = (Cluster::start(2, &[]).await, Server::start().await);
    let gateway = &cluster.gateway;
    let quotas = json!({"fabric.concurrency": "5", "fabric.backlog": "20", "fabric.max-body": "1KiB"});
    gateway.set_namespace("acme", quotas).await;
    for name in ["a.acme", "b.acme", "c.other"] {
        gateway.register(name, json!({"fabric.upstream": server.url(&format!("/hold/{name}"))})).await;
    }
    let mut accepted = HashSet::new();
    for n in 0..30 {
        let answer = gateway.call(if n % 2 == 0 { "a.acme" } else { "b.acme" }, &[], "x").await;
        if answer.status == StatusCode::ACCEPTED {
            accepted.insert(answer.header("x-call-id").to_owned());
        } else {
            assert_eq!(
                (answer.status, &answer.json()["error"]),
                (StatusCode::TOO_MANY_REQUESTS, &json!("backlog_full"))
            );
            assert!(answer.json()["message"].as_str().unwrap().contains("namespace acme"));
        }
    }
    assert_eq!(accepted.len(), 20);
    // What waits for its time takes no other room.
    let delayed = gateway.call("a.acme", &[("x-delay", "1h")], "x").await;
    assert_eq!((delayed.status, &delayed.json()["error"]), (StatusCode::TOO_MANY_REQUESTS, &json!("backlog_full")));
    gateway.accepted("c.other", &[], "x").await;
    let large = "x".repeat(2000);
    assert_eq!(gateway.call("c.other", &[], &large).await.status, StatusCode::ACCEPTED);
    let running = || (server.count("/hold/a.acme") + server.count("/hold/b.acme"), server.count("/hold/c.other"));
    eventually(async || if running() == (5, 2) { Ok(()) } else { Err(format!("{:?} run", running())) }).await;
    let waits = async || {
        let mut reasons = Vec::new();
        for worker in &cluster.workers {
            reasons.extend(worker.waits_for("a.acme").await);
            reasons.extend(worker.waits_for("b.acme").await);
        }
        reasons
    };
    eventually(async || {
        let reasons = waits().await;
        if reasons.iter().any(|it| it == "namespace_limit") { Ok(()) } else { Err(format!("{reasons:?}")) }
    })
    .await;
    assert_eq!(running(), (5, 2), "and no more");
    server.release();
    for name in ["a.acme", "b.acme"] {
        let own: HashSet<_> = server.calls(&format!("/hold/{name}"));
        assert!(own.is_subset(&accepted));
    }
    eventually(async || if running().0 == 20 { Ok(()) } else { Err(format!("{:?} ran", running())) }).await;
    // What has ended has made room.
    eventually(async || {
        let answer = gateway.call("a.acme", &[], &large).await;
        if answer.status == StatusCode::PAYLOAD_TOO_LARGE { Ok(()) } else { Err(answer.status) }
    })
    .await;
}

/// Nothing else bounds how much lies there: a lane has none of them yet.
#[tokio::test]
async fn delayed_calls_are_as_many_as_a_functions_backlog_and_count_for_its_namespace() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let args = ["serve", "--data-dir", data, "--function-backlog", "5"];
    let fabric = Fabric::start(&args).await;
    fabric.set_namespace("acme", json!({"fabric.backlog": "3"})).await;
    for (name, most) in [("f", 5), ("f.acme", 3)] {
        fabric.register(name, json!({"fabric.upstream": "http://127.0.0.1:9"})).await;
        let mut accepted = 0;
        for _ in 0..4 * most {
            let answer = fabric.call(name, &[("x-delay", "1h")], "x").await;
            accepted += usize::from(answer.status == StatusCode::ACCEPTED);
        }
        assert_eq!(accepted, most, "{name}");
    }
    // One that has accepted none of them counts them: it holds for as long as they wait.
    drop(fabric);
    let fabric = Fabric::start(&args).await;
    for name in ["f", "f.acme"] {
        assert_eq!(fabric.call(name, &[("x-delay", "1h")], "x").await.status, StatusCode::TOO_MANY_REQUESTS, "{name}");
    }
}

#[tokio::test]
async fn a_queues_most_holds_whatever_is_free_and_is_said() {
    let (cluster, server) = (Cluster::start(1, &["--queue-inflight", "default=3"]).await, Server::start().await);
    cluster.gateway.register("f", json!({"fabric.upstream": server.url("/hold")})).await;
    let ids = cluster.gateway.accepted_many("f", &[], 20).await;
    eventually(async || if server.running() == 3 { Ok(()) } else { Err(format!("{} run", server.running())) }).await;
    eventually(async || match cluster.workers[0].waits_for("f").await.as_deref() {
        Some("queue_share") => Ok(()),
        other => Err(format!("it waits for {other:?}")),
    })
    .await;
    server.release();
    all_ran(&server, "/hold", &ids).await;
    assert_eq!(server.running_max(), 3);
}
