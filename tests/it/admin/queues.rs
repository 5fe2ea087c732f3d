//! Queues that are paused and purged.

use futures_util::TryStreamExt;
use http::Method;
use serde_json::{Value, json};
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;

use super::api::Api;

async fn eventually_in_state(api: &Api, id: &str, state: &str) -> Value {
    eventually(async || {
        let record = api.ask(Method::GET, &format!("/calls/{id}"), &[], &Value::Null).await.json();
        if record["state"] == state { Ok(record) } else { Err(record.to_string()) }
    })
    .await
}

#[tokio::test]
async fn a_paused_queue_starts_nothing_until_it_is_resumed() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    let worker = Fabric::start(&["worker", "--broker", &nats.url()]).await;
    let api = Api::of(&gateway);
    for (name, queue) in [("slow", "slow"), ("other", "default")] {
        let annotations = json!({"fabric.upstream": server.url(&format!("/ok/{name}")), "com.openfaas.queue": queue});
        api.put(&format!("/functions/{name}"), &json!({"annotations": annotations})).await;
    }
    // Paused before anything is set for it, and kept beside what is.
    api.post("/queues/slow/pause").await;
    let settings = json!({"annotations": {"fabric.paused": "true", "com.openfaas.retry.attempts": "3"}});
    api.put("/queues/slow", &settings).await;
    let ids = gateway.accepted_many("slow", &[], 20).await;
    let other = gateway.accepted("other", &[], "x").await;
    eventually_in_state(&api, &other, "succeeded").await;
    eventually(async || match worker.waits_for("slow").await.as_deref() {
        Some("paused") => Ok(()),
        other => Err(format!("it waits for {other:?}")),
    })
    .await;
    assert_eq!(server.count("/ok/slow"), 0);
    assert_eq!(api.get("/queues/slow").await["calls"], 20);
    let resumed = api.post("/queues/slow/resume").await;
    assert_eq!(resumed["annotations"], json!({"com.openfaas.retry.attempts": "3"}));
    eventually(async || match server.calls("/ok/slow").len() {
        20 => Ok(()),
        ran => Err(format!("{ran} ran")),
    })
    .await;
    assert_eq!(server.calls("/ok/slow"), ids);
}

/// Nobody has taken a call that fell due in a paused queue; of one that runs, no record tells where none is kept.
#[tokio::test]
async fn a_purge_finds_what_fell_due_and_leaves_what_may_run() {
    let (nats, dir) = (Nats::start().await, tempfile::tempdir().unwrap());
    let url = nats.url();
    for place in [["--broker", &url], ["--data-dir", dir.path().to_str().unwrap()]] {
        let server = Server::start().await;
        let fabric = Fabric::start(&[&["serve"], place.as_slice()].concat()).await;
        let api = Api::of(&fabric);
        for (name, result) in [("late", "status"), ("untold", "none")] {
            let annotations = json!({
                "fabric.upstream": server.url("/hold"), "com.openfaas.queue": name, "fabric.result": result,
                "fabric.concurrency": "1",
            });
            api.put(&format!("/functions/{name}"), &json!({"annotations": annotations})).await;
        }
        api.post("/queues/late/pause").await;
        let late = fabric.accepted("late", &[("x-delay", "1s")], "x").await;
        let runs = fabric.accepted("untold", &[], "x").await;
        eventually(async || match api.get("/queues/late").await["calls"].as_u64() {
            Some(1) if server.running() == 1 => Ok(()),
            calls => Err(format!("{calls:?} fell due, {} run", server.running())),
        })
        .await;

        let did = api.post("/queues/late/purge?confirm=late").await;
        assert_eq!((&did["done"], &did["left"]), (&json!(1), &json!(0)), "{did}");
        assert_eq!(api.get("/queues/late").await["calls"], 0);
        eventually_in_state(&api, &late, "cancelled").await;

        let did = api.post("/queues/untold/purge?confirm=untold").await;
        assert_eq!((&did["done"], &did["left"]), (&json!(0), &json!(1)), "{did}");
        assert!(did.to_string().contains(&format!("call {runs} was handed to a worker")), "{did}");
        server.release();
        eventually(async || match api.get("/queues/untold").await["calls"].as_u64() {
            Some(0) => Ok(()),
            calls => Err(format!("{calls:?} calls")),
        })
        .await;
        assert_eq!(server.calls("/hold"), [runs].into());
    }
}

