//! What a caller can ask of a call it has made, and what an operator can do with those that died.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;
use tokio::time::Instant;

struct World {
    _nats: Option<Nats>,
    server: Server,
    fabric: Fabric,
    client: Client,
}

impl World {
    async fn embedded(dir: &tempfile::TempDir) -> Self {
        let dir = dir.path().to_str().unwrap();
        Self::of(None, &["serve", "--data-dir", dir, "--allow-private-callbacks", "--pre-stop", "0s"]).await
    }

    async fn jetstream() -> Self {
        let nats = Nats::start().await;
        let url = nats.url();
        Self::of(Some(nats), &["serve", "--broker", &url, "--allow-private-callbacks", "--pre-stop", "0s"]).await
    }

    async fn of(nats: Option<Nats>, args: &[&str]) -> Self {
        let (server, fabric) = (Server::start().await, Fabric::start(args).await);
        Self { _nats: nats, server, fabric, client: Client::default() }
    }

    async fn register(&self, name: &str, path: &str, more: Value) {
        let mut annotations = json!({"fabric.upstream": self.server.url(path)});
        annotations.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.fabric.register(name, annotations).await;
    }

    async fn get(&self, id: &str, query: &str) -> Value {
        let url = format!("{}/calls/{id}{query}", self.fabric.public);
        let answer = self.client.get(&url).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        answer.json()
    }

    async fn delete(&self, path: &str) -> Answer {
        self.client.send(Method::DELETE, &format!("{}{path}", self.fabric.public), &[], "").await.unwrap()
    }

    async fn admin(&self, method: Method, path: &str) -> Value {
        let url = format!("{}/admin/v1/dead-letters{path}", self.fabric.admin);
        let answer = self.client.send(method, &url, &[], "").await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        answer.json()
    }

    async fn until(&self, id: &str, state: &str) -> Value {
        eventually(async || {
            let record = self.get(id, "").await;
            if record["state"] == state { Ok(record) } else { Err(record.to_string()) }
        })
        .await
    }
}

#[tokio::test]
async fn a_call_is_told_of_from_its_first_moment_to_its_end() {
    for world in [World::embedded(&tempfile::tempdir().unwrap()).await, World::jetstream().await] {
        world.register("held", "/hold", json!({})).await;
        let id = world.fabric.accepted("held", &[], "me").await;
        let first = world.get(&id, "").await;
        assert!(["ready", "running"].contains(&first["state"].as_str().unwrap()), "{first}");
        let running = world.until(&id, "running").await;
        assert_eq!((&running["deliveries"], &running["function"]), (&json!(1), &json!("held.openfaas-fn")));
        let short = Instant::now();
        assert_eq!(world.get(&id, "?wait=300ms").await["state"], "running");
        assert!(short.elapsed() >= Duration::from_millis(300), "it waits as long as it is asked to");
        let wait = world.get(&id, "?wait=60s");
        let release = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            world.server.release();
        };
        let (end, ()) = tokio::join!(wait, release);
        assert_eq!((&end["state"], &end["status"], &end["attempts"]), (&json!("succeeded"), &json!(200), &json!(1)));
        assert_eq!(end["result"]["text"], "answer to me");
        assert_eq!(end["history"][0]["what"], "succeeded");
        assert!(short.elapsed() < Duration::from_secs(30), "the end is told when it comes");
    }
}

#[tokio::test]
async fn a_delayed_call_waits_and_an_expired_one_is_never_started() {
    for world in [World::embedded(&tempfile::tempdir().unwrap()).await, World::jetstream().await] {
        world.register("f", "/ok", json!({})).await;
        world.register("held", "/ok", json!({"fabric.paused": "true"})).await;
        let began = Instant::now();
        let delayed = world.fabric.accepted("f", &[("x-delay", "1500ms")], "").await;
        let waiting = world.get(&delayed, "").await;
        assert_eq!(waiting["state"], "waiting", "{waiting}");
        assert_eq!(world.get(&delayed, "?wait=30s").await["state"], "succeeded");
        assert!(began.elapsed() >= Duration::from_millis(1450), "{:?}", began.elapsed());
        let callback = world.server.url("/callback");
        let headers = [("x-expires-in", "100ms"), ("x-callback-url", callback.as_str())];
        let late = world.fabric.accepted("held", &headers, "").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.register("held", "/ok", json!({"fabric.paused": "false"})).await;
        assert_eq!(world.get(&late, "?wait=30s").await["state"], "expired");
        eventually(async || world.server.seen("/callback").pop().ok_or("not called back")).await;
        let told = world.server.seen("/callback").pop().unwrap();
        assert_eq!((told.header("x-call-state"), told.header("x-function-status")), ("expired", "408"));
        assert_eq!(world.server.count("/ok"), 1);
    }
}

