//! Whatever a tenant asks for, with whatever rights in his own namespace, he learns nothing of another one and changes
//! nothing of his.
//!
//! Every route that there is, is walked: those of the OpenAPI document, those below `/system/`, those of the public
//! listener. Each is asked for what is the victim's, and for what is nobody's: the two answers must not differ. A route
//! that is added is walked as well; one with a kind of name that is not known here fails the test.

use std::collections::BTreeSet;

use fabric::admin::DOCUMENT;
use fabric::admin::route::TABLE;
use fabric::gateway::route::Route;
use fabric::gateway::system::route::TABLE as SYSTEM;
use fabric::identity::need::Need;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::client::Answer;

use super::asker::Asker;
use super::world::{MALLORY, VICTIM, World, call};

/// A name that is nobody's, as long as the victim's, and no word of any answer.
const NOBODY: &str = "qwerty";

/// Who is asked about.
struct About {
    name: &'static str,
    letter: u64,
    key: String,
}

/// A request.
struct Probe {
    method: Method,
    url: String,
    body: Value,
}

impl About {
    /// What stands in the braces of a path.
    fn named(&self, template: &str) -> Vec<String> {
        let name = self.name;
        let braces = template.split('/').find(|part| part.starts_with('{'));
        match (template.split('/').nth(1).unwrap(), braces) {
            (_, None) => vec![String::new()],
            ("scale", _) if template.contains("queues") => vec![format!("{name}-q")],
            ("functions" | "scale", _) => vec![format!("{name}-f.{name}"), format!("{name}-held.{name}")],
            ("namespaces", _) => vec![name.into()],
            ("queues", _) => vec![format!("{name}-q")],
            ("calls", _) => ["ended", "waits"].map(|id| format!("{name}-{id}")).into(),
            ("dead-letters", _) => vec![self.letter.to_string()],
            ("keys", _) => vec![self.key.clone()],
            ("system", _) if template.contains("namespace") => vec![name.into()],
            ("system", _) => vec![format!("{name}-f.{name}")],
            (other, _) => panic!("{template}: say what a name of {other} is"),
        }
    }

    /// What a list may be asked to be about.
    fn queries(&self) -> Vec<String> {
        let name = self.name;
        let function = format!("function={name}-held.{name}");
        vec![
            String::new(),
            format!("namespace={name}"),
            function.clone(),
            format!("{function}&queue={name}-q"),
            format!("queue={name}-q"),
            format!("call={name}-dead"),
            format!("contains={name}"),
            format!("confirm={name}-q"),
            format!("confirm={name}-q&{function}"),
            "dry_run=true".into(),
            "limit=1000".into(),
        ]
    }

    /// What is sent, by the names of fields: each route takes one of them, and refuses the others.
    fn bodies(&self, method: &Method) -> Vec<Value> {
        if matches!(*method, Method::GET | Method::HEAD) {
            return vec![Value::Null];
        }
        let name = self.name;
        let annotations = json!({"fabric.paused": "true", "fabric.upstream": "http://127.0.0.1:9"});
        vec![
            Value::Null,
            json!({"annotations": annotations}),
            json!({"annotations": {"fabric.paused": "true"}}),
            json!({"annotations": {"fabric.weight": "1"}}),
            json!({"service": format!("{name}-f"), "namespace": name, "annotations": annotations}),
            json!({"functionName": format!("{name}-f"), "namespace": name}),
            json!({"functionName": format!("{name}-f.{name}")}),
            json!({"name": name, "annotations": {"fabric.weight": "1"}}),
            json!({"name": "x", "scopes": ["read"], "namespaces": [name]}),
            json!({"name": "x", "scopes": ["read"], "namespaces": ["*"]}),
            json!({"name": "x", "scopes": ["admin"], "namespaces": [name, MALLORY]}),
            json!({"filter": "trace"}),
        ]
    }

    fn probes(&self, base: &str, method: &Method, template: &str) -> Vec<Probe> {
        let mut probes = Vec::new();
        for name in self.named(template) {
            let path = match (template.find('{'), template.find('}')) {
                (Some(from), Some(to)) => format!("{}{name}{}", &template[..from], &template[to + 1..]),
                _ => template.to_owned(),
            };
            let mut probe = |query: String, body| {
                probes.push(Probe { method: method.clone(), url: format!("{base}{path}{query}"), body });
            };
            for query in self.queries() {
                probe(format!("?{query}"), Value::Null);
            }
            for body in self.bodies(method) {
                probe(String::new(), body);
            }
        }
        probes
    }

