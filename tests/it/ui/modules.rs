//! The rules that pages are drawn by, as the browser reckons them.

use serde_json::json;

use super::place::Place;

#[tokio::test]
async fn numbers_spans_and_redrawing_are_as_people_expect() {
    let Some(place) = Place::start().await else { return };
    place.open("overview").await;
    place.browser.says("Overview").await;
    let told = place
        .browser
        .run_async(
            "const f = await import('/ui/text/format.js');
             return [f.seconds(0.0123), f.seconds(0.25), f.seconds(4.25), f.seconds(61), f.seconds(7260), f.seconds(400000),
               f.rate(0), f.rate(0.01), f.rate(12.34), f.rate(1234), f.bytes(1536), f.count(1234567), f.plural(1, 'call'),
               f.ago('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:02:00Z')), f.ago('2026-01-01T00:00:30Z', Date.parse('2026-01-01T00:00:00Z'))];",
        )
        .await;
    let expected = [
        "12.3 ms",
        "250 ms",
        "4.3 s",
        "1 min 1 s",
        "2 h 1 min",
        "4 days",
        "0",
        "<0.1",
        "12.3",
        "1,234",
        "1.5 KiB",
        "1.2M",
        "1 call",
        "2 min ago",
        "in 30 s",
    ];
    assert_eq!(told, json!(expected));

    let spans = place
        .browser
        .run_async(
            "const { spans } = await import('/ui/part/timeline.js');
             const at = (seconds) => new Date(seconds * 1000).toISOString();
             const call = { accepted_at: at(0), state: 'waiting', since: at(3), due: at(9), history: [
               { at: at(3), seconds: 2, what: 'retried', status: 503 }] };
             return spans(call, 5000).map(({ from, to, tone }) => [from, to, tone]);",
        )
        .await;
    assert_eq!(spans, json!([[0, 1000, ""], [1000, 3000, "is-warn"], [3000, 5000, ""]]));

    let kept = place
        .browser
        .run_async(
            "const { h } = await import('/ui/dom/h.js');
             const { morph } = await import('/ui/dom/morph.js');
             let clicked = '';
             const row = (name) => h('li', { key: name }, h('button', { on: { click: () => { clicked = name + '!'; } } }, name), h('input'));
             let list = document.body.appendChild(h('ul', null, ['a', 'b', 'c'].map(row)));
             const [b, field] = [list.children[1], list.children[1].querySelector('input')];
             field.focus();
             field.value = 'typed';
             list = morph(list, h('ul', null, ['c', 'b', 'd'].map(row)));
             list.querySelector('button').click();
             return [[...list.children].map((it) => it.dataset.key).join(''), list.children[1] === b, document.activeElement === field || field.value, clicked];",
        )
        .await;
    assert_eq!(kept[0], "cbd");
    assert_eq!((&kept[1], &kept[3]), (&json!(true), &json!("c!")));
    assert!(kept[2] == true || kept[2] == "typed", "{kept}");
}
