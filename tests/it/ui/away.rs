//! The process is away, and is back.

use serde_json::json;

use super::place::Place;

#[tokio::test]
async fn a_process_that_is_away_is_told_of_until_it_is_back() {
    let Some(mut place) = Place::start().await else { return };
    place.fabric.register("f", json!({"fabric.upstream": place.server.url("/ok")})).await;
    place.open("functions").await;
    place.browser.says("f.openfaas-fn").await;
    place.kill9().await;
    place.browser.says("This process does not answer.").await;
    place.browser.says("f.openfaas-fn").await;
    place.browser.until("document.querySelector('.pulse').textContent === 'No answer'").await;
    // A page that has nothing to show yet says so too.
    place.go("workers").await;
    place.browser.says("It may be starting again. This page asks again by itself.").await;
    place.start_again().await;
    place.browser.says("gateway and worker").await;
    place.browser.until("document.querySelector('.pulse').textContent === 'Live'").await;
    place.go("functions").await;
    place.browser.says("f.openfaas-fn").await;
    place.browser.until("!document.querySelector('[role=alert]')").await;
}

#[tokio::test]
async fn nothing_is_asked_while_it_is_held_or_nobody_looks() {
    let Some(place) = Place::start().await else { return };
    place.open("overview").await;
    place.browser.says("Overview").await;
    let asked = "performance.getEntriesByType('resource').filter((it) => it.name.includes('/activity')).length";
    place.browser.until(&format!("{asked} > 2")).await;
    place.browser.click("#hold").await;
    place.browser.until("document.querySelector('.pulse').textContent === 'Held'").await;
    // The clock stands: what counts is that no timer is left, which a longer wait would not show any better.
    let told = place
        .browser
        .run_async(
            "const { repeat, setPaused } = await import('/ui/data/clock.js');
             let count = 0;
             const loop = repeat(async () => { count += 1; }, 1);
             await new Promise((done) => setTimeout(done, 50));
             const held = count;
             setPaused(false);
             await new Promise((done) => setTimeout(done, 200));
             loop.stop();
             return [held, count > 1];",
        )
        .await;
    assert_eq!(told, json!([1, true]), "held, it works once, and goes on when it is let go");
}