    /// An answer, with what was asked about by name taken out.
    fn told(&self, answer: &Answer) -> (StatusCode, String) {
        let body = String::from_utf8_lossy(&answer.body).replace(self.name, "NAME").replace(&self.key, "KEY");
        let letter = [format!("dead-letters/{}", self.letter), format!("dead letter {};", self.letter)];
        (answer.status, letter.iter().fold(body, |body, it| body.replace(it, "LETTER")))
    }
}

fn victim(world: &World) -> About {
    About { name: VICTIM, letter: world.letter, key: world.key.clone() }
}

fn nobody(world: &World) -> About {
    About { name: NOBODY, letter: 999_999, key: "0".repeat(world.key.len()) }
}

/// Asks for one thing of both, and holds the answers against each other; what is not named must not be told at all.
async fn walk(world: &World, by: &Asker, who: &str, base: &str, method: &Method, template: &str) -> usize {
    let (victim, nobody) = (victim(world), nobody(world));
    let both = victim.probes(base, method, template).into_iter().zip(nobody.probes(base, method, template));
    let mut count = 0;
    for (asked, other) in both {
        let answer = by.ask(asked.method.clone(), &asked.url, &[], &asked.body).await;
        let Probe { method: same, url: other_url, body: other_body } = other;
        let expected = by.ask(same, &other_url, &[], &other_body).await;
        let said = format!("{who}: {method} {} {}", asked.url, asked.body);
        // The same request twice is not always the same: what is his own may be gone by the first one.
        if asked.url != other_url || asked.body != other_body {
            assert_eq!(victim.told(&answer), nobody.told(&expected), "{said}");
        }
        let is_fault = answer.status.is_server_error() && answer.status != StatusCode::NOT_IMPLEMENTED;
        assert!(!is_fault, "{said}: {}", answer.status);
        let names_him = asked.url.contains(VICTIM) || asked.body.to_string().contains(VICTIM);
        if !names_him {
            assert!(!String::from_utf8_lossy(&answer.body).contains(VICTIM), "{said}: {:?}", answer.body);
        }
        assert!(!format!("{:?}", answer.headers).contains(VICTIM), "{said}: {:?}", answer.headers);
        count += 1;
    }
    count
}

/// The operations of the document.
fn documented() -> BTreeSet<(String, String)> {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let one = |(path, operations): (&String, &Value)| {
        let methods: Vec<String> = operations.as_object().unwrap().keys().map(|it| it.to_uppercase()).collect();
        methods.into_iter().map(|method| (method, path.clone())).collect::<Vec<_>>()
    };
    paths.flat_map(one).collect()
}

/// What leads to each route of the public listener. A route that is added does not compile until it is here.
fn public(about: &About) -> Vec<(Method, String)> {
    let name = about.name;
    let all = [
        format!("/async-function/{name}-f.{name}/path?x=1"),
        format!("/function/{name}-f.{name}"),
        format!("/async-function/{name}-waits"),
        format!("/calls/{name}-ended"),
        format!("/calls/{name}-waits"),
        format!("/calls/{name}-ended?wait=1s"),
        format!("/calls/{name}-waits/explain"),
        "/healthz".into(),
        format!("/system/function/{name}-f.{name}"),
        "/".into(),
        format!("/{name}"),
    ];
    let mut seen = BTreeSet::new();
    for path in &all {
        seen.insert(match Route::of(path.split('?').next().unwrap()) {
            Route::Enqueue(_) => 0,
            Route::Forward(_) => 1,
            Route::Call(_) => 2,
            Route::Explain(_) => 3,
            Route::Health => 4,
            Route::System => 5,
            Route::Root => 6,
            Route::Unknown => 7,
        });
    }
    assert_eq!(seen.len(), 8, "every route is led to");
    let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
    all.iter().flat_map(|path| methods.clone().map(|method| (method, path.clone()))).collect()
}

#[tokio::test]
async fn whatever_a_tenant_asks_for_he_learns_nothing_of_another() {
    learns_nothing(World::new().await).await;
}

#[tokio::test]
async fn nor_does_he_on_nats() {
    learns_nothing(World::on_nats().await).await;
}

