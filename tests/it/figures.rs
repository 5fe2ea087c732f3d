//! Figures rather than facts: they depend on the machine, so they are printed, and run only when asked for:
//! `FABRIC_BIN=target/release/fabric ./tests/run figures:: -- --ignored --nocapture --test-threads 1`

use std::time::{Duration, Instant};

use actors::call::plan::message;
use actors::port::broker::Quotas;
use actors::port::{Broker, Clock};
use fabric::clock::SystemClock;
use fabric::jetstream::{Access, JetStream, Settings};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use proto::subject::Subjects;
use proto::{Call, CallId, Function, LaneKey, Queue, Request};
use serde_json::json;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;
use tokio::time::sleep;

use crate::limits::Cluster;

async fn ran(server: &Server, path: &str, count: usize) {
    eventually(async || {
        let ran = server.count(path);
        if ran >= count && server.running() == 0 { Ok(()) } else { Err(format!("{ran} of {count} ran")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a figure"]
async fn a_limit_of_five_is_used_to_the_full_by_four_workers() {
    for call in [20, 50, 100] {
        let (cluster, server) = (Cluster::start(4, &[]).await, Server::start().await);
        let path = format!("/sleep/{call}");
        let annotations = json!({"fabric.upstream": server.url(&path), "fabric.concurrency": "5"});
        cluster.gateway.register("f", annotations).await;
        cluster.gateway.accepted_many("f", &[], 2000).await;
        ran(&server, "/sleep", 2000).await;
        println!(
            "calls of {call} ms: at most {} at once, {:.2} on average",
            server.running_max(),
            server.running_mean()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a figure"]
async fn ten_endpoints_of_five_slots() {
    const CALLS: usize = 1500;
    for workers in [1, 2] {
        let cluster = Cluster::start(0, &[]).await;
        let mut servers = Vec::new();
        for _ in 0..10 {
            servers.push(Server::start().await);
        }
        let upstreams: Vec<String> = servers.iter().map(|server| server.url("/slots/5/200")).collect();
        let annotations = json!({"fabric.upstream": upstreams.join(","), "fabric.slots": "5"});
        cluster.gateway.register("f", annotations).await;
        cluster.gateway.accepted_many("f", &[], CALLS).await;
        let url = cluster.nats.url();
        let args = ["worker", "--broker", &url];
        let _workers = join_all((0..workers).map(|_| Fabric::start(&args))).await;
        eventually(async || if servers[0].running() > 0 { Ok(()) } else { Err("nothing runs") }).await;
        let began = Instant::now();
        eventually(async || {
            let ran: usize = servers.iter().map(|server| server.count("/slots") - server.turned_away()).sum();
            let running: usize = servers.iter().map(Server::running).sum();
            if ran >= CALLS && running == 0 { Ok(()) } else { Err(format!("{ran} ran")) }
        })
        .await;
        let (took, ideal) = (began.elapsed().as_secs_f64(), CALLS as f64 * 0.2 / 50.0);
        let turned_away: usize = servers.iter().map(Server::turned_away).sum();
        println!("{workers} workers: {:.3} times the ideal, {turned_away} turned away of {CALLS}", took / ideal);
    }
}

/// How long calls that come ten a second wait until they reach their function.
async fn trickle(fabric: &Fabric, server: &Server, names: &[&str], seconds: usize) -> Vec<Duration> {
    let mut posted = Vec::new();
    for _ in 0..seconds * 10 {
        for name in names {
            let at = tokio::time::Instant::now();
            posted.push((fabric.accepted(name, &[], "x").await, at));
        }
        sleep(Duration::from_millis(100)).await;
    }
    let mut waits = Vec::new();
    for (id, at) in posted {
        let reached = eventually(async || server.reached_at("/ok", &id).ok_or("not yet")).await;
        waits.push(reached.saturating_duration_since(at));
    }
    waits.sort();
    waits
}

fn p(waits: &[Duration], share: f64) -> f64 {
    waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a figure"]
async fn a_noisy_neighbour() {
    for broker in ["jetstream", "embedded"] {
        let (nats, server, dir) = (Nats::start().await, Server::start().await, tempfile::tempdir().unwrap());
        let (url, path) = (nats.url(), dir.path().to_str().unwrap().to_owned());
        let place = if broker == "jetstream" { ["--broker", &url] } else { ["--data-dir", &path] };
        let fabric = Fabric::start(&[&["serve"], place.as_slice()].concat()).await;
        let mut noisy = json!({"fabric.upstream": server.url("/sleep/50"), "fabric.concurrency": "50"});
        noisy["fabric.paused"] = "true".into();
        fabric.register("a", noisy.clone()).await;
        for name in ["b", "c", "d"] {
            fabric.register(name, json!({"fabric.upstream": server.url("/ok")})).await;
        }
        let names = ["b", "c", "d"];
        trickle(&fabric, &server, &names, 2).await;
        let alone = trickle(&fabric, &server, &names, 20).await;
        fabric.accepted_many("a", &[], 100_000).await;
        noisy["fabric.paused"] = "false".into();
        fabric.register("a", noisy).await;
        eventually(async || if server.running() == 50 { Ok(()) } else { Err("A does not run yet") }).await;
        let beside = trickle(&fabric, &server, &names, 20).await;
        assert!(server.count("/sleep") < 100_000, "A had a backlog all the while");
        println!(
            "{broker}: wait of B, C, D alone p50 {:.1} p99 {:.1} ms; beside A's backlog p50 {:.1} p99 {:.1} ms; p99 {:.2} times",
            p(&alone, 0.5),
            p(&alone, 0.99),
            p(&beside, 0.5),
            p(&beside, 0.99),
            p(&beside, 0.99) / p(&alone, 0.99)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a figure"]
async fn what_records_cost() {
    const CALLS: usize = 40_000;
    let mut rates: Vec<(&str, f64, f64)> = Vec::new();
    for _ in 0..3 {
        for keep in ["0s", "1h"] {
            let (nats, server) = (Nats::start().await, Server::quiet().await);
            let url = nats.url();
            let gateway = Fabric::start(&["gateway", "--broker", &url, "--keep-calls", keep]).await;
            gateway.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
            let began = Instant::now();
            gateway.accepted_many("f", &[], CALLS).await;
            let accepted = CALLS as f64 / began.elapsed().as_secs_f64();
            let began = Instant::now();
            let _worker = Fabric::start(&["worker", "--broker", &url, "--keep-calls", keep]).await;
            ran(&server, "/ok", CALLS).await;
            rates.push((keep, accepted, CALLS as f64 / began.elapsed().as_secs_f64()));
        }
    }
    let best = |which: &str, of: fn(&(&str, f64, f64)) -> f64| {
        rates.iter().filter(|it| it.0 == which).map(of).fold(0.0, f64::max)
    };
    println!(
        "with records: accepted at {:.2}, drained at {:.2} of the rate without, best of three each",
        best("1h", |it| it.1) / best("0s", |it| it.1),
        best("1h", |it| it.2) / best("0s", |it| it.2)
    );
}

/// Resident memory of a process, in MB.
fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a figure"]
async fn ten_thousand_functions_of_which_two_hundred_are_active() {
    let (cluster, server) = (Cluster::start(1, &[]).await, Server::start().await);
    let before = resident(cluster.workers[0].process.pid());
    for n in 0..10_000 {
        cluster.gateway.register(&format!("f{n}"), json!({"fabric.upstream": server.url("/ok")})).await;
    }
    let registered = resident(cluster.workers[0].process.pid());
    let mut most: f64 = 0.0;
    let end = Instant::now() + Duration::from_secs(20);
    let mut calls = 0;
    while Instant::now() < end {
        for n in 0..200 {
            cluster.gateway.accepted(&format!("f{n}"), &[], "x").await;
            calls += 1;
        }
        most = most.max(resident(cluster.workers[0].process.pid()));
    }
    ran(&server, "/ok", calls).await;
    let tree = cluster.workers[0].tree().await;
    let subscribers = tree["queues"].as_array().unwrap().iter().map(|it| it["subscribers"].as_array().unwrap().len());
    let context = async_nats::jetstream::new(async_nats::connect(cluster.nats.url()).await.unwrap());
    let consumers = context.get_stream("FABRIC_READY_default_0").await.unwrap().cached_info().state.consumer_count;
    println!(
        "worker {before:.1} MB fresh, {registered:.1} MB with 10,000 registered, {most:.1} MB with 200 of them active; {} actors, {consumers} consumers",
        subscribers.sum::<usize>()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a figure"]
async fn what_limits_cost() {
    const CALLS: usize = 40_000;
    let mut rates: Vec<(&str, f64)> = Vec::new();
    for _ in 0..3 {
        for limits in ["none", "one", "three"] {
            let (nats, server) = (Nats::start().await, Server::quiet().await);
            let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
            let mut annotations = json!({"fabric.upstream": server.url("/ok")});
            if limits != "none" {
                annotations["fabric.concurrency"] = "256".into();
            }
            if limits == "three" {
                gateway.set_namespace("acme", json!({"fabric.rate": "1000000/s"})).await;
            }
            gateway.register("f.acme", annotations).await;
            gateway.accepted_many("f.acme", &[], CALLS).await;
            let url = nats.url();
            let mut args = vec!["worker", "--broker", &url];
            if limits == "three" {
                args.extend(["--queue-inflight", "default=255"]);
            }
            let began = Instant::now();
            let _worker = Fabric::start(&args).await;
            ran(&server, "/ok", CALLS).await;
            rates.push((limits, CALLS as f64 / began.elapsed().as_secs_f64()));
        }
    }
    let best = |which: &str| rates.iter().filter(|it| it.0 == which).map(|it| it.1).fold(0.0, f64::max);
    println!(
        "drain rate with one limit {:.3}, with three {:.3} of that with none ({:.0}/s here, best of three each)",
        best("one") / best("none"),
        best("three") / best("none"),
        best("none")
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a figure"]
async fn a_million_waiting_retries() {
    const WAITING: usize = 1_000_000;
    let (cluster, server) = (Cluster::start(1, &[]).await, Server::start().await);
    cluster.gateway.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    trickle(&cluster.gateway, &server, &["f"], 2).await;
    let empty = trickle(&cluster.gateway, &server, &["f"], 20).await;
    let before = resident(cluster.workers[0].process.pid());
    let broker = connect(&cluster.nats).await;
    let (lane, clock) = (LaneKey::new(Queue::default(), Function::parse("f").unwrap()), SystemClock);
    let schedule = async |n: usize| {
        let id = CallId::parse(&format!("waiting-{n}")).unwrap();
        let mut call = Call::new(id, lane.function.clone(), clock.now(), Request::default());
        call.counts.attempts = 1;
        let due = clock.now().after(Duration::from_secs(3600));
        broker.schedule(message(lane.clone(), &call), &call.id, due).await.unwrap();
    };
    stream::iter(0..WAITING).map(schedule).buffer_unordered(1000).collect::<()>().await;
    let beside = trickle(&cluster.gateway, &server, &["f"], 20).await;
    println!(
        "a fresh call waits p50 {:.1} p99 {:.1} ms in an empty fabric; beside a million retries p50 {:.1} p99 {:.1} ms: p99 {:.2} times; worker {before:.1} MB, then {:.1} MB",
        p(&empty, 0.5),
        p(&empty, 0.99),
        p(&beside, 0.5),
        p(&beside, 0.99),
        p(&beside, 0.99) / p(&empty, 0.99),
        resident(cluster.workers[0].process.pid())
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a figure"]
async fn a_call_that_outlives_a_hundred_leases() {
    let (cluster, server) = (Cluster::start(2, &["--lease", "500ms"]).await, Server::start().await);
    let annotations = json!({"fabric.upstream": server.url("/sleep/52000"), "fabric.timeout": "2m"});
    cluster.gateway.register("f", annotations).await;
    cluster.gateway.accepted_many("f", &[], 5).await;
    let until = Instant::now() + Duration::from_secs(120);
    while (server.count("/sleep") < 5 || server.running() > 0) && Instant::now() < until {
        sleep(Duration::from_millis(100)).await;
    }
    sleep(Duration::from_secs(2)).await;
    println!("5 calls of 104 leases each began {} times", server.count("/sleep"));
}

async fn connect(nats: &Nats) -> JetStream {
    let settings = Settings {
        url: nats.url(),
        access: Access::default(),
        subjects: Subjects::default(),
        replicas: 1,
        shards: None,
        quotas: Quotas::default(),
        payload_len_max: 1024 * 1024,
    };
    JetStream::connect(settings).await.unwrap()
}
