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
    // Told of one node only, they are on it; of the others they hear from it.
    let url = format!("nats://127.0.0.1:{}", cluster.port(0));
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
    // One node only: of three, two must be there for anything to be stored.
    let leaving = async {
        cluster.signal(0, "USR2");
        eventually(async || match processes.iter().filter(|fabric| moved(fabric) == 0).count() {
            0 => Ok(()),
            stay => Err(format!("{stay} stay")),
        })
        .await;
    };
    tokio::join!(calls, leaving);
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
