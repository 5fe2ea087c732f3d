//! Records that several people change: what is written on a condition, and how soon everybody follows.

use std::time::Instant;

use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;

use super::api::Api;
use crate::limits::Cluster;

fn at(url: &str) -> Value {
    json!({"annotations": {"fabric.upstream": url}})
}

#[tokio::test]
async fn who_says_what_he_has_read_is_told_if_somebody_was_quicker() {
    let (nats, dir) = (Nats::start().await, tempfile::tempdir().unwrap());
    let url = nats.url();
    for place in [["--broker", &url], ["--data-dir", dir.path().to_str().unwrap()]] {
        let fabric = Fabric::start(&[&["serve"], place.as_slice()].concat()).await;
        let api = Api::of(&fabric);
        for path in ["/functions/f", "/namespaces/acme", "/queues/q"] {
            let bodies = match path {
                "/functions/f" => [at("http://a"), at("http://b")],
                "/queues/q" => ["1s", "2s"].map(|wait| json!({"annotations": {"com.openfaas.retry.min_wait": wait}})),
                _ => ["1", "2"].map(|weight| json!({"annotations": {"fabric.weight": weight}})),
            };
            let put = async |headers: &[(&str, &str)], n: usize| api.ask(Method::PUT, path, headers, &bodies[n]).await;
            assert_eq!(put(&[("if-match", "\"1\"")], 0).await.status, StatusCode::PRECONDITION_FAILED, "there is none");
            let made = put(&[("if-none-match", "*")], 0).await;
            assert_eq!(made.status, StatusCode::CREATED);
            let refused = put(&[("if-none-match", "*")], 1).await;
            assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED);
            assert_eq!(refused.json()["revision"], made.json()["revision"], "what is there is said");
            let first = made.header("etag").to_owned();
            assert_eq!(api.asked(200, Method::GET, path, &Value::Null).await.header("etag"), first);

            let matching = [("if-match", first.as_str())];
            let both = join_all((0..2).map(|n| api.ask(Method::PUT, path, &matching, &bodies[n]))).await;
            let mut statuses = both.iter().map(|it| it.status.as_u16()).collect::<Vec<_>>();
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 412], "two operators at once: one wins, the other is told");
            let stale = api.ask(Method::DELETE, path, &[("if-match", &first)], &Value::Null).await;
            assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
            assert_eq!(put(&[], 1).await.status, StatusCode::OK, "without a condition the last one wins");
            let tag = api.asked(200, Method::GET, path, &Value::Null).await.header("etag").to_owned();
            let deleted = api.ask(Method::DELETE, path, &[("if-match", &tag)], &Value::Null).await;
            assert!(deleted.status.is_success());
        }
    }
}

#[tokio::test]
async fn patches_of_several_people_are_all_there() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["dev", "--data-dir", dir.path().to_str().unwrap()]).await;
    let api = Api::of(&fabric);
    api.put("/functions/f", &at("http://a")).await;
    let label = |n: usize| json!({"labels": {n.to_string(): "mine"}});
    let patches = (0..10).map(label).collect::<Vec<_>>();
    let patched = join_all(patches.iter().map(|it| api.asked(200, Method::PATCH, "/functions/f", it))).await;
    let mut revisions: Vec<u64> = patched.iter().map(|it| it.json()["revision"].as_u64().unwrap()).collect();
    revisions.sort_unstable();
    revisions.dedup();
    assert_eq!(revisions.len(), 10);
    assert_eq!(api.get("/functions/f").await["labels"].as_object().unwrap().len(), 10);
}

#[tokio::test]
async fn a_list_comes_in_pages_that_make_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    let api = Api::of(&fabric);
    let mut names: Vec<String> = (0..25).map(|n| format!("f{n}.acme")).collect();
    for name in &names {
        api.put(&format!("/functions/{name}"), &at("http://a")).await;
    }
    names.sort_unstable();
    let (mut seen, mut path) = (Vec::new(), "/functions?limit=10".to_owned());
    loop {
        let page = api.get(&path).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 10);
        seen.extend(items.iter().map(|it| it["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/functions?limit=10&cursor={next}");
    }
    assert_eq!(seen, names);
}

/// Changed in one place, followed in every process; none of the calls that are on their way is lost or runs twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_raised_under_load_and_no_call_notices() {
    let (cluster, server) = (Cluster::start(2, &[]).await, Server::start().await);
    let annotations = json!({"fabric.upstream": server.url("/sleep/100"), "fabric.concurrency": "5"});
    let api = Api::of(&cluster.gateway);
    api.put("/functions/f", &json!({"annotations": annotations})).await;
    let ids = cluster.gateway.accepted_many("f", &[], 1_500).await;
    eventually(async || match server.seen("/sleep").len() {
        50.. => Ok(()),
        seen => Err(format!("{seen} ran")),
    })
    .await;
    assert_eq!(server.running_max(), 5);
    let raised = Instant::now();
    let patch = json!({"annotations": {"fabric.concurrency": "50"}});
    api.asked(200, Method::PATCH, "/functions/f", &patch).await;
    eventually(async || match server.running_max() {
        max @ 40..=50 => Ok(max),
        max => Err(format!("{max} at once at most")),
    })
    .await;
    println!("40 ran at once {:.2} s after the limit was raised from 5 to 50", raised.elapsed().as_secs_f64());
    eventually(async || match server.seen("/sleep").len() {
        seen if seen >= ids.len() => Ok(()),
        seen => Err(format!("{seen} ran")),
    })
    .await;
    assert!(server.running_max() <= 50);
    for worker in &cluster.workers {
        eventually(async || if worker.in_flight().await == 0 { Ok(()) } else { Err("some are not settled") }).await;
    }
    assert_eq!((server.calls("/sleep"), server.seen("/sleep").len()), (ids.clone(), ids.len()), "each of them once");
}