/// To look at a queue that nobody has used makes nothing.
#[tokio::test]
async fn looking_at_a_queue_makes_no_stream() {
    let nats = Nats::start().await;
    let fabric = Fabric::start(&["serve", "--broker", &nats.url()]).await;
    let api = Api::of(&fabric);
    let jetstream = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let streams = async || {
        let mut names: Vec<String> = jetstream.stream_names().try_collect().await.unwrap();
        names.sort();
        names
    };
    let before = streams().await;
    assert_eq!(api.get("/queues/typo").await["calls"], 0);
    assert_eq!(api.post("/queues/typo/purge?dry_run=true").await["done"], 0);
    assert_eq!(streams().await, before);
}

/// What waits, what is delayed and what is to be retried ends as cancelled, each caller is told; what runs goes on.
#[tokio::test]
async fn what_a_purge_takes_away_ends_as_cancelled() {
    let (nats, dir) = (Nats::start().await, tempfile::tempdir().unwrap());
    let url = nats.url();
    for place in [["--broker", &url], ["--data-dir", dir.path().to_str().unwrap()]] {
        let server = Server::start().await;
        let args = [&["serve", "--allow-private-callbacks"], place.as_slice()].concat();
        let fabric = Fabric::start(&args).await;
        let api = Api::of(&fabric);
        let set = async |name: &str, path: &str, more: Value| {
            let mut annotations = json!({"fabric.upstream": server.url(path)});
            annotations.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            api.put(&format!("/functions/{name}"), &json!({"annotations": annotations})).await;
        };
        set("held", "/hold", json!({"fabric.concurrency": "2"})).await;
        set("quiet", "/hold", json!({"fabric.paused": "true", "fabric.result": "none"})).await;
        set("down", "/status/503", json!({"com.openfaas.retry.min_wait": "1h", "com.openfaas.retry.max_wait": "1h", "fabric.retry.jitter": "none"})).await;
        let callback = server.url("/callback");
        let tell = [("x-callback-url", callback.as_str())];
        let running = fabric.accepted_many("held", &tell, 2).await;
        eventually(async || if server.running() == 2 { Ok(()) } else { Err("they do not run") }).await;
        let mut waiting = fabric.accepted_many("held", &tell, 30).await;
        waiting.insert(fabric.accepted("held", &[tell[0], ("x-delay", "1h")], "x").await);
        let retried = fabric.accepted("down", &tell, "x").await;
        eventually_in_state(&api, &retried, "waiting").await;
        waiting.insert(retried);
        let untold = fabric.accepted_many("quiet", &tell, 3).await;
        for id in &running {
            eventually_in_state(&api, id, "running").await;
        }

        let would = api.post("/queues/default/purge?dry_run=true").await;
        assert_eq!((&would["done"], &would["left"]), (&json!(35), &json!(2)), "{would}");
        let did = api.post("/queues/default/purge?confirm=default").await;
        assert_eq!((&did["done"], &did["left"], &did["more"]), (&json!(35), &json!(2), &json!(false)), "{did}");
        assert_eq!(api.get("/queues/default").await["calls"], 2, "those that run");
        server.release();
        for id in &running {
            eventually_in_state(&api, id, "succeeded").await;
        }
        let all = &(&running | &waiting) | &untold;
        eventually(async || match server.calls("/callback").len() {
            told if told == all.len() => Ok(()),
            told => Err(format!("{told} of {} were told", all.len())),
        })
        .await;
        assert_eq!((server.calls("/callback"), server.seen("/callback").len()), (all.clone(), all.len()));
        for told in server.seen("/callback") {
            let state = if running.contains(told.header("x-call-id")) { "succeeded" } else { "cancelled" };
            assert_eq!(told.header("x-call-state"), state);
        }
        for id in &waiting {
            eventually_in_state(&api, id, "cancelled").await;
        }
        let held = server.calls("/hold");
        assert_eq!(held, running, "none of the others ran");
        let nothing = api.asked(200, Method::POST, "/queues/default/purge?confirm=default", &Value::Null).await.json();
        assert_eq!(nothing["done"], 0, "{nothing}");
    }
}
