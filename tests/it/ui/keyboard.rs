//! Everything without a mouse.

use serde_json::json;
use tests::browser::key;

use super::place::Place;

const FOCUS: &str = "(() => { const it = document.activeElement; const style = getComputedStyle(it);
    return { tag: it.tagName, text: (it.innerText || it.getAttribute('aria-label') || it.placeholder || it.id || '').trim(), id: it.id,
        seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1 }; })()";

#[tokio::test]
async fn a_limit_is_found_and_edited_by_keys_alone() {
    let Some(place) = Place::start().await else { return };
    place.holding("held", json!({"fabric.concurrency": "1"})).await;
    place.open("overview").await;
    place.browser.says("Overview").await;
    let focus = async || place.browser.run(&format!("return {FOCUS}"), json!([])).await;
    // Tab until something has the focus, which must be seen wherever it is.
    let to = async |text: &str| {
        for _ in 0..60 {
            place.browser.press(key::TAB).await;
            let at = focus().await;
            assert_eq!(at["seen"], true, "the focus cannot be seen on {at}");
            if at["text"].as_str().unwrap().starts_with(text) || at["id"] == text {
                return;
            }
        }
        panic!("{text} cannot be reached");
    };
    place.browser.press(key::TAB).await;
    assert_eq!(focus().await["text"], "Skip to the page", "it comes first");
    place.browser.press(key::ENTER).await;
    assert_eq!(focus().await["id"], "main");
    place.browser.run("document.activeElement.blur(); document.querySelector('#skip').focus()", json!([])).await;
    to("Functions").await;
    place.browser.press(key::ENTER).await;
    place.browser.until("document.activeElement.tagName === 'H1'").await;
    place.browser.until("!!document.querySelector('tbody a')").await;
    to("held").await;
    place.browser.press(key::ENTER).await;
    place.browser.until("!!document.querySelector('#edit')").await;
    to("edit").await;
    place.browser.press(key::SPACE).await;
    place.browser.until("document.activeElement.name === 'fabric.concurrency'").await;
    place.browser.run("document.activeElement.select()", json!([])).await;
    place.browser.press("4").await;
    place.browser.press(key::ENTER).await;
    place.browser.until("!document.querySelector('#save')").await;
    assert_eq!(place.api("/functions/held").await["annotations"]["fabric.concurrency"], "4");

    place.browser.press("/").await;
    assert_eq!(focus().await["id"], "search", "a slash leads to the search");
    place.browser.press("a/b").await;
    let typed = place.browser.run("return document.querySelector('#search').value", json!([])).await;
    assert_eq!(typed, "a/b", "and is a character there");
}

#[tokio::test]
async fn a_question_is_answered_and_a_tree_is_opened_by_keys_alone() {
    let Some(place) = Place::start().await else { return };
    place.dead("broken", 1).await;
    place.open("dead").await;
    let remove = "[aria-label^='Remove letter']";
    place.browser.until(&format!("!!document.querySelector(\"{remove}\")")).await;
    place.browser.run("document.querySelector(arguments[0]).focus()", json!([remove])).await;
    place.browser.press(key::ENTER).await;
    place.browser.until("document.activeElement.textContent === 'Cancel'").await;
    for _ in 0..4 {
        place.browser.press(key::TAB).await;
        let within = "!document.activeElement || document.activeElement === document.body || !!document.activeElement.closest('dialog')";
        assert_eq!(
            place.browser.run(&format!("return {within}"), json!([])).await,
            true,
            "the focus stays in the question"
        );
    }
    place.browser.press(key::ESCAPE).await;
    place.browser.until("!document.querySelector('dialog')").await;
    assert_eq!(place.browser.run("return document.activeElement.matches(arguments[0])", json!([remove])).await, true);
    assert_eq!(place.api("/dead-letters").await["count"], 1, "Escape does nothing");

    place.go("tree").await;
    place.browser.until("!!document.querySelector('.tree summary')").await;
    place.browser.run("document.querySelector('.tree summary').focus()", json!([])).await;
    place.browser.press(key::ENTER).await;
    place.browser.until("!document.querySelector('.tree details').open").await;
    // It stays as it was left while it is brought up to date.
    place
        .browser
        .until("performance.getEntriesByType('resource').filter((it) => it.name.endsWith('/processes')).length > 2")
        .await;
    assert_eq!(place.browser.run("return document.querySelector('.tree details').open", json!([])).await, false);
    assert_eq!(place.browser.run("return document.activeElement.tagName", json!([])).await, "SUMMARY");
}
