//! Who sees the dashboard of a fabric that wants to know who asks.

use serde_json::json;
use tests::browser::{Browser, key};
use tests::fabric::Fabric;
use tests::function::Server;

use crate::identity::asker::{ADMIN, Asker, locked};

const DIALOG: &str = "!!document.querySelector('dialog[open] #door-key')";
const KEPT: &str = "return sessionStorage.getItem('fabric.key')";

/// Types a key in and confirms it without a mouse.
async fn say(browser: &Browser, word: &str) {
    browser.until(DIALOG).await;
    browser.until("document.activeElement.id === 'door-key'").await;
    browser.fill("#door-key", word).await;
    browser.press(key::ENTER).await;
}

async fn register(fabric: &Fabric, server: &Server, name: &str) {
    let body = json!({"annotations": {"fabric.upstream": server.url("/ok")}});
    let url = format!("{}/admin/v1/functions/{name}", fabric.admin);
    assert!(Asker::admin().ask(http::Method::PUT, &url, &[], &body).await.status.is_success(), "{name}");
}

#[tokio::test]
async fn the_dashboard_asks_for_a_key_and_shows_what_that_may_see() {
    let Some(browser) = Browser::start().await else { return };
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = locked(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    register(&fabric, &server, "ours.acme").await;
    register(&fabric, &server, "theirs.globex").await;
    let (_, limited) = Asker::admin().key(&fabric, "acme looks", &["read"], "acme").await;

    // Nothing is told to a stranger, who can neither leave the question out nor be let in by a wrong key.
    browser.open(&format!("{}/ui/#/functions", fabric.admin)).await;
    browser.until(DIALOG).await;
    let page = browser.run("return document.body.innerText", json!([])).await;
    assert!(!page.as_str().unwrap().contains("acme"), "{page}");
    browser.press(key::ESCAPE).await;
    browser.until(DIALOG).await;
    say(&browser, "fab_wrong").await;
    browser.until("document.querySelector('dialog [role=alert]')?.innerText.length > 0").await;

    // The key of a tenant shows what is his.
    say(&browser, &limited).await;
    browser.says("ours").await;
    assert_eq!(browser.run("return document.body.innerText.includes('theirs')", json!([])).await, false);
    assert_eq!(browser.run(KEPT, json!([])).await, json!(limited));
    let elsewhere = "return [localStorage.length, document.cookie, location.href.includes('fab_')]";
    assert_eq!(browser.run(elsewhere, json!([])).await, json!([0, "", false]), "it is kept nowhere else");

    // One that is revoked is asked for again.
    browser.run("sessionStorage.setItem('fabric.key', 'fab_gone'); location.reload()", json!([])).await;
    browser.until(DIALOG).await;
    say(&browser, ADMIN).await;
    browser.says("ours").await;
    browser.says("theirs").await;
}
