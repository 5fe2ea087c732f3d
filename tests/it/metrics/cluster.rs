//! What is about the whole cluster is the same wherever it is told.

use serde_json::json;
use tests::eventually;
use tests::function::Server;

use super::scrape::{Scrape, scrape};
use crate::limits::Cluster;

const F: [(&str, &str); 1] = [("function", "f.openfaas-fn")];

#[tokio::test]
async fn a_backlog_is_told_by_every_worker_and_counted_once() {
    let (mut cluster, server) = (Cluster::start(2, &[]).await, Server::start().await);
    cluster.gateway.register("f", json!({"fabric.upstream": server.url("/hold"), "fabric.concurrency": "3"})).await;
    cluster.gateway.accepted_many("f", &[], 10).await;
    let told = eventually(async || {
        let mut told = Vec::<Scrape>::new();
        for worker in &cluster.workers {
            told.push(scrape(worker).await);
        }
        let each = |name: &str| told.iter().map(|it| it.get(name, &F)).collect::<Vec<_>>();
        let in_flight: f64 = each("fabric_in_flight").into_iter().flatten().sum();
        let backlog = each("fabric_backlog");
        if backlog == [Some(7.0); 2] && in_flight == 3.0 {
            Ok(told)
        } else {
            Err(format!("{backlog:?}, {in_flight} in flight"))
        }
    })
    .await;
    for told in &told {
        assert!(told.get("fabric_oldest_age_seconds", &F).unwrap() > 0.0);
        assert_eq!(told.get("fabric_limit_concurrency", &F), Some(3.0));
        assert_eq!(told.get("queue_worker_pending_messages", &[("function_name", "f.openfaas-fn")]), Some(7.0));
        assert_eq!(told.get("fabric_processes", &[("role", "worker")]), Some(2.0));
        assert_eq!(told.get("fabric_accepted_total", &F), None, "that is the gateway's to tell");
    }
    let gateway = scrape(&cluster.gateway).await;
    assert_eq!((gateway.get("fabric_accepted_total", &F), gateway.get("fabric_backlog", &F)), (Some(10.0), None));

    cluster.nats.kill9();
    eventually(async || match scrape(&cluster.gateway).await.get("fabric_broker_connected", &[]) {
        Some(0.0) => Ok(()),
        other => Err(format!("{other:?} connected")),
    })
    .await;
    eventually(async || match scrape(&cluster.workers[0]).await.get("fabric_backlog", &F) {
        None => Ok(()),
        Some(old) => Err(format!("{old} wait, as if anybody knew")),
    })
    .await;
    cluster.nats.restart().await;
    eventually(async || {
        let told = scrape(&cluster.gateway).await;
        let is = ["fabric_broker_connected", "fabric_broker_reconnects_total", "gateway_nats_reconnect_total"];
        match is.map(|name| told.get(name, &[])) {
            [Some(1.0), Some(1.0..), Some(1.0..)] => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    server.release();
}
