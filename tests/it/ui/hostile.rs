//! Names and values that would be markup are text.

use http::Method;
use serde_json::json;
use tests::client::Client;

use super::place::Place;

const EVIL: &str = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=1</script>";

#[tokio::test]
async fn what_others_wrote_is_shown_word_for_word_and_does_nothing() {
    let Some(place) = Place::start().await else { return };
    let client = Client::default();
    let body = json!({
        "image": EVIL,
        "labels": {"note": EVIL, EVIL: "a name"},
        "annotations": {"fabric.upstream": place.server.url("/ok"), "team.example/owner": EVIL, "fabric.result": "64KiB"},
    });
    let url = format!("{}/admin/v1/functions/evil", place.fabric.admin);
    let made = client.send(Method::PUT, &url, &[], body.to_string()).await.unwrap();
    assert!(made.status.is_success(), "{:?}", made.body);
    // The function's answer repeats what it was sent.
    let id = place.fabric.accepted("evil", &[], EVIL).await;
    place.dead("broken", 0).await;
    let headers = [("x-evil", EVIL), ("content-type", "text/html")];
    place.fabric.accepted(&format!("broken/%3Cimg%3E?q={}", "%3Cscript%3E"), &headers, EVIL).await;
    place.open("functions/evil").await;
    place.browser.says(EVIL).await;
    let letter = tests::eventually(async || {
        let letters = place.api("/dead-letters").await;
        letters["items"][0]["number"].as_u64().ok_or("no letter yet")
    })
    .await;
    for page in [&format!("calls/{id}"), &format!("dead/{letter}")] {
        place.go(page).await;
        place.browser.says(EVIL).await;
    }
    // Nor does anything in the address.
    for page in [
        "functions/%3Cimg src=x onerror=window.hacked=1%3E",
        "%3Cscript%3E",
        "calls/javascript:window.hacked=1",
        "dead?function=<img>",
    ] {
        place.go(page).await;
        place.browser.until("!document.querySelector('main [aria-busy]')").await;
    }
    let marks =
        "[typeof window.hacked, document.querySelectorAll('main img, main script, main iframe, [onerror]').length]";
    assert_eq!(place.browser.run(&format!("return {marks}"), json!([])).await, json!(["undefined", 0]));
    let breaches: Vec<String> = place.browser.console().await;
    assert!(breaches.iter().all(|it| it.contains("Failed to load resource")), "{breaches:#?}");
}

#[tokio::test]
async fn not_even_a_mistake_of_the_dashboards_own_makes_markup() {
    let Some(place) = Place::start().await else { return };
    place.open("overview").await;
    place.browser.says("Overview").await;
    let told = place
        .browser
        .run_async(
            "const { h } = await import('/ui/dom/h.js');
             const refused = (work) => { try { work(); return false; } catch { return true; } };
             return [
               refused(() => h('a', { href: 'javascript:alert(1)' })),
               refused(() => h('a', { href: '//elsewhere.example' })),
               refused(() => h('b', { onclick: 'alert(1)' })),
               refused(() => h('b', { style: 'color: red' })),
               h('b', null, '<i>').innerHTML === '&lt;i&gt;',
               refused(() => { document.createElement('b').innerHTML = '<i>'; }),
             ];",
        )
        .await;
    assert_eq!(told, json!([true, true, true, true, true, true]));
}
