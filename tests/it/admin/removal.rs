//! Functions that are deleted while they have calls: each call that was accepted ends, once.

use std::collections::HashSet;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;

use super::api::Api;
use crate::limits::Cluster;

async fn delete(api: &Api, function: &str, backlog: &str) {
    let path = format!("/functions/{function}?backlog={backlog}");
    let leaving = api.asked(202, Method::DELETE, &path, &Value::Null).await.json();
    assert_eq!(leaving["deleting"], backlog);
}

/// Nobody may call it any more, here or there.
async fn assert_refuses_calls(gateways: &[&Fabric], function: &str) {
    for gateway in gateways {
        let refused = eventually(async || {
            let answer = gateway.call(function, &[], "late").await;
            if answer.status == StatusCode::ACCEPTED { Err("it is accepted") } else { Ok(answer) }
        })
        .await;
        assert_eq!((refused.status, &refused.json()["error"]), (StatusCode::NOT_FOUND, &json!("deleting")));
    }
}

async fn states(api: &Api, ids: &HashSet<String>) -> Vec<(String, Value)> {
    let mut states = Vec::new();
    for id in ids {
        states.push((id.clone(), api.get(&format!("/calls/{id}")).await));
    }
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_drains_runs_all_its_calls_and_then_is_gone() {
    let (mut cluster, server) = (Cluster::start(2, &["--lease", "2s"]).await, Server::start().await);
    let api = Api::of(&cluster.gateway);
    let annotations = json!({"fabric.upstream": server.url("/fail-first/500"), "fabric.concurrency": "5",
        "com.openfaas.retry.min_wait": "500ms", "fabric.retry.jitter": "none"});
    api.put("/functions/f", &json!({"annotations": annotations})).await;
    let mut ids = cluster.gateway.accepted_many("f", &[], 40).await;
    for _ in 0..5 {
        ids.insert(cluster.gateway.accepted("f", &[("x-delay", "8s")], "x").await);
    }
    delete(&api, "f", "drain").await;
    assert_refuses_calls(&[&cluster.gateway], "f").await;
    // What is on record is finished by whoever is there.
    cluster.workers.pop().unwrap().process.kill9();
    let url = cluster.nats.url();
    cluster.workers.push(Fabric::start(&["worker", "--broker", &url]).await);
    api.gone("f").await;
    let states = states(&api, &ids).await;
    let others: Vec<_> = states.iter().filter(|(_, record)| record["state"] != "succeeded").collect();
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(server.calls("/fail-first"), ids);
    assert_eq!(api.get("/dead-letters").await["count"], 0);
    // It is as if it had never been: it may be registered again, as another.
    let again = json!({"annotations": {"fabric.upstream": server.url("/ok")}});
    assert_eq!(
        api.ask(Method::PUT, "/functions/f", &[("if-none-match", "*")], &again).await.status,
        StatusCode::CREATED
    );
    cluster.gateway.accepted("f", &[], "x").await;
}

/// What somebody wrote past the API, or a later version did: neither JSON nor usable is kept for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_whose_record_makes_no_sense_can_be_deleted() {
    let (cluster, server) = (Cluster::start(1, &[]).await, Server::start().await);
    let api = Api::of(&cluster.gateway);
    let client = async_nats::connect(cluster.nats.url()).await.unwrap();
    let bucket = async_nats::jetstream::new(client).get_key_value("FABRIC_FUNCTIONS").await.unwrap();
    bucket.put("openfaas-fn.broken", "no JSON".into()).await.unwrap();
    let unusable =
        json!({"service": "odd", "annotations": {"fabric.upstream": server.url("/ok"), "fabric.later": "1"}});
    bucket.put("openfaas-fn.odd", unusable.to_string().into()).await.unwrap();
    let refused = api.asked(409, Method::GET, "/functions/broken", &Value::Null).await;
    assert!(refused.json().to_string().contains("delete it"), "{:?}", refused.body);
    for function in ["broken", "odd"] {
        delete(&api, function, "drain").await;
        api.gone(function).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_not_waited_for_leaves_its_calls_to_the_dead_letters() {
    let (cluster, server) = (Cluster::start(2, &[]).await, Server::start().await);
    let api = Api::of(&cluster.gateway);
    // Nothing that holds calls back keeps them from being buried: a limit that is used up, and a delay.
    let annotations = json!({"fabric.upstream": server.url("/hold"), "fabric.concurrency": "5"});
    api.put("/functions/f", &json!({"annotations": annotations})).await;
    let callback = server.url("/callback");
    let tell = [("x-callback-url", callback.as_str())];
    let running = cluster.gateway.accepted_many("f", &tell, 5).await;
    eventually(async || if server.running() == 5 { Ok(()) } else { Err("they do not run") }).await;
    let mut waiting = cluster.gateway.accepted_many("f", &tell, 100).await;
    for _ in 0..3 {
        waiting.insert(cluster.gateway.accepted("f", &[tell[0], ("x-delay", "1h")], "x").await);
    }
    delete(&api, "f", "dead-letter").await;
    assert_refuses_calls(&[&cluster.gateway], "f").await;
    let letters = eventually(async || {
        let letters = api.get("/dead-letters?function=f&reason=deleted&limit=1000").await;
        let found = letters["items"].as_array().unwrap().len();
        if found >= waiting.len() { Ok(letters) } else { Err(format!("{found} of {}", waiting.len())) }
    })
    .await;
    let letters = letters["items"].as_array().unwrap();
    let buried: HashSet<String> = letters.iter().map(|it| it["call"].as_str().unwrap().to_owned()).collect();
    assert_eq!((&buried, letters.len()), (&waiting, waiting.len()), "each of them once");
    assert_eq!(api.get("/functions/f").await["deleting"], "dead-letter", "five of its calls run");
    server.release();
    api.gone("f").await;
    for (id, record) in states(&api, &(&running | &waiting)).await {
        let state = if running.contains(&id) { "succeeded" } else { "dead" };
        assert_eq!(record["state"], state, "{record}");
    }
    assert_eq!((server.calls("/hold"), server.seen("/hold").len()), (running.clone(), 5));
    let all = running.len() + waiting.len();
    eventually(async || match server.calls("/callback").len() {
        told if told == all => Ok(()),
        told => Err(format!("{told} of {all} were told")),
    })
    .await;
    assert_eq!(server.seen("/callback").len(), all);
}

#[tokio::test]
async fn a_deletion_outlives_the_process_and_can_be_taken_back() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let args = ["serve", "--data-dir", dir.path().to_str().unwrap(), "--pre-stop", "0s"];
    let mut fabric = Fabric::start(&args).await;
    for name in ["wanted", "unwanted"] {
        let annotations = json!({"fabric.upstream": server.url(&format!("/ok/{name}")), "fabric.paused": "true"});
        Api::of(&fabric).put(&format!("/functions/{name}"), &json!({"annotations": annotations})).await;
    }
    let (kept, buried) = (fabric.accepted("wanted", &[], "x").await, fabric.accepted("unwanted", &[], "x").await);
    delete(&Api::of(&fabric), "wanted", "drain").await;
    delete(&Api::of(&fabric), "unwanted", "drain").await;
    fabric.process.kill9();
    let fabric = Fabric::start(&args).await;
    let api = Api::of(&fabric);
    assert_refuses_calls(&[&fabric], "wanted").await;
    // A pause holds also while a function drains; who does not want to wait says so.
    delete(&api, "unwanted", "dead-letter").await;
    api.gone("unwanted").await;
    assert_eq!(api.get(&format!("/calls/{buried}")).await["state"], "dead");
    let again = json!({"annotations": {"fabric.upstream": server.url("/ok/again")}});
    api.asked(200, Method::PUT, "/functions/wanted", &again).await;
    eventually(async || {
        let record = api.get(&format!("/calls/{kept}")).await;
        if record["state"] == "succeeded" { Ok(()) } else { Err(record.to_string()) }
    })
    .await;
    assert_eq!(server.calls("/ok/again"), [kept].into());
    fabric.accepted("wanted", &[], "x").await;
}