#[tokio::test]
async fn a_call_is_cancelled_wherever_it_is() {
    for world in [World::embedded(&tempfile::tempdir().unwrap()).await, World::jetstream().await] {
        world.register("held", "/hold", json!({"fabric.concurrency": "1"})).await;
        let running = world.fabric.accepted("held", &[], "").await;
        eventually(async || if world.server.running() == 1 { Ok(()) } else { Err("it does not run yet") }).await;
        world.until(&running, "running").await;
        let queued = world.fabric.accepted("held", &[], "").await;
        let delayed = world.fabric.accepted("held", &[("x-delay", "1h")], "").await;
        let last = world.fabric.accepted("held", &[], "").await;
        for path in [format!("/calls/{queued}"), format!("/async-function/{delayed}"), format!("/calls/{running}")] {
            let answer = world.delete(&path).await;
            assert_eq!((answer.status, &answer.json()["state"]), (StatusCode::OK, &json!("cancelled")), "{path}");
        }
        assert_eq!(world.delete(&format!("/calls/{queued}")).await.status, StatusCode::CONFLICT);
        eventually(async || match world.server.seen("/hold").len() {
            2 if world.server.running() == 1 => Ok(()),
            seen => Err(format!("{seen} were seen, {} run", world.server.running())),
        })
        .await;
        world.server.release();
        assert_eq!(world.get(&last, "?wait=30s").await["state"], "succeeded");
        assert_eq!(world.server.calls("/hold"), [running, last].into());
    }
}

#[tokio::test]
async fn what_died_is_listed_shown_redriven_and_removed() {
    for world in [World::embedded(&tempfile::tempdir().unwrap()).await, World::jetstream().await] {
        world.register("down", "/status/500", json!({"com.openfaas.retry.attempts": "1"})).await;
        let mut dead = Vec::new();
        for n in 0..3 {
            let id = world.fabric.accepted("down/path", &[("x-mine", "yes")], &n.to_string()).await;
            assert_eq!(world.get(&id, "?wait=30s").await["state"], "dead");
            dead.push(id);
        }
        // A call is told to be dead a moment before its letter lies there.
        let page = eventually(async || {
            let page = world.admin(Method::GET, "?function=down&reason=exhausted").await;
            if page["count"] == 3 { Ok(page) } else { Err(page.to_string()) }
        })
        .await;
        let letters = page["items"].as_array().unwrap();
        let listed: Vec<&str> = letters.iter().map(|it| it["call"].as_str().unwrap()).collect();
        assert_eq!((listed, &page["count"]), (dead.iter().map(String::as_str).collect(), &json!(3)));
        assert_eq!(world.admin(Method::GET, "?function=other").await["items"], json!([]));

        let number = letters[0]["number"].as_u64().unwrap();
        let whole = world.admin(Method::GET, &format!("/{number}")).await;
        let request = &whole["request"];
        assert_eq!((&request["path"], &request["body"]["text"]), (&json!("/path"), &json!("0")));
        assert_eq!(request["history"][0]["detail"], "status 500 Internal Server Error");
        assert!(request["headers"].as_array().unwrap().contains(&json!(["x-mine", "yes"])), "{request}");

        world.register("down", "/ok", json!({})).await;
        let would = world.admin(Method::POST, "/redrive?function=down&dry_run=true").await;
        assert_eq!((&would["done"], world.server.count("/ok")), (&json!(3), 0));
        let did = world.admin(Method::POST, &format!("/{number}/redrive")).await;
        assert_eq!(did["done"], 1);
        let again = world.until(&dead[0], "succeeded").await;
        assert_eq!(again["redriven"], 1);
        let what: Vec<&str> =
            again["history"].as_array().unwrap().iter().map(|it| it["what"].as_str().unwrap()).collect();
        // A worker may call the old address for a beat.
        assert_eq!((&what[..2], what.last()), (&["retried", "redriven"][..], Some(&"succeeded")));

        assert_eq!(world.admin(Method::DELETE, "?call=nobodys").await["done"], 0);
        assert_eq!(world.admin(Method::DELETE, &format!("?call={}", dead[1])).await["done"], 1);
        assert_eq!(world.admin(Method::POST, "/redrive").await["done"], 1);
        world.until(&dead[2], "succeeded").await;
        assert_eq!(world.admin(Method::GET, "").await, json!({"items": [], "count": 0}));
        assert_eq!(world.server.count("/ok"), 2);
    }
}

