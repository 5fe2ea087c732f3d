//! Very many functions, and a tree of thousands.

use futures_util::{StreamExt, stream};
use serde_json::json;

use super::place::Place;

#[tokio::test]
async fn many_functions_come_a_page_at_a_time_and_are_found_by_name() {
    let Some(place) = Place::start().await else { return };
    let upstream = json!({"fabric.upstream": place.server.url("/ok")});
    let names: Vec<String> = (0..130).map(|n| format!("many-{n:03}.acme")).collect();
    let puts = names.iter().map(|name| place.fabric.register(name, upstream.clone()));
    stream::iter(puts).buffer_unordered(16).collect::<()>().await;
    place.open("functions").await;
    place.browser.says("many-049.acme").await;
    let rows = "return document.querySelectorAll('tbody tr').length";
    assert_eq!(place.browser.run(rows, json!([])).await, 50);
    let next = "[...document.querySelectorAll('.pager a')].find((it) => it.textContent === 'Next page')";
    for (seen, count) in [("many-099.acme", 50), ("many-129.acme", 30)] {
        place.browser.run(&format!("{next}.click()"), json!([])).await;
        place.browser.says(seen).await;
        assert_eq!(place.browser.run(rows, json!([])).await, count);
    }
    assert_eq!(place.browser.run(&format!("return !{next}"), json!([])).await, true, "that was the last page");
    place.browser.fill("#contains", "ny-07").await;
    place.browser.until("document.querySelectorAll('tbody tr').length === 10").await;
    place.browser.says("many-077.acme").await;
    place.is_quiet().await;
}

#[tokio::test]
async fn a_tree_of_thousands_begins_collapsed_and_is_opened_bit_by_bit() {
    let Some(place) = Place::start().await else { return };
    place.open("overview").await;
    place.browser.says("Overview").await;
    // As a process with so many would tell of itself.
    let told = place
        .browser
        .run_async(
            "const { process } = await import('/ui/part/branch.js');
             const many = Array.from({ length: 5000 }, (_, n) => `f${n}.acme`);
             const queue = { name: 'default', permits: 1, permits_waiting: 0,
               children: many.map((name, n) => ({ name, state: n % 1000 === 7 ? 'parked' : 'up', failures: 0 })),
               subscribers: many.map((name) => ({ function: name, phase: 'running', in_flight: 0, permits: 0, backlog: 0,
                 concurrency: null, adaptive: null, waiting: null })) };
             const tree = { id: 'p', phase: 'running', permits: 9, permits_free: 8, members: {}, queues: [queue],
               children: [{ name: 'queue default', state: 'up', failures: 0 }, { name: 'later', state: 'restarting', failures: 2, cause: 'it broke' }] };
             const wish = { part: '', troubled: false, shown: new Map() };
             const draw = () => process(tree, wish, (key, count) => wish.shown.set(key, count));
             const leaves = (node) => node.querySelectorAll('details details li > .node').length;
             const [first, open] = [leaves(draw()), draw().querySelector('details details').open];
             draw().querySelector('details details button').click();
             const second = leaves(draw());
             wish.troubled = true;
             const troubled = [...draw().querySelectorAll('li > .node .name')].map((it) => it.textContent);
             Object.assign(wish, { troubled: false, part: 'f4999' });
             return [first, open, second, troubled, leaves(draw())];",
        )
        .await;
    let troubled = ["later", "f7.acme", "f1007.acme", "f2007.acme", "f3007.acme", "f4007.acme"];
    assert_eq!(told, json!([50, false, 100, troubled, 1]));
}
