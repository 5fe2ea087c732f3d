//! Every page, with calls and without any.

use serde_json::{Value, json};

use super::place::Place;

#[tokio::test]
async fn every_page_shows_what_is_and_asks_nobody_else() {
    let Some(place) = Place::start().await else { return };
    place.holding("held.acme", json!({"fabric.concurrency": "1", "fabric.timeout": "5m"})).await;
    place.dead("broken.acme", 1).await;
    let running = place.fabric.accepted("held.acme", &[], "x").await;
    let waiting = place.fabric.accepted("held.acme", &[], "x").await;
    let later = place.fabric.accepted("held.acme", &[("x-delay", "1h")], "x").await;
    place.server.running_is(1).await;
    let letters = place.api("/dead-letters").await;
    let (number, dead) = (letters["items"][0]["number"].to_string(), letters["items"][0]["call"].as_str().unwrap());

    place.open("overview").await;
    let [running, waiting, later, dead] = [&*running, &waiting, &later, dead].map(|id| format!("calls/{id}"));
    let letter = format!("dead/{number}");
    let pages: [(&str, &[&str]); 13] = [
        ("overview", &["In flight", "Dead letters", "held.acme", "1 dead letter waits"]),
        ("functions", &["held.acme", "broken.acme", "1 at once", "timeout 5m"]),
        ("functions?contains=oken", &["broken.acme", "1 function"]),
        (
            "functions/held.acme",
            &["As many of its calls run as the function's concurrency allows", "Concurrency", "waiting"],
        ),
        ("queues", &["callbacks", "default"]),
        ("queues/default", &["Purge…", "Longest wait", "held.acme"]),
        ("dead", &["broken.acme", "its attempts are used up", "Redrive"]),
        (&letter, &["the body", "x-mine", "a value", "Dead because its attempts are used up"]),
        ("workers", &["gateway and worker", "every queue", "running"]),
        ("tree", &["directory", "listener admin", "held.acme", "1 in flight of 1 in all workers, 1 wait"]),
        (&running, &["running", "Cancel…", "It runs"]),
        (&waiting, &["ready", "1 before it"]),
        (&later, &["waiting", "Its time has not come", "Waits for its time"]),
    ];
    for (page, texts) in pages {
        place.go(page).await;
        for text in texts {
            place.browser.says(text).await;
        }
        let shape = "({ heads: document.querySelectorAll('main h1').length,
            landmarks: ['header', 'nav', 'main'].every((it) => document.querySelector(it)),
            tables: [...document.querySelectorAll('table')].every((it) => it.caption && it.tHead && it.querySelector('tbody th[scope=row]')),
            title: document.title })";
        let shape = place.browser.run(&format!("return {shape}"), json!([])).await;
        assert_eq!(
            (&shape["heads"], &shape["landmarks"], &shape["tables"]),
            (&json!(1), &json!(true), &json!(true)),
            "{page}"
        );
        assert!(shape["title"].as_str().unwrap().ends_with(" · Fabric"), "{page}: {shape}");
    }
    place.go(&dead).await;
    place.browser.says("Dead: it is among the dead letters").await;
    place.go("nowhere").await;
    place.browser.says("There is no such page").await;
    place.is_quiet().await;
    let asked = "performance.getEntriesByType('resource').map((it) => it.name).filter((it) => !it.startsWith(location.origin + '/'))";
    assert_eq!(place.browser.run(&format!("return {asked}"), json!([])).await, json!([]));
    place.server.release();
}

#[tokio::test]
async fn a_call_is_found_by_its_id_and_one_that_is_not_there_is_said_not_to_be() {
    let Some(place) = Place::start().await else { return };
    place
        .fabric
        .register(
            "f",
            json!({"fabric.upstream": place.server.url("/fail-first/503"), "com.openfaas.retry.min_wait": "10ms"}),
        )
        .await;
    let id = place.fabric.accepted("f", &[], "x").await;
    place.open("overview").await;
    place.browser.fill("#search", &id).await;
    place.browser.run("document.querySelector('#search').form.requestSubmit()", json!([])).await;
    for text in ["Attempt 1: failed; to be tried again", "Attempt 2: succeeded", "status 503", "answer to x"] {
        place.browser.says(text).await;
    }
    place.is_quiet().await;
    place.go("calls/nobody").await;
    place.browser.says("There is no such thing").await;
    place.go("functions/nobody").await;
    place.browser.says("nobody.openfaas-fn is not registered").await;
}

#[tokio::test]
async fn pages_with_nothing_on_them_say_so() {
    let Some(place) = Place::start().await else { return };
    place.open("overview").await;
    for (page, text) in [
        ("overview", "Nothing needs you."),
        ("functions", "No function is registered yet"),
        ("dead", "No dead letters"),
        ("queues/default", "Nothing waits or runs in it"),
        ("dead?reason=poison", "No dead letters"),
    ] {
        place.go(page).await;
        place.browser.says(text).await;
    }
    assert_eq!(place.browser.console().await, Vec::<String>::new());
    // What is asked for and not answered yet is said to be on its way.
    let told: Value = place
        .browser
        .run_async(
            "const { screen } = await import('/ui/shell/screen.js');
             const outlet = document.createElement('div');
             const leave = screen(outlet, () => ({ title: 't', load: () => new Promise(() => {}), view: () => [] }), {});
             const told = outlet.querySelector('[aria-busy=true]')?.textContent;
             leave();
             return told;",
        )
        .await;
    assert_eq!(told, "Loading");
}
