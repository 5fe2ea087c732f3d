//! Collectors that take nothing: no result differs, no call waits, and what is not told is counted.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tests::collector::{Collector, Manner};
use tests::eventually;
use tests::fabric::Fabric;

use super::Pair;
use crate::metrics::scrape::scrape;

/// The numbers of a process that has ended: what was sent, what there was no room for, what was not taken.
fn numbers(fabric: &Fabric) -> (u64, u64, u64) {
    let lines = fabric.process.lines();
    let line = lines.iter().rfind(|line| line.contains(" spans sent=")).unwrap_or_else(|| panic!("{lines:#?}"));
    let number = |name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=")).unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    (number("sent"), number("dropped"), number("lost"))
}

async fn called_back(pair: &Pair, ids: &HashSet<String>) {
    eventually(async || {
        let missing = ids.difference(&pair.server.calls("/callback")).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} callbacks are missing")) }
    })
    .await;
}

/// Calls before and after the collector goes wrong, each of which must be called back.
async fn calls_go_on(pair: &Pair, go_wrong: impl FnOnce()) {
    pair.register("f", "/ok", &[]).await;
    let callback = pair.server.url("/callback");
    let headers = [("x-callback-url", callback.as_str())];
    let mut go_wrong = Some(go_wrong);
    for _ in 0..2 {
        let ids = pair.gateway.accepted_many("f", &headers, 500).await;
        assert_eq!(ids.len(), 500);
        called_back(pair, &ids).await;
        if let Some(go_wrong) = go_wrong.take() {
            go_wrong();
        }
    }
}

#[tokio::test]
async fn a_collector_that_dies_changes_no_result() {
    let mut collector = Some(Collector::start().await);
    let mut pair = Pair::start(collector.as_ref().unwrap().url(), &[]).await;
    calls_go_on(&pair, || drop(collector.take())).await;
    let warned = || pair.worker.process.lines().iter().filter(|line| line.contains("spans cannot be sent")).count();
    eventually(async || if warned() == 0 { Err("nobody is warned") } else { Ok(()) }).await;
    let lines = pair.worker.process.lines();
    let warning = lines.iter().find(|line| line.contains("spans cannot be sent")).unwrap();
    assert!(warning.contains("refused"), "it says why: {warning}");
    let told = scrape(&pair.worker).await;
    for outcome in ["sent", "lost"] {
        assert!(told.get("fabric_spans_total", &[("outcome", outcome)]).unwrap() > 0.0, "{outcome}");
    }
    pair.end().await;
    for fabric in [&pair.gateway, &pair.worker] {
        let (_, dropped, lost) = numbers(fabric);
        assert!(dropped + lost > 0, "what was not told is counted");
    }
}

#[tokio::test]
async fn a_collector_that_hangs_or_refuses_changes_no_result() {
    for manner in [Manner::Never, Manner::Refuses] {
        let collector = Collector::start().await;
        let mut pair = Pair::start(collector.url(), &[]).await;
        calls_go_on(&pair, || collector.behave(manner)).await;
        assert!(collector.asked() > 0);
        let began = Instant::now();
        pair.end().await;
        assert!(began.elapsed() < Duration::from_secs(30), "nor is anybody waited for at the end");
        let (_, _, lost) = numbers(&pair.worker);
        assert!(lost > 0, "{manner:?}");
    }
}

#[tokio::test]
async fn a_collector_that_speaks_no_tls_changes_no_result_and_is_warned_of_once() {
    let collector = Collector::start().await;
    let mut pair = Pair::start(&collector.url().replace("http://", "https://"), &[]).await;
    calls_go_on(&pair, || ()).await;
    pair.end().await;
    let lines = pair.worker.process.lines();
    let warned = lines.iter().filter(|line| line.contains("spans cannot be sent"));
    assert_eq!((warned.count(), collector.asked()), (1, 0), "{lines:#?}");
    let (sent, _, lost) = numbers(&pair.worker);
    assert!(sent == 0 && lost > 0, "{sent} {lost}");
}

#[tokio::test]
async fn every_span_that_is_not_told_is_counted() {
    let collector = Collector::start().await;
    collector.behave(Manner::Never);
    let mut pair = Pair::start(collector.url(), &[]).await;
    pair.register("f", "/ok", &[]).await;
    let ids = pair.gateway.accepted_many("f", &[], 1000).await;
    eventually(async || {
        let missing = ids.len() - pair.server.calls("/ok").len();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} calls have not run")) }
    })
    .await;
    pair.end().await;
    let (sent, dropped, lost) = numbers(&pair.worker);
    // A wait, an attempt, a request, the settling.
    assert!(sent == 0 && dropped + lost >= 4 * 1000, "{sent} {dropped} {lost}");
}
