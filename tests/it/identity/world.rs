//! Two tenants on one fabric, each with something of everything there is. All that is one tenant's has his name in it.

use http::Method;
use serde_json::{Value, json};
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;

use super::asker::{Asker, locked};

/// The one who asks.
pub(super) const MALLORY: &str = "mallory";
/// The one of whom he is to learn nothing.
pub(super) const VICTIM: &str = "victim";

pub(super) struct World {
    pub(super) fabric: Fabric,
    pub(super) admin: Asker,
    /// The number of the victim's dead letter.
    pub(super) letter: u64,
    /// The id of the victim's key.
    pub(super) key: String,
    _server: Server,
    _store: Store,
}

/// Where it keeps what it has, for as long as it is there.
#[expect(dead_code, reason = "held, and not looked at")]
enum Store {
    Directory(tempfile::TempDir),
    Nats(Nats),
}

impl World {
    pub(super) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let fabric = locked(&["serve", "--data-dir", dir.path().to_str().unwrap(), "--pre-stop", "0s"]).await;
        Self::of(fabric, Store::Directory(dir)).await
    }

    pub(super) async fn on_nats() -> Self {
        let nats = Nats::start().await;
        let fabric = locked(&["serve", "--broker", &nats.url(), "--pre-stop", "0s"]).await;
        Self::of(fabric, Store::Nats(nats)).await
    }

    async fn of(fabric: Fabric, store: Store) -> Self {
        let server = Server::start().await;
        let (admin, api) = (Asker::admin(), format!("{}/admin/v1", fabric.admin));
        for tenant in [VICTIM, MALLORY] {
            let put = async |path: String, body: Value| admin.done(Method::PUT, &format!("{api}{path}"), &body).await;
            put(format!("/namespaces/{tenant}"), json!({"annotations": {"fabric.weight": "3"}})).await;
            put(format!("/queues/{tenant}-q"), json!({"annotations": {"com.openfaas.retry.attempts": "1"}})).await;
            for (name, path) in [("f", "/ok"), ("held", "/hold"), ("down", "/status/500")] {
                let annotations = json!({
                    "fabric.upstream": server.url(path),
                    "fabric.concurrency": "1",
                    // What is held is held for as long as the walk takes.
                    "fabric.timeout": "1h",
                    "com.openfaas.queue": format!("{tenant}-q"),
                });
                put(format!("/functions/{tenant}-{name}.{tenant}"), json!({"annotations": annotations})).await;
            }
            call(&fabric, &admin, &format!("{tenant}-f.{tenant}"), &format!("{tenant}-ended"), &[]).await;
            let is = async |id: &str, state: &str| {
                let url = format!("{api}/calls/{tenant}-{id}");
                eventually(async || {
                    let record = admin.get(&url).await.json();
                    if record["state"] == state { Ok(()) } else { Err(record.to_string()) }
                })
                .await;
            };
            call(&fabric, &admin, &format!("{tenant}-held.{tenant}"), &format!("{tenant}-runs"), &[]).await;
            // Only then is it the other one that waits.
            is("runs", "running").await;
            call(&fabric, &admin, &format!("{tenant}-held.{tenant}"), &format!("{tenant}-waits"), &[]).await;
            let later = [("x-delay", "1h")];
            call(&fabric, &admin, &format!("{tenant}-held.{tenant}"), &format!("{tenant}-later"), &later).await;
            call(&fabric, &admin, &format!("{tenant}-down.{tenant}"), &format!("{tenant}-dead"), &[]).await;
            is("ended", "succeeded").await;
            is("dead", "dead").await;
        }
        let letters = admin.get(&format!("{api}/dead-letters?namespace={VICTIM}")).await.json();
        let letter = letters["items"][0]["number"].as_u64().unwrap();
        let (key, _) = admin.key(&fabric, "victim's own", &["admin"], VICTIM).await;
        Self { fabric, admin, letter, key, _server: server, _store: store }
    }

    /// All of the victim's that a change would show in.
    pub(super) async fn state(&self) -> Value {
        let read = async |path: String| self.admin.get(&format!("{}/admin/v1{path}", self.fabric.admin)).await.json();
        let mut state = serde_json::Map::new();
        for path in [
            format!("/functions/{VICTIM}-f.{VICTIM}"),
            format!("/functions/{VICTIM}-held.{VICTIM}"),
            format!("/namespaces/{VICTIM}"),
            format!("/queues/{VICTIM}-q"),
            format!("/calls/{VICTIM}-ended"),
            format!("/calls/{VICTIM}-waits"),
            format!("/calls/{VICTIM}-later"),
            format!("/dead-letters/{}", self.letter),
            format!("/dead-letters?namespace={VICTIM}"),
            format!("/calls?function={VICTIM}-held.{VICTIM}"),
            format!("/keys/{}", self.key),
            "/log".into(),
        ] {
            let told = read(path.clone()).await;
            // How many letters there are in all is not his alone.
            let told = told.get("items").cloned().unwrap_or(told);
            state.insert(path, told);
        }
        Value::Object(state)
    }
}

/// A call of an id.
pub(super) async fn call(fabric: &Fabric, by: &Asker, function: &str, id: &str, more: &[(&str, &str)]) {
    let url = format!("{}/async-function/{function}", fabric.public);
    let headers: Vec<_> = more.iter().copied().chain([("x-call-id", id)]).collect();
    let answer = by.ask(Method::POST, &url, &headers, &json!(function)).await;
    assert_eq!(answer.status, 202, "{:?}", answer.body);
}
