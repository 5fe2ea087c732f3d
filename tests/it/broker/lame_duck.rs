//! A server of a cluster that is about to go is left before it does.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::json;
use tests::cluster::Cluster;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tokio::time::sleep;

fn moved(fabric: &Fabric) -> usize {
    fabric.process.lines().iter().filter(|line| line.contains("moving to another")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_move_before_the_server_goes_and_nothing_is_lost() {
    const CALLS: usize = 300;
    let (cluster, server) = (Cluster::start().await, Server::start().await);
    let url = cluster.url();
    let gateway = Fabric::start(&["gateway", "--broker", &url, "--replicas", "3"]).await;
    let worker = Fabric::start(&["worker", "--broker", &url, "--replicas", "3"]).await;
    let processes = [&gateway, &worker];
    gateway.register("f", json!({"fabric.upstream": server.url("/sleep/50")})).await;
    let calls = async {
        let call = |n: usize| {
            let gateway = &gateway;
            async move {
                sleep(Duration::from_millis(10 * (n % 32) as u64)).await;
                // Whoever was refused asks again.
                eventually(async || match gateway.call("f", &[("x-call-id", &format!("c{n}"))], "x").await {
                    answer if answer.status == 202 => Ok(()),
                    answer => Err(format!("{} {:?}", answer.status, answer.body)),
                })
                .await;
            }
        };
        stream::iter((0..CALLS).map(call)).buffer_unordered(8).collect::<()>().await;
    };
    // One node after the other, so that each process is on one of them.
    let leaving = async {
        for node in 0..2 {
            cluster.signal(node, "USR2");
            eventually(async || match cluster.lines(node).iter().any(|line| line.contains("lame duck")) {
                true => Ok(()),
                false => Err("it is not one yet"),
            })
            .await;
            if processes.iter().all(|fabric| moved(fabric) > 0) {
                break;
            }
            sleep(Duration::from_secs(2)).await;
            if processes.iter().any(|fabric| moved(fabric) > 0) {
                break;
            }
        }
    };
    tokio::join!(calls, leaving);
    assert!(processes.iter().any(|fabric| moved(fabric) > 0), "none was on a node that left");
    eventually(async || match server.calls("/sleep/50").len() {
        CALLS => Ok(()),
        ran => Err(format!("{ran} ran")),
    })
    .await;
    for fabric in processes {
        let lines = fabric.process.lines();
        let errors: Vec<_> = lines.iter().filter(|line| line.contains("ERROR")).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}