#[tokio::test]
async fn after_a_crash_everything_is_still_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::embedded(&dir).await;
    world.register("f", "/ok", json!({})).await;
    world.register("held", "/ok", json!({"fabric.paused": "true"})).await;
    let (ended, waits) = (world.fabric.accepted("f", &[], "x").await, world.fabric.accepted("held", &[], "y").await);
    assert_eq!(world.get(&ended, "?wait=30s").await["state"], "succeeded");
    assert_eq!(world.get(&waits, "").await["state"], "ready");
    world.fabric.process.kill9();
    let args = ["serve", "--data-dir", dir.path().to_str().unwrap(), "--pre-stop", "0s"];
    world.fabric = Fabric::start(&args).await;
    assert_eq!(world.get(&ended, "").await["result"]["text"], "answer to x");
    assert_eq!(world.get(&waits, "").await["state"], "ready");
    assert_eq!(world.delete(&format!("/calls/{waits}")).await.status, StatusCode::OK);
}

/// Until it is seen in the same way by those who serve it: they are told of work, and tell of it, one after the other.
async fn explained(world: &World, id: &str, cause: &Value) -> Value {
    eventually(async || {
        let told = world.get(&format!("{id}/explain"), "").await;
        if told["cause"] == *cause { Ok(told) } else { Err(format!("{cause} wanted: {told}")) }
    })
    .await
}

#[tokio::test]
async fn it_is_explained_what_a_call_waits_for() {
    for world in [World::embedded(&tempfile::tempdir().unwrap()).await, World::jetstream().await] {
        world.register("held", "/hold", json!({"fabric.concurrency": "1"})).await;
        world.register("paused", "/ok", json!({"fabric.paused": "true"})).await;
        let running = world.fabric.accepted("held", &[], "").await;
        world.until(&running, "running").await;
        let queued = [world.fabric.accepted("held", &[], "").await, world.fabric.accepted("held", &[], "").await];
        let delayed = world.fabric.accepted("held", &[("x-delay", "1h")], "").await;
        let paused = world.fabric.accepted("paused", &[], "").await;

        let told = explained(&world, &running, &json!("running")).await;
        assert_eq!((&told["in_flight"], &told["serving"]), (&json!(1), &json!(1)));
        assert!(told.get("ahead").is_none(), "{told}");
        for (n, id) in queued.iter().enumerate() {
            let told = explained(&world, id, &json!({"held": "cluster_limit"})).await;
            assert_eq!(told["ahead"], json!(n + 1), "{told}");
            assert_eq!(told["workers"].as_array().map(Vec::len), Some(1), "{told}");
            assert!(told["summary"].as_str().unwrap().contains("concurrency"), "{told}");
        }
        let told = explained(&world, &delayed, &json!("not_due")).await;
        assert!((3500.0..=3600.0).contains(&told["starts_in_seconds"].as_f64().unwrap()), "{told}");
        explained(&world, &paused, &json!({"held": "paused"})).await;

        world.server.release();
        explained(&world, &running, &json!("ended")).await;
        let unknown = format!("{}/calls/01a1fb8a-0000-72c9-9b96-ce5ec40c3cf3/explain", world.fabric.public);
        assert_eq!(world.client.get(&unknown).await.unwrap().status, StatusCode::NOT_FOUND);
    }
}
