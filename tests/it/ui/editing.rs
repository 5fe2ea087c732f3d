//! What is set in the browser is set, and of two who edit one is told so.

use http::Method;
use serde_json::json;
use tests::client::Client;

use super::place::Place;

const CONCURRENCY: &str = "#set-fabric-concurrency";

#[tokio::test]
async fn a_limit_that_is_edited_takes_effect() {
    let Some(place) = Place::start().await else { return };
    place.holding("held", json!({"fabric.concurrency": "1"})).await;
    for _ in 0..4 {
        place.fabric.accepted("held", &[], "x").await;
    }
    place.server.running_is(1).await;
    place.open("functions/held").await;
    place.browser.click("#edit").await;
    place.browser.fill(CONCURRENCY, "many").await;
    place.browser.click("#save").await;
    place.browser.until(&format!("document.querySelector('{CONCURRENCY}').getAttribute('aria-invalid')")).await;
    place.browser.says("fabric.concurrency").await;
    place.browser.fill(CONCURRENCY, "3").await;
    place.browser.click("#save").await;
    place.browser.until("!document.querySelector('#save')").await;
    place.server.running_is(3).await;
    place.browser.says("of 3").await;
    assert_eq!(place.api("/functions/held").await["annotations"]["fabric.concurrency"], "3");
    place.server.release();
}

#[tokio::test]
async fn of_two_who_edit_the_second_is_told_and_chooses() {
    let Some(place) = Place::start().await else { return };
    place.holding("held", json!({"fabric.concurrency": "1"})).await;
    let set = async |value: &str| {
        let url = format!("{}/admin/v1/functions/held", place.fabric.admin);
        let body = json!({"annotations": {"fabric.concurrency": value}}).to_string();
        Client::default().send(Method::PATCH, &url, &[], body).await.unwrap();
    };
    let concurrency = async || place.api("/functions/held").await["annotations"]["fabric.concurrency"].clone();
    place.open("functions/held").await;
    place.browser.click("#edit").await;
    place.browser.fill(CONCURRENCY, "5").await;
    set("7").await;
    place.browser.click("#save").await;
    place.browser.says("Somebody else changed this meanwhile.").await;
    place.browser.says("They set Concurrency: 7.").await;
    assert_eq!(concurrency().await, "7", "nothing was overruled");
    assert_eq!(
        place.browser.run(&format!("return document.querySelector('{CONCURRENCY}').value"), json!([])).await,
        "5"
    );
    place.browser.click("#save").await;
    place.browser.until("!document.querySelector('#save')").await;
    assert_eq!(concurrency().await, "5", "who was told may overrule");
    // The other choice.
    place.browser.click("#edit").await;
    place.browser.fill(CONCURRENCY, "6").await;
    set("8").await;
    place.browser.click("#save").await;
    place.browser.click("#conflict button").await;
    place.browser.until(&format!("document.querySelector('{CONCURRENCY}').value === '8'")).await;
    assert_eq!(concurrency().await, "8");
}

#[tokio::test]
async fn a_pause_holds_and_a_purge_is_done_only_by_who_types_the_name() {
    let Some(place) = Place::start().await else { return };
    place.fabric.register("f", json!({"fabric.upstream": place.server.url("/ok")})).await;
    place.open("functions/f").await;
    place.browser.click("#pause").await;
    place.browser.says("paused").await;
    assert_eq!(place.api("/functions/f").await["annotations"]["fabric.paused"], "true");
    place.browser.click("#pause").await;
    place.browser.until("document.querySelector('#pause').textContent === 'Pause'").await;

    place.go("queues/default").await;
    place
        .browser
        .until("document.querySelector('#purge') && document.querySelector('#pause').textContent === 'Pause'")
        .await;
    place.browser.click("#pause").await;
    place.browser.until("document.querySelector('#pause').textContent === 'Resume'").await;
    let held = place.fabric.accepted("f", &[], "x").await;
    place.browser.until("document.querySelector('.figure .value').textContent === '1'").await;
    place.browser.click("#purge").await;
    place.browser.fill("#confirm-name", "other").await;
    assert_eq!(
        place.browser.run("return document.querySelector('dialog button[type=submit]').disabled", json!([])).await,
        true
    );
    place.browser.fill("#confirm-name", "default").await;
    place.browser.click("dialog button[type=submit]").await;
    place.browser.until("document.querySelector('#toasts').textContent.includes('1 call cancelled')").await;
    assert_eq!(place.api(&format!("/calls/{held}")).await["state"], "cancelled");
    // What a queue is set to is edited in the same way.
    place.browser.click("#edit").await;
    place.browser.fill("#set-com-openfaas-retry-attempts", "4").await;
    place.browser.click("#save").await;
    place.browser.until("!document.querySelector('#save')").await;
    let annotations = place.api("/queues/default").await["annotations"].clone();
    assert_eq!(annotations, json!({"com.openfaas.retry.attempts": "4", "fabric.paused": "true"}));
}
