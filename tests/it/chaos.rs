//! Plugs are pulled while calls run; at the end every call that was accepted has ended, in one way, and is told of.
//!
//! Three broker nodes, two gateways, three workers. The ledger is kept by the functions and the receiver of callbacks,
//! which are this test's own; what Fabric says of itself is compared with it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::StatusCode;
use serde_json::{Value, json};
use tests::client::Client;
use tests::cluster::Cluster;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::{Seen, Server};
use tokio::time::{Instant, interval, sleep};

/// How many calls a second are made.
const RATE: u64 = 100;
const FUNCTIONS: usize = 50;
const LEASE: Duration = Duration::from_secs(5);
/// The longest that any function takes.
const LONGEST: Duration = Duration::from_secs(2);
/// How long the traces of a fault may last: until the lease ends, and as long as another leader is elected.
const AFTERMATH: Duration = Duration::from_secs(25);

/// How long after everything is there again a call may take to end.
const ENDED_WITHIN: Duration = Duration::from_secs(60);
const ENDS: [&str; 5] = ["succeeded", "failed", "dead", "cancelled", "expired"];

/// How many calls a run makes; `FABRIC_CHAOS_CALLS` makes it longer.
fn calls() -> usize {
    std::env::var("FABRIC_CHAOS_CALLS").map_or(3_000, |calls| calls.parse().unwrap())
}

/// What the functions do, what is set for them, and how their calls end.
const KINDS: [(&str, &str, &str); 10] = [
    ("/ok", "10", "succeeded"),
    ("/ok", "10", "succeeded"),
    ("/ok", "10", "succeeded"),
    ("/sleep/5", "10", "succeeded"),
    ("/sleep/20", "10", "succeeded"),
    ("/sleep/200", "10", "succeeded"),
    ("/sleep/2000", "10", "succeeded"),
    ("/fail-first/503", "10", "succeeded"),
    ("/status/404", "10", "failed"),
    ("/status/500", "2", "dead"),
];

struct World {
    cluster: Cluster,
    gateways: Vec<Fabric>,
    workers: Vec<Fabric>,
    /// When each fault began and was over.
    faults: Vec<(&'static str, Instant, Instant)>,
    /// How many workers were asked to go.
    drained: usize,
}

impl World {
    async fn start() -> Self {
        let cluster = Cluster::start().await;
        let mut world = Self { cluster, gateways: Vec::new(), workers: Vec::new(), faults: Vec::new(), drained: 0 };
        for _ in 0..2 {
            let gateway = Fabric::start(&["gateway", "--broker", &world.cluster.url(), "--replicas", "3"]).await;
            world.gateways.push(gateway);
        }
        for _ in 0..3 {
            let worker = world.worker().await;
            world.workers.push(worker);
        }
        world
    }

    async fn worker(&self) -> Fabric {
        let (broker, lease) = (self.cluster.url(), format!("{}s", LEASE.as_secs()));
        let args = ["worker", "--broker", &broker, "--replicas", "3", "--lease", &lease, "--pre-stop", "0s"];
        Fabric::start(&[&args[..], &["--allow-private-callbacks"]].concat()).await
    }

    fn struck(&mut self, what: &'static str, began: Instant) {
        self.faults.push((what, began, Instant::now()));
    }

    async fn kill_a_worker(&mut self) {
        let began = Instant::now();
        self.workers.remove(0).process.kill9();
        let replacement = self.worker().await;
        self.workers.push(replacement);
        self.struck("a worker was killed and replaced", began);
    }

    async fn kill_a_node(&mut self, node: usize) {
        let began = Instant::now();
        self.cluster.kill9(node);
        sleep(Duration::from_secs(2)).await;
        self.cluster.restart(node);
        sleep(Duration::from_secs(3)).await;
        self.struck("a broker node was killed and restarted", began);
    }

    async fn cut_a_node_off(&mut self, node: usize) {
        let began = Instant::now();
        self.cluster.signal(node, "STOP");
        sleep(Duration::from_secs(8)).await;
        self.cluster.signal(node, "CONT");
        self.struck("a broker node was cut off and returned", began);
    }

    async fn drain_a_worker(&mut self) {
        let mut leaving = self.workers.remove(0);
        leaving.process.terminate();
        assert!(leaving.process.ended().await.success());
        let replacement = self.worker().await;
        self.workers.push(replacement);
        self.drained += 1;
    }

