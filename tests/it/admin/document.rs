//! The OpenAPI document tells of every operation, of no other, and of what each answers.

use std::collections::BTreeSet;

use fabric::admin::route::TABLE;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;

use super::api::Api;

fn table() -> BTreeSet<String> {
    TABLE.iter().map(|(method, path, _)| format!("{method} {path}")).collect()
}

#[tokio::test]
async fn the_document_and_the_router_know_the_same_operations() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["dev", "--data-dir", dir.path().to_str().unwrap()]).await;
    let api = Api::of(&fabric);
    let mut told = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, operations) in api.document()["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            told.insert(format!("{} {path}", method.to_uppercase()));
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "two of one name");
            let parameters = operation["parameters"].as_array().into_iter().flatten().map(|it| api.resolved(it));
            let in_path: Vec<String> = parameters
                .filter(|it| it["in"] == "path")
                .map(|it| format!("{{{}}}", it["name"].as_str().unwrap()))
                .collect();
            let braces: Vec<&str> = path.split('/').filter(|it| it.starts_with('{')).collect();
            assert_eq!(in_path, braces, "{method} {path}");
        }
    }
    assert_eq!(told, table());
    assert_eq!(&api.get("/openapi.json").await, api.document(), "what is served is what is checked in");
}

/// Each operation is asked for once at least; [`Api`] holds the answers against their schemas.
#[tokio::test]
async fn every_operation_answers_as_the_document_says() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap(), "--pre-stop", "0s"]).await;
    let api = Api::of(&fabric);
    api.get("/openapi.json").await;
    let at = |path: &str, more: Value| {
        let mut annotations = json!({"fabric.upstream": server.url(path)});
        annotations.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"annotations": annotations, "labels": {"team": "a"}, "image": "i", "envProcess": "p"})
    };
    let made =
        api.asked(201, Method::PUT, "/functions/held.acme", &at("/hold", json!({"fabric.concurrency": "1"}))).await;
    let read = api.get("/functions/held.acme").await;
    assert_eq!(made.json(), read);
    api.asked(200, Method::PUT, "/functions/held.acme", &read).await;
    api.put("/functions/down", &at("/status/500", json!({"com.openfaas.retry.attempts": "1"}))).await;
    api.put("/functions/doomed", &at("/ok", json!({}))).await;
    api.get("/functions?namespace=acme&limit=1").await;
    assert_eq!(api.get("/functions?contains=LD.acm").await["items"].as_array().unwrap().len(), 1);
    let patch = json!({"labels": {"team": null, "tier": "1"}});
    let patched = api.asked(200, Method::PATCH, "/functions/held.acme", &patch).await.json();
    assert_eq!(patched["labels"], json!({"tier": "1"}));

    api.put("/namespaces/acme", &json!({"annotations": {"fabric.weight": "2"}})).await;
    api.get("/namespaces/acme").await;
    api.get("/namespaces/openfaas-fn").await;
    assert_eq!(api.get("/namespaces").await["items"].as_array().unwrap().len(), 2);
    api.asked(204, Method::DELETE, "/namespaces/acme", &Value::Null).await;

    api.put("/queues/slow", &json!({"annotations": {"fabric.retry.jitter": "none"}})).await;
    api.get("/queues").await;
    api.asked(204, Method::DELETE, "/queues/slow", &Value::Null).await;

    assert_eq!(api.get("/whoami").await["who"], "anybody", "nobody has to say who he is");
    let wanted = json!({"name": "ci", "scopes": ["read"], "namespaces": ["acme"], "expires_in": "90d"});
    let key = api.asked(201, Method::POST, "/keys", &wanted).await.json();
    let made = format!("/keys/{}", key["id"].as_str().unwrap());
    assert_eq!((api.get(&made).await.get("key"), &key["namespaces"]), (None, &json!(["acme"])));
    assert!(api.post(&format!("{made}/revoke")).await["revoked_at"].is_string());
    assert_eq!(api.get("/keys?limit=1").await["items"].as_array().unwrap().len(), 1);
    api.asked(204, Method::DELETE, &made, &Value::Null).await;

    let call = async {
        // For as long as nobody is told, there is something to tell.
        loop {
            fabric.accepted("held.other", &[], "x").await;
        }
    };
    api.put("/functions/held.other", &at("/ok", json!({}))).await;
    let events = "/events?function=held.other&namespace=other&ended=true&max=2";
    let told = tokio::select! {
        told = api.asked(200, Method::GET, events, &Value::Null) => told,
        () = call => unreachable!(),
    };
    let told = String::from_utf8_lossy(&told.body);
    assert_eq!(told.matches("\nevent: succeeded\ndata: {").count(), 2, "{told}");
    api.asked(202, Method::DELETE, "/functions/held.other", &Value::Null).await;

    let running = fabric.accepted("held.acme", &[], "x").await;
    eventually(async || if server.running() == 1 { Ok(()) } else { Err("it does not run") }).await;
    let waiting = fabric.accepted("held.acme", &[], "x").await;
    let later = fabric.accepted("held.acme", &[("x-delay", "1h"), ("x-expires-in", "2h")], "x").await;
    let listed = api.get("/calls?function=held.acme&limit=10").await;
    let ids: Vec<&str> = listed["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&running, &waiting, &later]);
    let first = api.get("/calls?function=held.acme&limit=2").await;
    let rest = api.get(&format!("/calls?function=held.acme&cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!((rest["items"][0]["id"].as_str(), rest.get("next")), (Some(&*later), None));
    api.get("/tree").await;
    api.get("/workers").await;
    let processes = api.get("/processes").await;
    assert_eq!((processes["alive"].as_u64(), processes["processes"].as_array().map(Vec::len)), (Some(1), Some(1)));
    let activity = api.get("/activity?limit=1").await;
    assert_eq!((&activity["in_flight"], &activity["backlog"]), (&json!(1), &json!(1)), "{activity}");
    api.get("/scale").await;
    api.get("/scale/functions/held.acme").await;
    api.get("/scale/queues/default").await;
    api.get("/scale/workers?queues=default").await;
    assert_eq!(api.get("/activity?function=held.acme").await["functions"], activity["functions"]);
    assert_eq!(api.get("/functions/held.acme/explain").await["in_flight"], 1);
    assert_eq!(api.get(&format!("/calls/{waiting}/explain")).await["cause"], json!({"held": "cluster_limit"}));
    assert_eq!(api.get(&format!("/calls/{later}/explain")).await["cause"], "not_due");
    api.asked(200, Method::DELETE, &format!("/calls/{waiting}"), &Value::Null).await;
    assert_eq!(api.get(&format!("/calls/{waiting}")).await["state"], "cancelled");
    api.post("/queues/default/pause").await;
    assert_eq!(api.get("/queues/default").await["annotations"], json!({"fabric.paused": "true"}));
    let purged = api.post("/queues/default/purge?confirm=default&function=held.acme&max=5").await;
    assert_eq!((&purged["done"], &purged["left"]), (&json!(1), &json!(1)), "{purged}");
    api.post("/queues/default/resume").await;
    server.release();

    for _ in 0..3 {
        fabric.accepted("down", &[("x-mine", "yes")], "x").await;
    }
    let letters = eventually(async || {
        let letters = api.get("/dead-letters?function=down&reason=exhausted&limit=2").await;
        if letters["count"] == 3 { Ok(letters) } else { Err(letters.to_string()) }
    })
    .await;
    let next = letters["next"].as_str().unwrap();
    assert_eq!(api.get(&format!("/dead-letters?cursor={next}")).await["items"].as_array().unwrap().len(), 1);
    let number = letters["items"][0]["number"].as_u64().unwrap();
    api.get(&format!("/dead-letters/{number}")).await;
    api.post("/dead-letters/redrive?function=down&dry_run=true&rate=10&max_redriven=3").await;
    assert_eq!(api.post(&format!("/dead-letters/{number}/redrive")).await["done"], 1);
    api.asked(200, Method::DELETE, &format!("/dead-letters/{next}"), &Value::Null).await;
    api.asked(200, Method::DELETE, "/dead-letters?queue=default&namespace=openfaas-fn", &Value::Null).await;

    let log = api.get("/log").await;
    assert_eq!(api.put("/log", &log).await, log, "what was read can be written");

    let leaving = api.asked(202, Method::DELETE, "/functions/doomed?backlog=drain", &Value::Null).await.json();
    assert_eq!(leaving["deleting"], "drain");
    api.gone("doomed").await;
    api.asked(202, Method::POST, "/drain", &Value::Null).await;
    assert_eq!(api.done(), table(), "every operation was asked for");
}

#[tokio::test]
async fn every_no_is_a_problem_that_says_what_it_is_about() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["dev", "--data-dir", dir.path().to_str().unwrap()]).await;
    let api = Api::of(&fabric);
    let upstream = json!({"annotations": {"fabric.upstream": "http://a"}});
    for (method, path, body, status, code) in [
        (Method::GET, "/nothing", Value::Null, 404, "no_route"),
        (Method::GET, "/functions/nobody", Value::Null, 404, "unknown_function"),
        (Method::DELETE, "/functions/nobody", Value::Null, 404, "unknown_function"),
        (Method::PATCH, "/functions/nobody", upstream.clone(), 404, "unknown_function"),
        (Method::GET, "/namespaces/nobody", Value::Null, 404, "unknown_namespace"),
        (Method::DELETE, "/namespaces/nobody", Value::Null, 404, "unknown_namespace"),
        (Method::GET, "/calls/nobody", Value::Null, 404, "unknown_call"),
        (Method::GET, "/dead-letters/7", Value::Null, 404, "unknown_letter"),
        (Method::GET, "/keys/7", Value::Null, 404, "unknown_key"),
        (Method::GET, "/keys/No", Value::Null, 400, "bad_request"),
        (Method::POST, "/keys", json!({"name": "x", "scopes": [], "namespaces": ["a"]}), 400, "bad_request"),
        (Method::GET, "/functions/No", Value::Null, 400, "bad_name"),
        (Method::GET, "/functions?limit=0", Value::Null, 400, "bad_request"),
        (Method::GET, "/functions?limti=1", Value::Null, 400, "bad_request"),
        (Method::GET, "/calls", Value::Null, 400, "bad_request"),
        (Method::GET, "/calls?function=f&cursor=x", Value::Null, 400, "bad_request"),
        (Method::DELETE, "/functions/echo?backlog=burn", Value::Null, 400, "bad_request"),
        (Method::PUT, "/functions/f", json!("text"), 400, "bad_request"),
        (Method::PUT, "/functions/f", json!({"service": "g"}), 400, "bad_spec"),
        (Method::PUT, "/queues/q", json!({"annotations": {"fabric.rate": "1/s"}}), 400, "bad_spec"),
        (Method::POST, "/queues/q/purge", Value::Null, 400, "bad_request"),
        (Method::POST, "/queues/q/purge?confirm=p", Value::Null, 400, "bad_request"),
        (Method::POST, "/queues/callbacks/purge?confirm=callbacks", Value::Null, 400, "bad_request"),
        (Method::PUT, "/log", json!({"filter": "info,fabric=loud"}), 400, "bad_request"),
        (Method::POST, "/functions", Value::Null, 405, "method_not_allowed"),
    ] {
        let answer = api.asked(status, method, path, &body).await;
        let problem = answer.json();
        assert_eq!(problem["type"], format!("urn:fabric:problem:{code}"), "{path}: {problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["instance"], format!("/admin/v1{}", path.split('?').next().unwrap()));
        if status == 405 {
            assert_eq!(answer.header("allow"), "GET");
        }
    }
    let annotations =
        json!({"fabric.rate": "fast", "fabric.burts": "1", "com.openfaas.queue": "Q", "fabric.timeout": 5});
    let one = api.asked(400, Method::PUT, "/functions/f", &json!({"annotations": annotations, "colour": "red"})).await;
    assert_eq!(one.json()["errors"][0]["field"], "/colour");
    let one = api.asked(400, Method::PUT, "/functions/f", &json!({"annotations": annotations})).await.json();
    assert_eq!(one["errors"][0]["field"], "/annotations/fabric.timeout", "{one}");
    let annotations = json!({"fabric.rate": "fast", "fabric.burts": "1", "com.openfaas.queue": "Q"});
    let all = api.asked(400, Method::PUT, "/functions/f", &json!({"annotations": annotations})).await.json();
    let fields: Vec<&str> = all["errors"].as_array().unwrap().iter().map(|it| it["field"].as_str().unwrap()).collect();
    let expected = ["fabric.burts", "com.openfaas.queue", "fabric.upstream", "fabric.rate"];
    assert_eq!(fields, expected.map(|name| format!("/annotations/{name}")), "all of them at once: {all}");
    assert_eq!(api.ask(Method::GET, "/functions/f", &[], &Value::Null).await.status, StatusCode::NOT_FOUND);
}
