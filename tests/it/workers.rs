//! A gateway and workers on a real nats-server: nothing is lost, nothing runs twice without a crash.

use serde_json::json;
use tests::client::Client;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;
use tests::nats::Nats;

/// How many calls a run makes; `FABRIC_TEST_CALLS` makes it longer.
fn calls() -> usize {
    std::env::var("FABRIC_TEST_CALLS").map_or(1_000, |calls| calls.parse().unwrap())
}

async fn worker(nats: &Nats) -> Fabric {
    Fabric::start(&["worker", "--broker", &nats.url(), "--allow-private-callbacks"]).await
}

async fn assert_streams_are_empty(nats: &Nats) {
    let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    for stream in ["FABRIC_READY_default_0", "FABRIC_READY_callbacks_0", "FABRIC_LATER", "FABRIC_DEAD"] {
        eventually(async || {
            // One that was never needed is not there.
            let messages = context.get_stream(stream).await.map_or(0, |it| it.cached_info().state.messages);
            if messages == 0 { Ok(()) } else { Err(format!("{stream} holds {messages}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn every_call_runs_once_and_is_called_back() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    let _workers = [worker(&nats).await, worker(&nats).await];
    gateway.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    let callback = server.url("/callback");
    let ids = gateway.accepted_many("f", &[("x-callback-url", &callback)], calls()).await;
    assert_eq!(ids.len(), calls());
    eventually(async || {
        let called_back = server.calls("/callback").len();
        if called_back == ids.len() { Ok(()) } else { Err(format!("{called_back} of {} called back", ids.len())) }
    })
    .await;
    assert_streams_are_empty(&nats).await;
    assert_eq!((server.calls("/ok"), server.seen("/ok").len()), (ids.clone(), ids.len()));
    assert_eq!((server.calls("/callback"), server.seen("/callback").len()), (ids.clone(), ids.len()));
}

#[tokio::test]
async fn a_killed_workers_calls_run_again_elsewhere() {
    const IN_FLIGHT: usize = 64;
    let (nats, server) = (Nats::start().await, Server::start().await);
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    let mut doomed = worker(&nats).await;
    gateway.register("f", json!({"fabric.upstream": server.url("/hold")})).await;
    let ids = gateway.accepted_many("f", &[], IN_FLIGHT).await;
    eventually(async || {
        let running = server.running();
        if running == IN_FLIGHT { Ok(()) } else { Err(format!("{running} run")) }
    })
    .await;
    let survivor = worker(&nats).await;
    doomed.process.kill9();
    let killed = tokio::time::Instant::now();
    eventually(async || {
        let running = survivor.in_flight().await;
        if running == IN_FLIGHT as u64 { Ok(()) } else { Err(format!("{running} run again")) }
    })
    .await;
    println!("{IN_FLIGHT} calls ran again {:.1} s after the kill", killed.elapsed().as_secs_f64());
    server.release();
    assert_streams_are_empty(&nats).await;
    assert_eq!((server.calls("/hold"), server.seen("/hold").len()), (ids, 2 * IN_FLIGHT));
}

#[tokio::test]
async fn a_killed_workers_calls_run_again_where_permits_are_too_few_to_wait_with() {
    /// More than scans and the search would find one at a time.
    const IN_FLIGHT: usize = 64;
    /// More than half of what the survivor takes, whatever the other has of them.
    const BUSY: usize = 155;
    let (nats, server) = (Nats::start().await, Server::start().await);
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    let started = async |permits| {
        Fabric::start(&["worker", "--broker", &nats.url(), "--lease", "2s", "--max-inflight", permits]).await
    };
    let runs = async |count: usize| {
        eventually(async || {
            let running = server.running();
            if running >= count { Ok(()) } else { Err(format!("{running} of {count} run")) }
        })
        .await;
    };
    let mut doomed = started("96").await;
    for name in ["f", "busy"] {
        gateway.register(name, json!({"fabric.upstream": server.url("/hold")})).await;
    }
    let mut ids = gateway.accepted_many("f", &[], IN_FLIGHT).await;
    runs(IN_FLIGHT).await;
    let survivor = started("256").await;
    ids.extend(gateway.accepted_many("busy", &[], BUSY).await);
    runs(IN_FLIGHT + BUSY).await;
    doomed.process.kill9();
    eventually(async || {
        let running = survivor.in_flight().await;
        if running == ids.len() as u64 { Ok(()) } else { Err(format!("{running} of {} run", ids.len())) }
    })
    .await;
    server.release();
    assert_streams_are_empty(&nats).await;
    assert_eq!(server.calls("/hold"), ids);
}

#[tokio::test]
async fn a_call_whose_permit_was_let_go_waits_for_its_turn() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let fabric = Fabric::start(&["serve", "--broker", &nats.url(), "--max-inflight", "2"]).await;
    fabric.register("seldom", json!({"fabric.upstream": server.url("/ok")})).await;
    fabric.register("busy", json!({"fabric.upstream": server.url("/hold")})).await;
    fabric.accepted("seldom", &[], "").await;
    assert_streams_are_empty(&nats).await;
    // By now it waits for its next call, with one of the two permits.
    fabric.accepted_many("busy", &[], 2).await;
    server.running_is(2).await;
    // A pull cannot be taken back from nats-server, so this one comes at once, and finds no permit.
    let id = fabric.accepted("seldom", &[], "").await;
    fabric.accepted_many("busy", &[], 2).await;
    assert_eq!(server.running(), 2);
    server.release();
    assert_streams_are_empty(&nats).await;
    assert_eq!((server.count("/ok"), server.calls("/ok").len(), server.count("/hold")), (2, 2, 4));
    assert_eq!(server.running_max(), 2);
    let record = Client::default().get(&format!("{}/calls/{id}?wait=60s", fabric.public)).await.unwrap().json();
    assert_eq!((&record["state"], &record["crashes"]), (&json!("succeeded"), &json!(0)), "{record}");
}

#[tokio::test]
async fn a_worker_at_its_deadline_gives_back_what_still_runs() {
    let (nats, server) = (Nats::start().await, Server::start().await);
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    let args = ["worker", "--broker", &nats.url(), "--lease", "10m", "--grace", "100ms", "--pre-stop", "0s"];
    let mut leaving = Fabric::start(&args).await;
    gateway.register("f", json!({"fabric.upstream": server.url("/hold")})).await;
    let ids = gateway.accepted_many("f", &[], 10).await;
    eventually(async || if leaving.in_flight().await == 10 { Ok(()) } else { Err("not all run yet") }).await;
    leaving.process.terminate();
    assert!(leaving.process.ended().await.success());
    // With a lease of ten minutes, only giving back explains that they run again now.
    server.release();
    let _staying = worker(&nats).await;
    assert_streams_are_empty(&nats).await;
    assert_eq!((server.calls("/hold"), server.seen("/hold").len()), (ids, 20));
}

#[tokio::test]
async fn a_part_that_keeps_failing_ends_the_process_and_its_last_line_says_why() {
    let nats = Nats::start().await;
    let mut doomed = worker(&nats).await;
    let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    // What every process follows is gone for good, as if an operator had removed it.
    context.delete_key_value("FABRIC_FUNCTIONS").await.unwrap();
    assert_eq!(doomed.process.ended().await.code(), Some(1));
    let last = doomed.process.lines().into_iter().rfind(|line| line.starts_with("fabric: ")).unwrap();
    assert!(last.contains("directory failed") && last.ends_with("giving up"), "{last}");
}

#[tokio::test]
async fn calls_that_run_outlive_a_restart_of_the_broker() {
    const IN_FLIGHT: usize = 20;
    let (mut nats, server) = (Nats::start().await, Server::start().await);
    let gateway = Fabric::start(&["gateway", "--broker", &nats.url()]).await;
    let _worker = worker(&nats).await;
    gateway.register("f", json!({"fabric.upstream": server.url("/hold")})).await;
    let ids = gateway.accepted_many("f", &[], IN_FLIGHT).await;
    eventually(async || match server.running() {
        IN_FLIGHT => Ok(()),
        running => Err(format!("{running} run")),
    })
    .await;
    // A server that is killed forgets which messages it has delivered in the last moments, and delivers them again.
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    nats.kill9();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    nats.restart().await;
    // Longer than a lease: each was renewed on the new connection.
    tokio::time::sleep(std::time::Duration::from_secs(12)).await;
    server.release();
    assert_streams_are_empty(&nats).await;
    assert_eq!((server.calls("/hold"), server.seen("/hold").len()), (ids, IN_FLIGHT), "each of them once");
}