    /// One round of everything.
    async fn strike(&mut self, round: usize) {
        self.kill_a_worker().await;
        sleep(Duration::from_secs(1)).await;
        self.kill_a_node(round % 3).await;
        self.drain_a_worker().await;
        self.cut_a_node_off((round + 1) % 3).await;
        self.kill_a_worker().await;
    }
}

/// Posts a call again and again, under the same id, until one of the gateways has accepted it.
async fn post(gateways: &[String], callback: &str, n: usize) -> String {
    let (client, id, function) = (Client::default(), format!("call-{n}"), format!("f{}", n % FUNCTIONS));
    for turn in n.. {
        let url = format!("{}/async-function/{function}", gateways[turn % gateways.len()]);
        let headers = [("x-call-id", id.as_str()), ("x-callback-url", callback)];
        match client.post(&url, &headers, id.clone()).await {
            Ok(answer) if answer.status == StatusCode::ACCEPTED => break,
            Ok(answer) => assert!(answer.status.is_server_error(), "{} {:?}", answer.status, answer.body),
            Err(_) => {}
        }
        sleep(Duration::from_millis(200)).await;
    }
    id
}

/// The record of a call, once it has ended; or what is known of it when it should have.
async fn ended(gateways: &[String], id: &str) -> Result<Value, String> {
    let (client, until) = (Client::default(), Instant::now() + ENDED_WITHIN);
    let mut last = String::new();
    for turn in 0.. {
        let url = format!("{}/calls/{id}?wait=10s", gateways[turn % gateways.len()]);
        match client.get(&url).await {
            Ok(answer) if answer.status == StatusCode::OK => match answer.json() {
                record if ENDS.contains(&record["state"].as_str().unwrap()) => return Ok(record),
                record => last = record.to_string(),
            },
            Ok(answer) => last = format!("{id}: {} {:?}", answer.status, answer.body),
            Err(error) => last = format!("{id}: {error}"),
        }
        if Instant::now() > until {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    Err(last)
}

/// Everything that was asked, by the call's id.
fn by_call(seen: Vec<Seen>) -> HashMap<String, Vec<Seen>> {
    let mut by_call = HashMap::<String, Vec<Seen>>::new();
    for seen in seen {
        by_call.entry(seen.header("x-call-id").to_owned()).or_default().push(seen);
    }
    by_call
}

#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_call_ends_once_whatever_is_pulled() {
    let server = Server::start().await;
    let mut world = World::start().await;
    for n in 0..FUNCTIONS {
        let (path, attempts, _) = KINDS[n % KINDS.len()];
        let annotations = json!({
            "fabric.upstream": server.url(path),
            "com.openfaas.retry.attempts": attempts,
            "com.openfaas.retry.min_wait": "200ms",
        });
        world.gateways[0].register(&format!("f{n}"), annotations).await;
    }
    let gateways: Vec<String> = world.gateways.iter().map(|it| it.public.clone()).collect();
    let callback = server.url("/callback");

    let mut tick = interval(Duration::from_secs(1) / u32::try_from(RATE).unwrap());
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let posts = stream::unfold((0, tick), |(n, mut tick)| async move {
        tick.tick().await;
        (n < calls()).then_some((n, (n + 1, tick)))
    });
    let posting = posts.map(|n| post(&gateways, &callback, n)).buffer_unordered(512).collect::<Vec<String>>();
    tokio::pin!(posting);
    let mut rounds = 0..;
    let ids = loop {
        let round = rounds.next().unwrap();
        let strike = async {
            sleep(Duration::from_secs(2)).await;
            world.strike(round).await;
        };
        tokio::pin!(strike);
        // A round that was begun is ended, so that every node is there again.
        tokio::select! {
            ids = &mut posting => {
                strike.await;
                break ids;
            }
            () = &mut strike => {}
        }
    };
    for (what, began, over) in &world.faults {
        println!("{what}, within {:.1} s", (*over - *began).as_secs_f64());
    }
    println!("{} workers were drained; {} calls were accepted", world.drained, ids.len());
    let endings: Vec<(String, Result<Value, String>)> = stream::iter(&ids)
        .map(|id| async { (id.clone(), ended(&gateways, id).await) })
        .buffer_unordered(256)
        .collect()
        .await;
    let stuck: Vec<_> = endings.iter().filter_map(|(_, ending)| ending.as_ref().err()).collect();
    if !stuck.is_empty() {
        for (id, _) in endings.iter().filter(|(_, ending)| ending.is_err()).take(3) {
            println!("{id}: {}", world.cluster.last("FABRIC_CALLS", &format!("fabric.call.{id}")).await);
            let seen = KINDS.iter().flat_map(|kind| server.seen(kind.0)).chain(server.seen("/callback"));
            for seen in seen.filter(|seen| seen.header("x-call-id") == id) {
                println!("  {} {:?} ago, attempt {}", seen.uri, seen.at.elapsed(), seen.header("x-attempt"));
            }
        }
        for (what, began, over) in &world.faults {
            println!("{what}, {:?} to {:?} ago", began.elapsed(), over.elapsed());
        }
        panic!("{} calls did not end, such as {}\n{}", stuck.len(), stuck[0], world.cluster.describe().await);
    }
    let records: HashMap<String, Value> = endings.into_iter().map(|(id, ending)| (id, ending.unwrap())).collect();
    assert_eq!(records.len(), calls(), "every 202 is accounted for");

    eventually(async || {
        let called_back = server.calls("/callback").len();
        if called_back == ids.len() { Ok(()) } else { Err(format!("{called_back} were called back")) }
    })
    .await;
    let streams = streams(&world.cluster).await;
    assert!(streams.iter().all(|(name, messages)| *messages == 0 || !is_transient(name)), "{streams:?}");

    let mut states = BTreeMap::<&str, usize>::new();
    let callbacks = by_call(server.seen("/callback"));
    for (id, record) in &records {
        let n: usize = id.trim_start_matches("call-").parse().unwrap();
        let state = record["state"].as_str().unwrap();
        assert_eq!(state, KINDS[n % KINDS.len()].2, "{record}");
        *states.entry(state).or_default() += 1;
        assert!(callbacks[id].iter().all(|seen| seen.header("x-call-state") == state), "{id} was told otherwise");
    }
    let letters = letters(&world.gateways[0]).await;
    assert_eq!((letters.len(), letters.values().max()), (states["dead"], Some(&1)), "one letter for each that is dead");
    println!("ended as {states:?}");

    let told_again = callbacks.values().map(|seen| seen.len() - 1).sum::<usize>();
    let mut ran_again = 0;
    for (id, mut seen) in by_call(KINDS.iter().flat_map(|kind| server.seen(kind.0)).collect::<Vec<_>>()) {
        seen.sort_by_key(|seen| seen.at);
        seen.dedup_by_key(|seen| seen.at);
        for pair in seen.windows(2).filter(|pair| pair[0].header("x-attempt") == pair[1].header("x-attempt")) {
            ran_again += 1;
            let first = pair[0].at;
            let interrupted = |(_, began, over): &(&str, Instant, Instant)| {
                first + LONGEST >= *began - Duration::from_secs(1) && first <= *over + AFTERMATH
            };
            assert!(world.faults.iter().any(interrupted), "{id} ran twice, and nothing had interrupted it");
        }
    }
    println!("{ran_again} runs and {told_again} callbacks were repeated after a fault");
}

/// Whether a stream holds only what is still to be done.
fn is_transient(stream: &str) -> bool {
    stream.starts_with("FABRIC_READY") || stream == "FABRIC_LATER"
}

/// How many messages each stream holds, once those that hold work have none.
async fn streams(cluster: &Cluster) -> BTreeMap<String, u64> {
    let context = cluster.connect().await.unwrap();
    eventually(async || {
        let all: Vec<_> = context.streams().collect().await;
        let counts = all.into_iter().map(|info| info.map(|info| (info.config.name, info.state.messages)));
        let counts: BTreeMap<String, u64> = counts.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let waits = counts.iter().any(|(name, messages)| is_transient(name) && *messages > 0);
        if waits { Err(format!("{counts:?}")) } else { Ok(counts) }
    })
    .await
}

/// How many letters there are of each call.
async fn letters(gateway: &Fabric) -> HashMap<String, usize> {
    let (client, mut letters, mut cursor) = (Client::default(), HashMap::new(), "0".to_owned());
    loop {
        let url = format!("{}/admin/v1/dead-letters?limit=1000&cursor={cursor}", gateway.admin);
        let page = client.get(&url).await.unwrap().json();
        let Some(next) = page["next"].as_str() else { return letters };
        cursor = next.to_owned();
        for letter in page["items"].as_array().unwrap() {
            *letters.entry(letter["call"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
}