async fn learns_nothing(world: World) {
    let before = world.state().await;
    let known: BTreeSet<_> = TABLE.iter().map(|(method, path, _)| (method.to_string(), (*path).to_owned())).collect();
    assert_eq!(documented(), known);
    let api = format!("{}/admin/v1", world.fabric.admin);
    let mut askers = vec![("nobody".to_owned(), Asker::nobody())];
    for scopes in [&["invoke"][..], &["read"], &["operate"], &["admin"]] {
        let (_, key) = world.admin.key(&world.fabric, &format!("{MALLORY}'s"), scopes, MALLORY).await;
        askers.push((format!("{MALLORY}, {scopes:?}"), Asker::with(&key)));
    }
    let mut count = 0;
    for (who, by) in &askers {
        for (method, path) in documented() {
            // It never ends; a test of its own listens to it.
            if path != "/events" {
                count += walk(&world, by, who, &api, &method.parse().unwrap(), &path).await;
            }
        }
        for base in [&world.fabric.admin, &world.fabric.public] {
            for (method, template, _) in &SYSTEM {
                count += walk(&world, by, who, base, method, template).await;
            }
        }
        for path in ["/metrics", "/readyz", "/ui/", "/healthz", "/"] {
            count += walk(&world, by, who, &world.fabric.admin, &Method::GET, path).await;
        }
        let (victim, nobody) = (victim(&world), nobody(&world));
        for ((method, path), (_, other)) in public(&victim).into_iter().zip(public(&nobody)) {
            let ask = async |path: &str| {
                let url = format!("{}{path}", world.fabric.public);
                by.ask(method.clone(), &url, &[], &json!("body")).await
            };
            assert_eq!(victim.told(&ask(&path).await), nobody.told(&ask(&other).await), "{who}: {method} {path}");
            count += 1;
        }
    }
    assert!(count > 5_000, "{count} requests");
    assert_eq!(world.state().await, before, "and he has changed nothing");
    let ready = world.admin.get(&format!("{}/readyz", world.fabric.admin)).await;
    assert_eq!(ready.status, StatusCode::OK, "nor is anything drained");
}

