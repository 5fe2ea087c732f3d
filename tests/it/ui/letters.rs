//! Dead letters: one is redriven, others are removed.

use serde_json::json;
use tests::eventually;

use super::place::Place;

#[tokio::test]
async fn a_dead_letter_is_redriven_and_its_call_succeeds() {
    let Some(place) = Place::start().await else { return };
    place.dead("broken", 1).await;
    let call = place.api("/dead-letters").await["items"][0]["call"].as_str().unwrap().to_owned();
    place.fabric.register("broken", json!({"fabric.upstream": place.server.url("/ok")})).await;
    place.open("dead").await;
    place.browser.click("[aria-label^='Redrive letter']").await;
    place.browser.until("document.querySelector('#toasts').textContent.includes('was redriven')").await;
    place.browser.says("No dead letters").await;
    eventually(async || {
        let state = place.api(&format!("/calls/{call}")).await["state"].clone();
        if state == "succeeded" { Ok(()) } else { Err(state.to_string()) }
    })
    .await;
    place.go(&format!("calls/{call}")).await;
    place.browser.says("Redriven by an operator").await;
    place.is_quiet().await;
}

#[tokio::test]
async fn all_that_match_are_removed_once_that_was_typed() {
    let Some(place) = Place::start().await else { return };
    place.dead("broken", 2).await;
    place.dead("other", 1).await;
    place.open("dead?function=broken").await;
    place.browser.says("2 letters").await;
    place.browser.click("#remove-all").await;
    place.browser.until("document.querySelector('dialog')?.textContent.includes('Remove 2 letters for good?')").await;
    place.browser.fill("#confirm-name", "remove").await;
    place.browser.click("dialog button[type=submit]").await;
    place.browser.says("No letter matches").await;
    let left = place.api("/dead-letters").await;
    assert_eq!((&left["count"], &left["items"][0]["function"]), (&json!(1), &json!("other.openfaas-fn")));
    // One of them alone, from its own page.
    let number = left["items"][0]["number"].to_string();
    place.go(&format!("dead/{number}")).await;
    place.browser.click("#remove").await;
    place.browser.click("dialog button[type=submit]").await;
    place.browser.says("No dead letters").await;
}
