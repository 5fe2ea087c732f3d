//! What an autoscaler is told: the same on both brokers.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;

use super::api::Api;

/// What is told, when it is this.
async fn becomes(api: &Api, path: &str, wanted: &[(&str, Value)]) -> Value {
    eventually(async || {
        let told = api.get(path).await;
        match wanted.iter().all(|(name, value)| told[*name] == *value) {
            true => Ok(told),
            false => Err(format!("{path}: {told}, not {wanted:?}")),
        }
    })
    .await
}

async fn demand_is_told_by_what_it_waits_for(fabric: Fabric, server: Server) {
    let api = Api::of(&fabric);
    fabric.register("idle", json!({"fabric.upstream": server.url("/ok")})).await;
    fabric
        .register(
            "narrow",
            json!({"fabric.upstream": server.url("/hold"), "fabric.concurrency": "6", "fabric.slots": "4"}),
        )
        .await;
    fabric
        .register("slow", json!({"fabric.upstream": server.url("/hold"), "fabric.rate": "2/h", "fabric.burst": "1"}))
        .await;
    fabric.register("held", json!({"fabric.upstream": server.url("/hold"), "fabric.paused": "true"})).await;

    let zeros = [
        ("runnable", json!(0)),
        ("in_flight", json!(0)),
        ("replicas", json!(0)),
        ("later", json!(0)),
        ("limit", Value::Null),
    ];
    becomes(&api, "/scale/functions/idle", &zeros).await;
    api.asked(404, Method::GET, "/scale/functions/nobody", &Value::Null).await;

    // One endpoint takes four at once; the limit allows two more, on a replica that is not there yet.
    fabric.accepted_many("narrow", &[], 10).await;
    let narrow =
        [("in_flight", json!(4)), ("runnable", json!(2)), ("blocked_by_limit", json!(4)), ("replicas", json!(2))];
    let told = becomes(&api, "/scale/functions/narrow", &narrow).await;
    assert_eq!((&told["limit"], &told["slots"]), (&json!(6), &json!(4)));
    assert!(told["oldest_runnable_seconds"].as_f64().unwrap() > 0.0, "{told}");

    // The burst runs; what comes at two an hour is one at once at the most.
    fabric.accepted_many("slow", &[], 5).await;
    let slow = [("in_flight", json!(1)), ("runnable", json!(0)), ("blocked_by_rate", json!(4)), ("replicas", json!(1))];
    becomes(&api, "/scale/functions/slow", &slow).await;
    fabric.accepted_many("held", &[], 3).await;
    let held =
        [("in_flight", json!(0)), ("runnable", json!(0)), ("blocked_by_pause", json!(3)), ("replicas", json!(0))];
    becomes(&api, "/scale/functions/held", &held).await;
    fabric.accepted_many("idle", &[("x-delay", "1h")], 2).await;
    becomes(&api, "/scale/functions/idle", &[("later", json!(2)), ("runnable", json!(0)), ("replicas", json!(0))])
        .await;

    // Seven at once, and this worker runs five: another is wanted. Nobody serves the other queue, and it needs nobody.
    let queue = [
        ("in_flight", json!(5)),
        ("runnable", json!(2)),
        ("blocked_by_limit", json!(4)),
        ("blocked_by_rate", json!(4)),
        ("blocked_by_pause", json!(3)),
        ("later", json!(2)),
        ("serving", json!(1)),
        ("permits", json!(5)),
        ("workers", json!(2)),
    ];
    becomes(&api, "/scale/queues/default", &queue).await;
    becomes(&api, "/scale/queues/other", &[("serving", json!(0)), ("permits", Value::Null), ("workers", json!(0))])
        .await;
    let whole = becomes(&api, "/scale?limit=2", &[("more", json!(1))]).await;
    let names = |what: &str, name: &str| -> Vec<String> {
        let all = whole[what].as_array().unwrap();
        all.iter().map(|it| it[name].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("functions", "function"), ["narrow.openfaas-fn", "slow.openfaas-fn"]);
    assert_eq!(names("queues", "queue"), ["default"]);
    server.release();
}

#[tokio::test(flavor = "multi_thread")]
async fn demand_is_told_by_what_it_waits_for_on_nats() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let fabric = Fabric::start(&["serve", "--broker", &nats.url(), "--max-inflight", "5"]).await;
    demand_is_told_by_what_it_waits_for(fabric, server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn demand_is_told_by_what_it_waits_for_on_the_embedded_broker() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap(), "--max-inflight", "5"]).await;
    demand_is_told_by_what_it_waits_for(fabric, server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_nobody_serves_wants_one_worker() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    gateway.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    gateway.accepted_many("f", &[], 7).await;
    let api = Api::of(&gateway);
    let queue = [("runnable", json!(7)), ("serving", json!(0)), ("workers", json!(1))];
    let told = becomes(&api, "/scale/queues/default", &queue).await;
    assert!(told["oldest_runnable_seconds"].as_f64().unwrap() < Duration::from_secs(3600).as_secs_f64(), "{told}");
    becomes(&api, "/scale/functions/f", &[("runnable", json!(7)), ("replicas", json!(7))]).await;
}
