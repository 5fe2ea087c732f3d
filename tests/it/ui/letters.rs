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

#[tokio::test]
async fn no_password_is_on_the_screen() {
    let Some(place) = Place::start().await else { return };
    let upstream = place.server.url("/status/500").replace("http://", "http://me:hunter2@");
    place.fabric.register("f", json!({"fabric.upstream": upstream, "com.openfaas.retry.attempts": "1"})).await;
    let callback = "https://me:hunter2@callback.example/done";
    let headers = [("authorization", "Bearer hunter2"), ("cookie", "id=hunter2"), ("x-callback-url", callback)];
    place.fabric.accepted("f", &headers, "x").await;
    let letter = eventually(async || {
        let letters = place.api("/dead-letters?function=f").await;
        letters["items"][0]["number"].as_u64().ok_or("no letter yet")
    })
    .await;
    place.open("functions/f").await;
    for (page, text) in
        [("functions/f", "http://…@127.0.0.1"), (&format!("dead/{letter}"), "https://…@callback.example")]
    {
        place.go(page).await;
        place.browser.says(text).await;
        let told = place.browser.run("return document.documentElement.outerHTML", json!([])).await;
        assert!(!told.as_str().unwrap().contains("hunter2"), "{page}: {told}");
    }
    place.browser.says("not shown here").await;
}