#[tokio::test]
async fn a_tenant_has_what_is_his_own() {
    let world = World::new().await;
    let api = format!("{}/admin/v1", world.fabric.admin);
    let (_, key) = world.admin.key(&world.fabric, "own", &["operate", "invoke"], MALLORY).await;
    let mallory = Asker::with(&key);
    for (path, count) in [
        ("/functions".to_owned(), 3),
        ("/namespaces".into(), 1),
        // His own, and the two that everybody has.
        ("/queues".into(), 3),
        (format!("/calls?function={MALLORY}-held.{MALLORY}"), 3),
        ("/dead-letters".into(), 1),
    ] {
        let told = mallory.get(&format!("{api}{path}")).await.json();
        assert_eq!(told["items"].as_array().unwrap().len(), count, "{path}: {told}");
    }
    let queue = mallory.get(&format!("{api}/queues/{MALLORY}-q")).await.json();
    assert_eq!((&queue["calls"], &queue["annotations"]["com.openfaas.retry.attempts"]), (&json!(2), &json!("1")));
    let hidden = mallory.get(&format!("{api}/queues/{VICTIM}-q")).await.json();
    assert_eq!(hidden["calls"], 0, "as one that nobody uses");
    assert!(!hidden.to_string().contains("attempts"), "{hidden}");
    let activity = mallory.get(&format!("{api}/activity")).await.json();
    assert_eq!(
        (&activity["in_flight"], &activity["backlog"], activity.get("dead_letters")),
        (&json!(1), &json!(1), None)
    );
    let letter = mallory.get(&format!("{api}/dead-letters")).await.json()["items"][0]["number"].clone();
    let redriven = mallory.done(Method::POST, &format!("{api}/dead-letters/{letter}/redrive"), &Value::Null).await;
    assert_eq!(redriven.json()["done"], 1);
    let cancelled = mallory.done(Method::DELETE, &format!("{api}/calls/{MALLORY}-waits"), &Value::Null).await;
    assert_eq!(cancelled.json()["state"], "cancelled");
    call(&world.fabric, &mallory, &format!("{MALLORY}-f.{MALLORY}"), "his", &[]).await;
    let url = format!("{}/calls/his?wait=10s", world.fabric.public);
    assert_eq!(mallory.get(&url).await.json()["state"], "succeeded");
    let metrics = mallory.get(&format!("{}/metrics", world.fabric.admin)).await;
    assert_eq!(metrics.status, StatusCode::FORBIDDEN, "they are everybody's");
    assert_eq!(world.admin.get(&format!("{}/metrics", world.fabric.admin)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_tenant_hears_of_his_own_calls_only() {
    let world = World::new().await;
    let (_, key) = world.admin.key(&world.fabric, "own", &["read"], MALLORY).await;
    let events = format!("{}/admin/v1/events?max=3", world.fabric.admin);
    let mallory = Asker::with(&key);
    let calls = async {
        for n in 0.. {
            // The victim's first each time: one of them would be heard of before.
            for tenant in [VICTIM, MALLORY] {
                let id = format!("{tenant}-told-{n}");
                call(&world.fabric, &world.admin, &format!("{tenant}-f.{tenant}"), &id, &[]).await;
            }
        }
    };
    let heard = tokio::select! {
        heard = mallory.get(&events) => heard,
        () = calls => unreachable!(),
    };
    let heard = String::from_utf8_lossy(&heard.body);
    assert_eq!(heard.matches("\ndata: ").count(), 3, "{heard}");
    assert!(heard.contains(MALLORY) && !heard.contains(VICTIM), "{heard}");
}

/// An id that a caller chooses is one for the whole fabric: whoever chooses another tenant's is told to choose another
/// one, and what became of that call stays told to whom it belongs.
#[tokio::test]
async fn another_tenants_id_is_not_to_be_had() {
    let world = World::new().await;
    let (_, key) = world.admin.key(&world.fabric, "own", &["invoke"], MALLORY).await;
    let url = format!("{}/async-function/{MALLORY}-f.{MALLORY}", world.fabric.public);
    let before = world.state().await;
    for id in ["victim-ended", "victim-waits", "victim-runs"] {
        let answer = Asker::with(&key).ask(Method::POST, &url, &[("x-call-id", id)], &json!("x")).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{id}");
        assert!(!String::from_utf8_lossy(&answer.body).replace(id, "").contains(VICTIM), "{:?}", answer.body);
        // Said to this hop only, it is not said of the call: that gets an id of its own.
        let hop = [("x-call-id", id), ("connection", "close, x-call-id")];
        let answer = Asker::with(&key).ask(Method::POST, &url, &hop, &json!("x")).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{id}");
        assert_ne!(answer.header("x-call-id"), id);
        let told = world.admin.get(&format!("{}/admin/v1/calls/{id}", world.fabric.admin)).await.json();
        assert_eq!(told["function"].as_str().map(|it| it.ends_with(VICTIM)), Some(true), "{told}");
    }
    // Nor is the one that stands for an idempotency key.
    let function = proto::Function::parse(&format!("{VICTIM}-f.{VICTIM}")).unwrap();
    let guessed = proto::CallId::for_idempotency_key(&function, b"order-1234").to_string();
    let answer = Asker::with(&key).ask(Method::POST, &url, &[("x-call-id", &guessed)], &json!("x")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{:?}", answer.body);
    assert_eq!(world.state().await, before);
}

#[test]
fn every_route_says_what_it_needs() {
    let open: Vec<_> = TABLE.iter().filter(|(_, _, it)| it.need() == Need::Nothing).map(|(_, path, _)| *path).collect();
    assert_eq!(open, ["/openapi.json"], "what is open is decided here as well");
    let open: Vec<_> = SYSTEM.iter().filter(|(_, _, need)| *need == Need::Nothing).map(|(_, path, _)| *path).collect();
    assert_eq!(open, ["/healthz", "/healthz"]);
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    for (method, path, operation) in &TABLE {
        let told = &document["paths"][path][method.as_str().to_lowercase()];
        let scopes = |scopes: &[proto::key::Scope]| {
            let names: Vec<&str> = scopes.iter().map(|it| it.as_str()).collect();
            json!([{"key": names}])
        };
        let (security, reach) = match operation.need() {
            Need::Nothing => (json!([]), None),
            Need::Somebody => (Value::Null, None),
            Need::Scope(needed) => (scopes(needed), None),
            Need::Fabric(needed) => (scopes(&[needed]), Some(&json!("all"))),
        };
        let said = (told.get("security").cloned().unwrap_or_default(), told.get("x-reach").cloned());
        assert_eq!(said, (security, reach.cloned()), "{method} {path}");
    }
}
