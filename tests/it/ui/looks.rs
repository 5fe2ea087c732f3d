//! On a phone, in light and in dark, and without motion.

use serde_json::{Value, json};

use super::place::Place;

/// Every text whose contrast with what is behind it is below 4.5 (3 for a large one), as WCAG reckons it.
const POOR: &str = "
    const colour = (text) => text.match(/[\\d.]+/g).map(Number);
    const over = ([r, g, b, a = 1], under) => [r, g, b].map((it, n) => it * a + under[n] * (1 - a));
    const light = (rgb) => { const [r, g, b] = rgb.map((it) => { const s = it / 255; return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const ground = (node) => node ? over(colour(getComputedStyle(node).backgroundColor), ground(node.parentElement)) : [255, 255, 255];
    const poor = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest('.unseen, .skip, noscript, [disabled]')) continue;
        const style = getComputedStyle(node);
        const under = ground(node);
        const [a, b] = [light(over(colour(style.color), under)), light(under)];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const least = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
        if (ratio < least) poor.push(`${walker.currentNode.data.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    return poor;";

const WIDE: &str = "return { wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    what: [...document.querySelectorAll('body *')].filter((it) => it.checkVisibility() && it.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
        .map((it) => it.outerHTML.slice(0, 80)).slice(0, 4) }";

#[tokio::test]
async fn every_page_fits_a_phone_and_can_be_read_in_light_and_dark() {
    let Some(place) = Place::start().await else { return };
    let long = "a-function-whose-name-is-as-long-as-names-may-be-and-then-some.a-namespace-with-a-long-name";
    place.holding(long, json!({"fabric.concurrency": "1", "fabric.rate": "100/s"})).await;
    place.dead("broken", 1).await;
    let running = place.fabric.accepted(long, &[], "x").await;
    place.fabric.accepted(long, &[], "x").await;
    place.server.running_is(1).await;
    let number = place.api("/dead-letters").await["items"][0]["number"].to_string();
    let (function, call, letter) = (format!("functions/{long}"), format!("calls/{running}"), format!("dead/{number}"));
    let pages = [
        ("overview", "Busiest functions"),
        ("functions", long),
        (&function, "Why its calls wait"),
        ("queues", "callbacks"),
        ("queues/default", "Retries"),
        ("dead", "broken"),
        (&letter, "The request"),
        ("workers", "gateway and worker"),
        ("tree", long),
        (&call, "Timeline"),
    ];
    for theme in ["light", "dark"] {
        place.browser.prefer(&[("prefers-color-scheme", theme)]).await;
        for width in [360, 1280] {
            place.browser.resize(width, 740).await;
            place.open("overview").await;
            for (page, text) in pages {
                place.go(page).await;
                place.browser.says(text).await;
                let wide = place.browser.run(WIDE, json!([])).await;
                assert_eq!(wide["wide"], 0, "{page} at {width}: {wide}");
                let poor = place.browser.run(POOR, json!([])).await;
                assert_eq!(poor, json!([]), "{page} at {width}, {theme}");
            }
        }
        let ground = place.browser.run("return getComputedStyle(document.body).backgroundColor", json!([])).await;
        assert_eq!(ground, if theme == "light" { "rgb(245, 246, 248)" } else { "rgb(14, 18, 23)" });
    }
    // An editor, a question and a fault are pages as well.
    place.browser.resize(360, 740).await;
    place.go(&function).await;
    place.browser.click("#edit").await;
    place.browser.fill("#set-fabric-rate", "soon").await;
    place.browser.click("#save").await;
    place.browser.says("fabric.rate").await;
    place.browser.until("!!document.querySelector('[aria-invalid]')").await;
    assert_eq!(place.browser.run(WIDE, json!([])).await["wide"], 0);
    assert_eq!(place.browser.run(POOR, json!([])).await, json!([]));
    place.server.release();
}

#[tokio::test]
async fn the_colours_are_the_ones_that_were_chosen_and_nothing_moves_for_who_does_not_want_it() {
    let Some(place) = Place::start().await else { return };
    let dark = async || {
        let ground = place.browser.run("return getComputedStyle(document.body).backgroundColor", json!([])).await;
        ground == "rgb(14, 18, 23)"
    };
    place.browser.prefer(&[("prefers-color-scheme", "light"), ("prefers-reduced-motion", "reduce")]).await;
    place.open("overview").await;
    place.browser.says("Overview").await;
    assert!(!dark().await);
    place.browser.click("#theme").await;
    assert!(dark().await);
    place.browser.run("location.reload()", json!([])).await;
    place.browser.says("Overview").await;
    assert!(dark().await, "it is kept");
    place.browser.click("#theme").await;
    assert!(!dark().await);
    place.browser.prefer(&[("prefers-color-scheme", "dark"), ("prefers-reduced-motion", "reduce")]).await;
    place.browser.until("getComputedStyle(document.body).backgroundColor === 'rgb(14, 18, 23)'").await;
    let moving: Value = place
        .browser
        .run_async(
            "const { loading } = await import('/ui/part/state.js');
             document.body.append(loading());
             return document.getAnimations().length;",
        )
        .await;
    assert_eq!(moving, 0);
}
