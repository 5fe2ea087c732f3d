//! However many functions there are, there are only so many series.

use serde_json::json;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;

use super::scrape::scrape;

#[tokio::test]
async fn functions_beyond_the_cap_count_as_other() {
    const FUNCTIONS: usize = 12;
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let args = ["serve", "--metrics-functions", "3", "--data-dir", dir.path().to_str().unwrap()];
    let fabric = Fabric::start(&args).await;
    for n in 0..FUNCTIONS {
        let name = format!("f{n}");
        fabric.register(&name, json!({"fabric.upstream": server.url("/ok")})).await;
        fabric.accepted(&name, &[], "x").await;
    }
    let told = eventually(async || {
        let told = scrape(&fabric).await;
        match told.get("fabric_ended_total", &[("state", "succeeded")]) {
            Some(ended) if ended as usize == FUNCTIONS => Ok(told),
            ended => Err(format!("{ended:?} ended")),
        }
    })
    .await;
    let series =
        told.text.lines().filter(|line| line.starts_with("fabric_ended_total{") && line.contains("\"succeeded\""));
    assert_eq!(series.count(), 3 + 1 + 1, "three of their own, one that the others share, and that of callbacks");
    let other = [("queue", "other"), ("function", "other")];
    assert_eq!(told.get("fabric_ended_total", &other), Some((FUNCTIONS - 3) as f64));
    assert_eq!(told.get("fabric_accepted_total", &other), Some((FUNCTIONS - 3) as f64));
    assert!(told.get("fabric_metrics_overflows_total", &[]).unwrap() >= (FUNCTIONS - 3) as f64);
    assert_eq!(told.get("fabric_functions", &[]), Some(FUNCTIONS as f64));
}
