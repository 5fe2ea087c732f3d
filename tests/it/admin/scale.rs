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
    api.put("/queues/other", &json!({})).await;
    let nobody = [("runnable", json!(0)), ("in_flight", json!(0)), ("workers", json!(0))];
    becomes(&api, "/scale/queues/other", &nobody).await;
    api.asked(404, Method::GET, "/scale/queues/misspelt", &Value::Null).await;
    // Several together, or all, whether or not they are there yet.
    let both = [("queues", json!(["default", "new"])), ("in_flight", json!(5)), ("workers", json!(2))];
    becomes(&api, "/scale/workers?queues=new,default", &both).await;
    becomes(&api, "/scale/workers", &[("queues", json!([])), ("later", json!(2)), ("workers", json!(2))]).await;
    becomes(&api, "/scale/workers?queues=new", &[("runnable", json!(0)), ("workers", json!(0))]).await;
    api.asked(400, Method::GET, "/scale/workers?queues=a,,b", &Value::Null).await;
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

/// From zero: the first call finds nobody, and waits to be tried again; for that a replica is wanted.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_found_nobody_wants_a_replica() {
    let nats = Nats::start().await;
    let dir = tempfile::tempdir().unwrap();
    let url = nats.url();
    for place in [["--broker", &url], ["--data-dir", dir.path().to_str().unwrap()]] {
        let fabric = Fabric::start(&[&["serve"], place.as_slice()].concat()).await;
        let api = Api::of(&fabric);
        let mut away = json!({"fabric.upstream": "http://127.0.0.1:1", "com.openfaas.retry.min_wait": "1h",
            "com.openfaas.retry.max_wait": "1h"});
        fabric.register("away", away.clone()).await;
        let call = fabric.accepted("away", &[], "x").await;
        let wants = [("runnable", json!(1)), ("in_flight", json!(0)), ("later", json!(1)), ("replicas", json!(1))];
        becomes(&api, "/scale/functions/away", &wants).await;
        let whole = becomes(&api, "/scale", &[("more", json!(0))]).await;
        assert_eq!(whole["functions"][0]["function"], "away.openfaas-fn", "{whole}");
        // What is put off wants no worker yet.
        becomes(&api, "/scale/queues/default", &[("runnable", json!(0)), ("later", json!(1)), ("workers", json!(0))])
            .await;
        // What an operator holds back wants none.
        away["fabric.paused"] = json!("true");
        fabric.register("away", away).await;
        becomes(&api, "/scale/functions/away", &[("blocked_by_pause", json!(1)), ("replicas", json!(0))]).await;
        api.asked(200, Method::DELETE, &format!("/calls/{call}"), &Value::Null).await;
        // At once, whatever its worker remembers of it.
        let told = becomes(&api, "/scale/functions/away", &[("later", json!(0))]).await;
        assert_eq!(
            (&told["blocked_by_pause"], &told["runnable"], &told["replicas"]),
            (&json!(0), &json!(0), &json!(0))
        );
    }
}

/// A worker runs no more of a queue than it may; one that is too busy to answer is there all the same.
#[tokio::test(flavor = "multi_thread")]
async fn workers_are_counted_by_what_they_take_also_if_they_are_silent() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    let narrow = ["worker", "--broker", &nats.url(), "--max-inflight", "8", "--queue-inflight", "default=2"];
    let (_one, other) = (Fabric::start(&narrow).await, Fabric::start(&narrow).await);
    gateway.knows(3).await;
    gateway.register("f", json!({"fabric.upstream": server.url("/hold")})).await;
    gateway.accepted_many("f", &[], 12).await;
    let api = Api::of(&gateway);
    let six = [
        ("in_flight", json!(4)),
        ("runnable", json!(8)),
        ("serving", json!(2)),
        ("permits", json!(2)),
        ("workers", json!(6)),
    ];
    becomes(&api, "/scale/queues/default", &six).await;
    // Whoever is silent for long has gone: then it begins anew.
    eventually(async || {
        other.process.signal("CONT");
        gateway.knows(3).await;
        becomes(&api, "/activity", &[("answered", json!(3)), ("in_flight", json!(4))]).await;
        other.process.signal("STOP");
        becomes(&api, "/activity", &[("answered", json!(2))]).await;
        let told = api.get("/scale/queues/default").await;
        match six.iter().all(|(name, value)| told[*name] == *value) {
            true => Ok(()),
            false => Err(told.to_string()),
        }
    })
    .await;
    other.process.signal("CONT");
    server.release();
}

/// One worker would be too few where others are alive that have not said yet how much they take.
#[tokio::test(flavor = "multi_thread")]
async fn while_no_worker_has_said_anything_nothing_is_told() {
    let nats = Nats::start().await;
    let worker = Fabric::start(&["worker", "--broker", &nats.url()]).await;
    // Whoever is silent for long has gone: then it begins anew.
    eventually(async || {
        worker.process.signal("CONT");
        let before = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
        becomes(&Api::of(&before), "/scale/workers", &[("serving", json!(1))]).await;
        worker.process.signal("STOP");
        let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
        let answer = Api::of(&gateway).ask(Method::GET, "/scale/workers", &[], &Value::Null).await;
        let told = answer.json();
        let is_said = answer.status == 503 && told["type"] == "urn:fabric:problem:workers_silent";
        if is_said { Ok(()) } else { Err(told.to_string()) }
    })
    .await;
    worker.process.signal("CONT");
}

/// The rate of a namespace is for its functions together.
#[tokio::test(flavor = "multi_thread")]
async fn a_rate_of_a_namespace_is_reckoned_once() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    let api = Api::of(&fabric);
    fabric.set_namespace("shop", json!({"fabric.rate": "2/h", "fabric.burst": "1"})).await;
    for name in ["a.shop", "b.shop"] {
        fabric.register(name, json!({"fabric.upstream": server.url("/hold")})).await;
    }
    fabric.accepted("a.shop", &[], "x").await;
    becomes(&api, "/scale/functions/a.shop", &[("in_flight", json!(1))]).await;
    for name in ["a.shop", "b.shop"] {
        fabric.accepted_many(name, &[], 3).await;
    }
    let once = [("in_flight", json!(1)), ("runnable", json!(0)), ("blocked_by_rate", json!(6)), ("workers", json!(1))];
    becomes(&api, "/scale/queues/default", &once).await;
    server.release();
}
