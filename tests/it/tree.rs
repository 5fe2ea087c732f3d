//! The supervision tree on the in-memory broker under a paused clock: hours pass in milliseconds, always alike.

mod intake;
mod limits;
mod lives;
mod members;
mod shutters;
mod turns;
mod world;

use std::collections::HashMap;
use std::future::pending;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use actors::parts::Listener;
use actors::port::broker::{Message, Terms};
use actors::port::invoker::Error;
use actors::port::{Broker, DeadLetters};
use actors::tree::Ending;
use futures_util::TryStreamExt;
use http::StatusCode;
use proto::{Function, LaneKey, Queue};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::world::{Running, Start, World};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn calls_run_once_are_called_back_and_everything_comes_to_rest() {
    let world = World::new(MINUTE).await;
    for name in ["a", "b", "c"] {
        world.register(name, &[]).await;
        world.post_many(name, 100).await;
    }
    sleep(MINUTE).await;
    for name in ["a", "b", "c"] {
        assert_eq!(world.functions.asked(name).len(), 100);
    }
    assert_eq!(world.told().len(), 300);
    world.assert_at_rest().await;
    // A lane that came to rest wakes again.
    world.post("a").await;
    sleep(MINUTE).await;
    assert_eq!(world.functions.asked("a").len(), 101);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn no_call_runs_before_the_functions_are_known() {
    let world = World::of(Start { unread_for: Duration::from_secs(5), ..Start::default() }).await;
    world.register("a", &[("com.openfaas.retry.min_wait", "1h")]).await;
    world.post_many("a", 50).await;
    sleep(Duration::from_secs(4)).await;
    assert_eq!(world.functions.asked("a").len(), 0);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.functions.asked("a").len(), 50, "at once, and none was put off meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_where_its_function_is_by_the_time_it_starts() {
    let world = World::new(MINUTE).await;
    world.register("a", &[]).await;
    world.post("a").await;
    sleep(Duration::from_millis(10)).await;
    assert_eq!(world.functions.asked("a"), ["c0"]);
    // Its subscriber is there, and has read where it was.
    world.register("a", &[("fabric.upstream", "http://elsewhere")]).await;
    world.post_many("a", 5).await;
    sleep(Duration::from_millis(10)).await;
    assert_eq!(world.functions.asked("elsewhere").len(), 5);
    assert_eq!(world.functions.asked("a"), ["c0"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_outlives_a_hundred_leases_runs_once() {
    let world = World::new(MINUTE).await;
    world.register("long", &[("fabric.timeout", "1h"), ("fabric.concurrency", "1")]).await;
    world.functions.script("long", async |_, _| {
        sleep(Duration::from_secs(1000)).await;
        Ok(StatusCode::OK.into())
    });
    world.post_many("long", 2).await;
    sleep(Duration::from_secs(2100)).await;
    assert_eq!(world.functions.asked("long"), ["c0", "c1"]);
    assert_eq!(world.told().len(), 2);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_failing_function_is_retried_until_its_attempts_are_used_up() {
    let world = World::new(MINUTE).await;
    world.register("down", &[("com.openfaas.retry.attempts", "4")]).await;
    world.functions.script("down", async |_, _| Ok(StatusCode::INTERNAL_SERVER_ERROR.into()));
    world.register("recovers", &[]).await;
    world.functions.script("recovers", async |_, attempt| {
        Ok(if attempt < 3 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }.into())
    });
    let (dead, well) = (world.post("down").await, world.post("recovers").await);
    sleep(5 * MINUTE).await;
    assert_eq!(world.functions.asked("down").len(), 4);
    assert_eq!(world.functions.asked("recovers").len(), 3);
    assert_eq!(world.told(), HashMap::from([(dead, "500".into()), (well, "200".into())]));
    assert_eq!(world.broker.dead_count().await.unwrap(), 1);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn being_busy_costs_no_attempt() {
    let world = World::new(MINUTE).await;
    world.register("away", &[("com.openfaas.retry.attempts", "1"), ("com.openfaas.retry.max_wait", "5s")]).await;
    let tries = Arc::new(AtomicUsize::new(0));
    world.functions.script("away", move |_, attempt| {
        let first = tries.fetch_add(1, Ordering::SeqCst) < 20;
        async move {
            assert_eq!(attempt, 1);
            if first { Err(Error::Refused("away:80".into())) } else { Ok(StatusCode::OK.into()) }
        }
    });
    let id = world.post("away").await;
    sleep(5 * MINUTE).await;
    assert_eq!(world.told(), HashMap::from([(id, "200".into())]));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_call_are_dead_and_hold_nobody_up() {
    let world = World::new(MINUTE).await;
    world.register("a", &[]).await;
    let lane = LaneKey::new(Queue::default(), Function::parse("a").unwrap());
    world.broker.publish(Message { lane, id: "noise".into(), payload: "noise".into() }).await.unwrap();
    world.post("a").await;
    sleep(MINUTE).await;
    assert_eq!((world.functions.asked("a").len(), world.broker.dead_count().await.unwrap()), (1, 1));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_call_is_that_calls_alone() {
    let world = World::new(MINUTE).await;
    world.register("bug", &[]).await;
    let panicked = Arc::new(AtomicUsize::new(0));
    let counter = panicked.clone();
    world.functions.script("bug", move |id, _| {
        let first = id == "c3" && counter.fetch_add(1, Ordering::SeqCst) < 2;
        async move {
            assert!(!first, "as a bug would");
            sleep(Duration::from_secs(5)).await;
            Ok(StatusCode::OK.into())
        }
    });
    world.post_many("bug", 10).await;
    sleep(MINUTE).await;
    assert_eq!(panicked.load(Ordering::SeqCst), 3);
    assert_eq!((world.functions.asked("bug").len(), world.told().len()), (12, 10), "only the one ran again");
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_cannot_be_opened_parks_and_its_neighbours_do_not_notice() {
    let world = World::new(MINUTE).await;
    world.register("shut", &[]).await;
    world.register("open", &[]).await;
    world.broker.refused.lock().unwrap().push(Function::parse("shut").unwrap());
    world.post("shut").await;
    sleep(Duration::from_secs(20)).await;
    let view = world.tree.view(None).await.unwrap();
    let queue = view.queues.iter().find(|queue| queue.name == "default").unwrap();
    assert_eq!(queue.children.iter().map(|child| &*child.state).collect::<Vec<_>>(), ["parked"], "{queue:?}");
    assert!(queue.children[0].cause.as_ref().unwrap().contains("the lane is shut"));
    world.post_many("open", 10).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.functions.asked("open").len(), 10);
    world.broker.refused.lock().unwrap().clear();
    sleep(2 * MINUTE).await;
    assert_eq!(world.functions.asked("shut").len(), 1, "it is tried again by itself");
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_stuck_function_leaves_room_for_another_at_once() {
    let world = World::with(MINUTE, 16, Vec::new()).await;
    for name in ["stuck", "quick"] {
        world.register(name, &[("fabric.timeout", "1h")]).await;
    }
    world.functions.script("stuck", async |_, _| pending().await);
    world.post_many("stuck", 1000).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.functions.asked("stuck").len(), 14, "two of sixteen permits are kept for others");
    for n in 1..=20 {
        world.post("quick").await;
        sleep(Duration::from_millis(1)).await;
        assert_eq!(world.functions.asked("quick").len(), n);
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_changed_while_calls_run_holds_within_a_beat() {
    let world = World::new(MINUTE).await;
    world.register("a", &[("fabric.concurrency", "2")]).await;
    world.functions.script("a", async |_, _| {
        sleep(Duration::from_secs(30)).await;
        Ok(StatusCode::OK.into())
    });
    world.post_many("a", 50).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.functions.running.load(Ordering::SeqCst), 2);
    world.register("a", &[("fabric.concurrency", "10")]).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.functions.running.load(Ordering::SeqCst), 10);
    assert_eq!(world.functions.asked("a").len(), 10, "none was interrupted");
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_long_calls_finish() {
    let mut world = World::new(10 * MINUTE).await;
    world.register("long", &[("fabric.timeout", "1h")]).await;
    world.functions.script("long", async |_, _| {
        sleep(Duration::from_secs(90)).await;
        Ok(StatusCode::OK.into())
    });
    world.post_many("long", 10).await;
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    world.tree.drain();
    assert_eq!((&mut world.ending).await, Ok(Ending::Drained));
    assert_eq!(start.elapsed().as_secs(), 89);
    assert_eq!(world.functions.asked("long").len(), 10);
    assert!(world.broker.backlog(&Queue::default()).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_what_runs_is_given_back_at_once() {
    let mut world = World::new(Duration::from_secs(5)).await;
    world.register("long", &[("fabric.timeout", "1h")]).await;
    world.functions.script("long", async |_, _| pending().await);
    world.post_many("long", 10).await;
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    world.tree.drain();
    assert_eq!((&mut world.ending).await, Ok(Ending::Drained));
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(world.functions.running.load(Ordering::SeqCst), 0);
    let lane = LaneKey::new(Queue::default(), Function::parse("long").unwrap());
    let lane = world.broker.lane(&lane, Terms::default()).await.unwrap();
    let given_back: Vec<_> =
        lane.pull(NonZeroU32::new(99).unwrap(), Duration::ZERO, CancellationToken::new()).try_collect().await.unwrap();
    assert_eq!(given_back.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_dies_in_the_drain_is_given_back_before_the_process_ends() {
    let mut world = World::new(MINUTE).await;
    world.register("bug", &[]).await;
    world.functions.script("bug", async |_, _| {
        sleep(Duration::from_secs(2)).await;
        panic!("as a bug would")
    });
    world.post("bug").await;
    sleep(Duration::from_secs(1)).await;
    world.tree.drain();
    assert_eq!((&mut world.ending).await, Ok(Ending::Drained));
    let lane = LaneKey::new(Queue::default(), Function::parse("bug").unwrap());
    let lane = world.broker.lane(&lane, Terms::default()).await.unwrap();
    let start = Instant::now();
    let back: Vec<_> = lane.pull(NonZeroU32::MIN, MINUTE, CancellationToken::new()).try_collect().await.unwrap();
    assert_eq!(back.len(), 1);
    assert!(start.elapsed() <= Duration::from_secs(1), "by giving back, not by the end of its lease");
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_does_not_wait() {
    let mut world = World::new(60 * MINUTE).await;
    world.register("long", &[("fabric.timeout", "1h")]).await;
    world.functions.script("long", async |_, _| pending().await);
    world.post("long").await;
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    world.tree.drain();
    sleep(Duration::from_secs(3)).await;
    world.tree.drain();
    assert_eq!((&mut world.ending).await, Ok(Ending::Drained));
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_keeps_failing_ends_the_process_with_its_cause() {
    let broken = Listener {
        name: "broken",
        run: Arc::new(|_| Box::pin(std::future::ready(Err("no such port".into())))),
        until_last: false,
    };
    let mut world = World::with(MINUTE, 64, vec![broken]).await;
    let ending = (&mut world.ending).await;
    assert_eq!(ending, Ok(Ending::Failed("listener broken failed: no such port".into())));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_lease_is_lost_is_stopped_before_it_can_run_elsewhere() {
    let world = World::new(MINUTE).await;
    world.register("long", &[("fabric.timeout", "1h")]).await;
    let (running, overlapped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (now, ever) = (running.clone(), overlapped.clone());
    world.functions.script("long", move |_, _| {
        let (now, ever) = (now.clone(), ever.clone());
        async move {
            ever.fetch_or(now.fetch_add(1, Ordering::SeqCst) > 0, Ordering::SeqCst);
            let _running = Running(&now);
            sleep(Duration::from_secs(30)).await;
            Ok(StatusCode::OK.into())
        }
    });
    world.post("long").await;
    sleep(Duration::from_secs(15)).await;
    assert_eq!(running.load(Ordering::SeqCst), 1, "extended as long as the broker hears");
    world.broker.deaf.store(true, Ordering::SeqCst);
    sleep(Duration::from_secs(20)).await;
    assert!(world.functions.asked("long").len() > 1, "the broker gave it out again");
    assert!(!overlapped.load(Ordering::SeqCst), "and the first was stopped by then");
    world.broker.deaf.store(false, Ordering::SeqCst);
    sleep(2 * MINUTE).await;
    assert_eq!(world.told().len(), 1, "one result, though it ran more than once");
    assert!(!overlapped.load(Ordering::SeqCst));
    world.assert_at_rest().await;
}
