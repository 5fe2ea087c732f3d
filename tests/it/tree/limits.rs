//! What limits a function, and what its subscriber says about it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::port::Control;
use actors::port::control::{Expected, Record};
use actors::port::invoker::Error;
use actors::view::Subscriber;
use actors::waiting::Reason;
use http::{HeaderMap, StatusCode};
use proto::deployment::Removal;
use proto::{Function, FunctionSpec};
use tokio::time::{Instant, sleep};

use super::MINUTE;
use super::world::{Running, World};

const SECOND: Duration = Duration::from_secs(1);

async fn subscriber(world: &World, function: &str) -> Subscriber {
    let view = world.tree.view(None).await.unwrap();
    let all = view.queues.iter().flat_map(|queue| &queue.subscribers);
    let name = format!("{function}.openfaas-fn");
    all.into_iter().find(|it| it.function == name).unwrap_or_else(|| panic!("no {name}")).clone()
}

async fn reason(world: &World, function: &str) -> Option<Reason> {
    subscriber(world, function).await.inflow.waiting.map(|waiting| waiting.reason)
}

/// A function that takes `call`, and how many of it run now and ran at most.
fn counted(world: &World, name: &str, call: Duration) -> (Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (now, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (count, peak) = (now.clone(), most.clone());
    world.functions.script(name, move |_, _| {
        let (count, peak) = (count.clone(), peak.clone());
        async move {
            peak.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let _running = Running(&count);
            sleep(call).await;
            Ok(StatusCode::OK.into())
        }
    });
    (now, most)
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_and_a_burst_let_through() {
    let world = World::new(MINUTE).await;
    world.register("paced", &[("fabric.rate", "10/s"), ("fabric.burst", "5")]).await;
    world.post_many("paced", 100).await;
    sleep(SECOND / 2).await;
    assert_eq!(world.functions.asked("paced").len(), 5 + 4, "the burst, and what half a second brings");
    let waiting = subscriber(&world, "paced").await.inflow.waiting.unwrap();
    assert_eq!(waiting.reason, Reason::Rate);
    assert!(waiting.seconds.unwrap() <= 0.1);
    sleep(5 * SECOND).await;
    assert!((58..=60).contains(&world.functions.asked("paced").len()));
    sleep(MINUTE).await;
    assert_eq!(world.functions.asked("paced").len(), 100);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_raised_is_followed_before_the_next_beat() {
    let world = World::new(MINUTE).await;
    world.register("raised", &[("fabric.concurrency", "5")]).await;
    let (now, _) = counted(&world, "raised", MINUTE);
    world.post_many("raised", 50).await;
    sleep(SECOND).await;
    assert_eq!(now.load(Ordering::SeqCst), 5);
    world.register("raised", &[("fabric.concurrency", "50")]).await;
    sleep(SECOND / 2).await;
    assert_eq!(now.load(Ordering::SeqCst), 50);
    world.register("raised", &[("fabric.concurrency", "50"), ("fabric.paused", "true")]).await;
    sleep(SECOND / 2).await;
    world.post("raised").await;
    assert_eq!(reason(&world, "raised").await, Some(Reason::Paused));
}

#[tokio::test(start_paused = true)]
async fn an_idle_function_saves_up_no_more_than_its_burst() {
    let world = World::new(MINUTE).await;
    world.register("paced", &[("fabric.rate", "10/s"), ("fabric.burst", "5")]).await;
    world.post("paced").await;
    sleep(5 * SECOND).await;
    world.post_many("paced", 100).await;
    sleep(SECOND).await;
    assert!((14..=16).contains(&(world.functions.asked("paced").len() - 1)));
}

#[tokio::test(start_paused = true)]
async fn a_paused_function_waits_and_goes_on_when_it_is_not() {
    let world = World::new(MINUTE).await;
    world.register("still", &[("fabric.paused", "true")]).await;
    world.post_many("still", 10).await;
    sleep(MINUTE).await;
    assert_eq!(world.functions.asked("still").len(), 0);
    assert_eq!(reason(&world, "still").await, Some(Reason::Paused));
    world.register("still", &[]).await;
    sleep(5 * SECOND).await;
    assert_eq!(world.functions.asked("still").len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_function_at_its_limit_says_so() {
    let world = World::new(MINUTE).await;
    world.register("two", &[("fabric.concurrency", "2")]).await;
    let (_, most) = counted(&world, "two", SECOND);
    world.post_many("two", 20).await;
    sleep(SECOND / 2).await;
    assert_eq!(reason(&world, "two").await, Some(Reason::ClusterLimit));
    sleep(MINUTE).await;
    assert_eq!((world.functions.asked("two").len(), most.load(Ordering::SeqCst)), (20, 2));
}

#[tokio::test(start_paused = true)]
async fn a_full_worker_says_so() {
    let world = World::with(MINUTE, 8, Vec::new()).await;
    for name in ["a", "b"] {
        world.register(name, &[]).await;
        counted(&world, name, 10 * SECOND);
        world.post_many(name, 20).await;
    }
    sleep(SECOND).await;
    assert_eq!(reason(&world, "a").await, Some(Reason::WorkerCapacity));
    sleep(5 * MINUTE).await;
    assert_eq!(world.functions.asked("a").len() + world.functions.asked("b").len(), 40);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_crowded_function_is_tried_gently_and_none_of_its_calls_burns_an_attempt() {
    let world = World::with(MINUTE, 256, Vec::new()).await;
    world.register("crowded", &[("com.openfaas.retry.attempts", "1")]).await;
    let (running, turned_away) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (count, away) = (running.clone(), turned_away.clone());
    world.functions.script("crowded", move |_, attempt| {
        assert_eq!(attempt, 1);
        let (count, away) = (count.clone(), away.clone());
        async move {
            let before = count.fetch_add(1, Ordering::SeqCst);
            let _running = Running(&count);
            if before >= 20 {
                away.fetch_add(1, Ordering::SeqCst);
                let mut headers = HeaderMap::new();
                headers.insert("x-openfaas-internal", "faas-middleware".parse().unwrap());
                return Ok((StatusCode::TOO_MANY_REQUESTS, headers).into());
            }
            sleep(SECOND / 5).await;
            Ok(StatusCode::OK.into())
        }
    });
    world.post_many("crowded", 5000).await;
    sleep(10 * SECOND).await;
    sleep(SECOND / 10).await;
    let inflow = subscriber(&world, "crowded").await.inflow;
    assert!((10..=25).contains(&inflow.adaptive.unwrap()), "{inflow:?}");
    assert_eq!(inflow.waiting.map(|waiting| waiting.reason), Some(Reason::AdaptiveLimit), "{inflow:?}");
    let (before, at) = (turned_away.load(Ordering::SeqCst), world.functions.asked("crowded").len());
    sleep(20 * SECOND).await;
    let (after, served) = (turned_away.load(Ordering::SeqCst) - before, world.functions.asked("crowded").len() - at);
    assert!(after * 50 < served, "{after} of {served} turned away");
    sleep(5 * MINUTE).await;
    assert_eq!(world.told().len(), 5000);
    assert!(world.told().values().all(|status| status == "200"));
}

#[tokio::test(start_paused = true)]
async fn a_function_that_fails_everything_is_probed_until_it_recovers() {
    let world = World::new(MINUTE).await;
    world.register("down", &[]).await;
    let up = Arc::<AtomicBool>::default();
    let is_up = up.clone();
    world.functions.script("down", move |_, _| {
        let status = if is_up.load(Ordering::SeqCst) { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
        async move { Ok(status.into()) }
    });
    world.post_many("down", 1000).await;
    sleep(2 * SECOND).await;
    assert_eq!(reason(&world, "down").await, Some(Reason::CircuitOpen));
    let before = world.functions.asked("down").len();
    assert!(before <= 64 + 3, "{before}: what was on the way when it opened, and few more");
    sleep(2 * MINUTE).await;
    assert!(world.functions.asked("down").len() - before <= 12, "one call at a time, ever more rarely");
    up.store(true, Ordering::SeqCst);
    sleep(5 * MINUTE).await;
    assert_eq!(world.told().len(), 1000, "none used its attempts up");
    assert_eq!(world.told().values().filter(|status| *status == "200").count(), 1000);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_function_that_asks_to_be_left_alone_is() {
    let world = World::new(MINUTE).await;
    world.register("busy", &[]).await;
    let asked_at = Arc::<Mutex<Vec<Instant>>>::default();
    let times = asked_at.clone();
    world.functions.script("busy", move |_, _| {
        let first = {
            let mut times = times.lock().unwrap();
            times.push(Instant::now());
            times.len() == 1
        };
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "30".parse().unwrap());
        async move { Ok(if first { (StatusCode::SERVICE_UNAVAILABLE, headers).into() } else { StatusCode::OK.into() }) }
    });
    world.post("busy").await;
    sleep(SECOND).await;
    world.post_many("busy", 10).await;
    sleep(10 * SECOND).await;
    assert_eq!(asked_at.lock().unwrap().len(), 1);
    let waiting = subscriber(&world, "busy").await.inflow.waiting.unwrap();
    assert_eq!(waiting.reason, Reason::Paused);
    assert!((18.0..20.0).contains(&waiting.seconds.unwrap()));
    sleep(MINUTE).await;
    let times = asked_at.lock().unwrap().clone();
    assert_eq!(times.len(), 12);
    assert!(times[1] - times[0] >= 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_function_of_which_only_retries_are_left_says_when_the_next_is_due() {
    let world = World::new(MINUTE).await;
    world.register("later", &[("com.openfaas.retry.min_wait", "1h"), ("com.openfaas.retry.max_wait", "1h")]).await;
    world.functions.script("later", async |_, _| Ok(StatusCode::INTERNAL_SERVER_ERROR.into()));
    world.post_many("later", 5).await;
    sleep(5 * SECOND).await;
    let waiting = subscriber(&world, "later").await.inflow.waiting.unwrap();
    assert_eq!(waiting.reason, Reason::DueLater);
    assert!((1.0..3600.0).contains(&waiting.seconds.unwrap()), "{waiting:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_lowered_interrupts_nobody() {
    let world = World::new(MINUTE).await;
    world.register("a", &[("fabric.concurrency", "10")]).await;
    let (now, _) = counted(&world, "a", 30 * SECOND);
    world.post_many("a", 30).await;
    sleep(5 * SECOND).await;
    assert_eq!(now.load(Ordering::SeqCst), 10);
    world.register("a", &[("fabric.concurrency", "2")]).await;
    sleep(20 * SECOND).await;
    assert_eq!((now.load(Ordering::SeqCst), world.functions.asked("a").len()), (10, 10));
    sleep(10 * SECOND).await;
    assert_eq!(now.load(Ordering::SeqCst), 2);
    sleep(10 * MINUTE).await;
    world.assert_settled(30);
}

#[tokio::test(start_paused = true)]
async fn endpoints_get_as_many_calls_as_they_have_slots() {
    let world = World::new(MINUTE).await;
    world.register("many", &[("fabric.upstream", "http://e1,http://e2,http://e3"), ("fabric.slots", "2")]).await;
    let peaks: Vec<_> = ["e1", "e2", "e3"].iter().map(|host| counted(&world, host, SECOND).1).collect();
    world.post_many("many", 60).await;
    sleep(SECOND / 2).await;
    assert_eq!(reason(&world, "many").await, Some(Reason::EndpointsBusy));
    sleep(10 * SECOND).await;
    for (host, peak) in ["e1", "e2", "e3"].iter().zip(peaks) {
        assert_eq!((world.functions.asked(host).len(), peak.load(Ordering::SeqCst)), (20, 2), "{host}");
    }
    world.assert_settled(60);
}

#[tokio::test(start_paused = true)]
async fn a_dead_endpoint_costs_no_attempt_and_is_taken_back_when_it_lives() {
    let world = World::new(MINUTE).await;
    let annotations = [("fabric.upstream", "http://dead,http://well"), ("com.openfaas.retry.attempts", "1")];
    world.register("half", &annotations).await;
    let lives = Arc::<AtomicBool>::default();
    let alive = lives.clone();
    world.functions.script("dead", move |_, _| {
        let alive = alive.load(Ordering::SeqCst);
        async move { if alive { Ok(StatusCode::OK.into()) } else { Err(Error::Refused("dead:80".into())) } }
    });
    for _ in 0..100 {
        world.post("half").await;
        sleep(SECOND / 10).await;
    }
    assert_eq!(world.functions.asked("well").len(), 100, "another is tried at once");
    let refused = world.functions.asked("dead").len();
    assert!(refused <= 5, "{refused}: probed after 1, 2, 4 and 8 seconds");
    lives.store(true, Ordering::SeqCst);
    sleep(30 * SECOND).await;
    for _ in 0..100 {
        world.post("half").await;
        sleep(SECOND / 10).await;
    }
    assert!(world.functions.asked("dead").len() - refused > 30);
    world.assert_settled(200);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_stands_for_several_addresses_is_several_endpoints() {
    let world = World::new(MINUTE).await;
    let addresses: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
    world.functions.addresses.lock().unwrap().insert("pool.local".into(), addresses);
    world.register("named", &[("fabric.upstream", "dns+http://pool.local:80"), ("fabric.slots", "3")]).await;
    for host in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        counted(&world, host, SECOND);
    }
    world.post_many("named", 12).await;
    sleep(3 * SECOND).await;
    let asked = |host| world.functions.asked(host).len();
    assert_eq!((asked("10.0.0.1"), asked("10.0.0.2")), (6, 6));
    let moved = vec!["10.0.0.2".parse().unwrap(), "10.0.0.3".parse().unwrap()];
    world.functions.addresses.lock().unwrap().insert("pool.local".into(), moved);
    sleep(7 * SECOND).await;
    world.post_many("named", 12).await;
    sleep(3 * SECOND).await;
    assert_eq!((asked("10.0.0.1"), asked("10.0.0.3")), (6, 6));
}

/// Calls that succeed, fail, panic, hang and are turned away, on a broker that goes deaf now and then, in a worker
/// that drains in the end: every permit comes home.
#[tokio::test(start_paused = true)]
async fn permits_come_home_however_calls_end() {
    for seed in 0..20_u64 {
        let mut world = World::with(5 * SECOND, 6, Vec::new()).await;
        let names = ["a", "b", "c"];
        for name in names {
            world.register(name, &[("fabric.timeout", "3s"), ("com.openfaas.retry.max_wait", "2s")]).await;
            let turn = AtomicUsize::new(0);
            world.functions.script(name, move |_, _| {
                let turn = turn.fetch_add(1, Ordering::SeqCst) as u64;
                let fate = (turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed * 1_442_695) >> 7) % 8;
                async move {
                    sleep(Duration::from_millis(turn % 700)).await;
                    match fate {
                        0 => panic!("as a bug would"),
                        1 => std::future::pending().await,
                        2 => Err(Error::Refused("away".into())),
                        3 => Ok(StatusCode::INTERNAL_SERVER_ERROR.into()),
                        4 => Err(Error::Broken { what: "broke", source: "as told".into() }),
                        _ => Ok(StatusCode::OK.into()),
                    }
                }
            });
            world.post_many(name, 30).await;
        }
        for step in 0..10_u64 {
            sleep(Duration::from_millis(500 + 37 * seed)).await;
            world.broker.deaf.store((step + seed) % 3 == 0, Ordering::SeqCst);
            let view = world.tree.view(None).await.unwrap();
            // Views of several actors are not of one moment, but nobody ever has more than there is, and as many calls
            // again may have run and be settled.
            let held: u32 = view.queues.iter().map(|queue| queue.permits).sum();
            let subscribers = view.queues.iter().flat_map(|queue| &queue.subscribers);
            let used: u32 = subscribers.map(|it| it.in_flight as u32 + it.inflow.permits).sum();
            assert!(held <= view.permits && used <= 2 * view.permits, "{view:?}");
            assert!(world.functions.running.load(Ordering::SeqCst) <= 6, "{view:?}");
        }
        world.broker.deaf.store(false, Ordering::SeqCst);
        if seed % 2 == 0 {
            sleep(20 * MINUTE).await;
            let view = world.tree.view(None).await.unwrap();
            assert_eq!(view.permits, view.permits_free, "seed {seed}: {view:?}");
        }
        world.tree.drain();
        (&mut world.ending).await.unwrap();
        assert_eq!(world.functions.running.load(Ordering::SeqCst), 0);
    }
}

/// What follows from a call is stored without its permit, for as many calls as there are permits; to the broker, which
/// limits a function, it is still there.
#[tokio::test(start_paused = true)]
async fn others_run_while_calls_are_settled() {
    let world = World::with(MINUTE, 2, Vec::new()).await;
    let cases: [(_, &[_], _); 2] = [("free", &[], 4), ("limited", &[("fabric.concurrency", "1")], 1)];
    for (name, annotations, run) in cases {
        world.register(name, annotations).await;
        world.broker.deaf.store(true, Ordering::SeqCst);
        world.post_many(name, 10).await;
        sleep(SECOND).await;
        assert_eq!(world.functions.asked(name).len(), run, "{name}");
        world.broker.deaf.store(false, Ordering::SeqCst);
        sleep(2 * MINUTE).await;
        assert_eq!(world.functions.asked(name).len(), 10, "{name}: each once");
        world.assert_at_rest().await;
    }
}

/// Three functions of different call lengths that always have work share a worker by weight, in slot-time.
#[tokio::test(start_paused = true)]
async fn a_worker_is_shared_by_slot_time() {
    let world = World::with(MINUTE, 16, Vec::new()).await;
    let calls = [("short", 100, "1"), ("long", 5000, "1"), ("heavy", 700, "2")];
    for (name, ms, weight) in calls {
        world.register(name, &[("fabric.weight", weight)]).await;
        counted(&world, name, Duration::from_millis(ms));
    }
    let before = HashMap::from([("short", 40_000), ("long", 1000), ("heavy", 10_000)]);
    for (name, count) in &before {
        world.post_many(name, *count).await;
    }
    sleep(5 * MINUTE).await;
    let time = |(name, ms, _): (&str, u64, &str)| world.functions.asked(name).len() as f64 * ms as f64 / 1000.0;
    let times = calls.map(time);
    let all: f64 = times.iter().sum();
    for ((name, _, weight), time) in calls.iter().zip(times) {
        let due = weight.parse::<f64>().unwrap() / 4.0;
        assert!((time / all / due - 1.0).abs() < 0.1, "{name}: {:.3} of {due}", time / all);
    }
    assert!(all > 16.0 * 300.0 * 0.95, "{all} slot-seconds used of {}", 16 * 300);
}

/// The limit is everybody's: were it lifted at once, a worker that has not heard of the deletion would run one too many.
#[tokio::test(start_paused = true)]
async fn what_is_buried_keeps_to_the_limit_until_everybody_has_heard() {
    let world = World::new(MINUTE).await;
    world.register("f", &[("fabric.concurrency", "1")]).await;
    let (now, most) = counted(&world, "f", MINUTE / 2);
    world.post_many("f", 3).await;
    sleep(SECOND).await;
    let function = Function::parse("f").unwrap();
    let mut deployment = FunctionSpec::at(&function, "http://f").unwrap().deployment.open();
    deployment.annotations.insert("fabric.concurrency".into(), "1".into());
    deployment.deleting = Some(Removal::DeadLetter);
    let leaving = Record::Function(function, Box::new(deployment));
    world.broker.memory.put(leaving, Expected::Whatever).await.unwrap();
    sleep(SECOND).await;
    assert_eq!((world.told().len(), now.load(Ordering::SeqCst)), (0, 1));
    sleep(5 * SECOND).await;
    assert_eq!((world.told().len(), now.load(Ordering::SeqCst)), (2, 1), "they wait for nothing that runs");
    sleep(MINUTE).await;
    assert_eq!((world.told().len(), most.load(Ordering::SeqCst)), (3, 1));
}
