//! Calls that are recorded, cancelled, too late, poison, or too many at once.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actors::call::plan::message;
use actors::cancel::Error;
use actors::port::cancels::Mark;
use actors::port::{Broker, Cancels, DeadLetters, Records};
use actors::purge::{Order, Purger};
use actors::tree::Ending;
use http::StatusCode;
use proto::dead::{Filter, Reason};
use proto::history::What;
use proto::record::State;
use proto::{CallId, Function, LaneKey, Queue, codec};
use tokio::time::{Instant, sleep};

use super::MINUTE;
use super::world::{Start, World};

fn id(text: &str) -> CallId {
    CallId::parse(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_record_follows_its_call_from_ready_to_the_end() {
    let world = World::new(MINUTE).await;
    world.register("f", &[("com.openfaas.retry.min_wait", "30s"), ("fabric.retry.jitter", "none")]).await;
    world.functions.script("f", async |_, attempt| {
        sleep(Duration::from_secs(5)).await;
        Ok(if attempt == 1 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }.into())
    });
    let call = world.post("f").await;
    assert_eq!(world.record(&call).await.state, State::Ready);
    sleep(Duration::from_secs(1)).await;
    let running = world.record(&call).await;
    assert_eq!((running.state, running.counts.deliveries), (State::Running, 1));
    sleep(Duration::from_secs(5)).await;
    let waiting = world.record(&call).await;
    assert_eq!((waiting.state, waiting.counts.attempts), (State::Waiting, 1));
    assert_eq!(waiting.state_at(waiting.due.unwrap()), State::Ready);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(world.record(&call).await.state, State::Running, "again");
    sleep(MINUTE).await;
    let end = world.record(&call).await;
    assert_eq!((end.state, end.status, end.millis), (State::Succeeded, Some(200), Some(5000)));
    assert_eq!((end.counts.attempts, end.counts.deliveries, end.counts.crashes), (2, 2, 0));
    let turns: Vec<_> = end.history.turns().iter().map(|turn| (turn.what, turn.status)).collect();
    assert_eq!(turns, [(What::Retried, Some(502)), (What::Succeeded, Some(200))]);
    assert!(end.result.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_a_function_does_not_want_recorded_is_not() {
    let world = World::new(MINUTE).await;
    world.register("silent", &[("fabric.result", "none")]).await;
    world.register("brief", &[("fabric.result", "status")]).await;
    let (silent, brief) = (world.post("silent").await, world.post("brief").await);
    sleep(MINUTE).await;
    assert_eq!(world.record(&silent).await.state, State::Ready, "only what the test noted itself");
    let brief = world.record(&brief).await;
    assert_eq!((brief.state, brief.result), (State::Succeeded, None));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_runs_is_cancelled_and_its_request_aborted() {
    let world = World::new(MINUTE).await;
    world.register("long", &[("fabric.timeout", "1h"), ("fabric.concurrency", "2")]).await;
    world.functions.script("long", async |_, _| pending().await);
    let (call, other) = (world.post("long").await, world.post("long").await);
    sleep(Duration::from_secs(1)).await;
    let cancelled = world.canceller().cancel(&id(&call)).await.unwrap();
    assert_eq!((cancelled.state, world.functions.running.load(Ordering::SeqCst)), (State::Cancelled, 1));
    sleep(MINUTE).await;
    assert_eq!(world.told()[&call], "499");
    assert_eq!(world.functions.asked("long"), [call.clone(), other.clone()], "and it does not run again");
    assert_eq!(world.record(&other).await.state, State::Running);
    let again = world.canceller().cancel(&id(&call)).await;
    assert!(matches!(again, Err(Error::Ended(State::Cancelled))), "{again:?}");
    let unknown = world.canceller().cancel(&id("nobody")).await;
    assert!(matches!(unknown, Err(Error::Unknown(_))), "{unknown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_in_its_lane_is_cancelled_and_leaves_it() {
    let world = World::new(MINUTE).await;
    world.register("held", &[("fabric.paused", "true")]).await;
    let (call, other) = (world.post("held").await, world.post("held").await);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.canceller().cancel(&id(&call)).await.unwrap().state, State::Cancelled);
    let backlog = world.broker.backlog(&Queue::default()).await.unwrap();
    assert_eq!(backlog.iter().map(|it| it.messages).sum::<u64>(), 1);
    world.register("held", &[]).await;
    sleep(MINUTE).await;
    assert_eq!(world.functions.asked("held"), std::slice::from_ref(&other));
    assert_eq!((world.told()[&call].as_str(), world.told()[&other].as_str()), ("499", "200"));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_retry_is_cancelled() {
    let world = World::new(MINUTE).await;
    let slow = [("com.openfaas.retry.min_wait", "1h"), ("com.openfaas.retry.max_wait", "1h")];
    world.register("fails", &[slow[0], slow[1], ("fabric.retry.jitter", "none")]).await;
    world.functions.script("fails", async |_, _| Ok(StatusCode::BAD_GATEWAY.into()));
    let call = world.post("fails").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.record(&call).await.state, State::Waiting);
    assert_eq!(world.canceller().cancel(&id(&call)).await.unwrap().state, State::Cancelled);
    sleep(120 * MINUTE).await;
    assert_eq!((world.functions.asked("fails").len(), world.told()[&call].as_str()), (1, "499"));
    assert_eq!(world.broker.dead_count().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_mark_alone_is_enough_for_a_worker() {
    let world = World::new(MINUTE).await;
    world.register("held", &[("fabric.paused", "true")]).await;
    let call = world.post("held").await;
    // Whoever cancelled it died right after he had said so.
    let record = world.record(&call).await;
    let lane = record.lane();
    world.broker.cancel(&Mark { call: id(&call), accepted_at: record.accepted_at, redriven: 0, lane }).await.unwrap();
    world.register("held", &[]).await;
    sleep(MINUTE).await;
    assert!(world.functions.asked("held").is_empty());
    assert_eq!((world.record(&call).await.state, world.told()[&call].as_str()), (State::Cancelled, "499"));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_on_record_holds() {
    let world = World::new(MINUTE).await;
    world.register("f", &[("fabric.timeout", "1h")]).await;
    world.functions.script("f", async |_, _| {
        sleep(Duration::from_secs(30)).await;
        Ok(StatusCode::OK.into())
    });
    let call = world.post("f").await;
    sleep(Duration::from_secs(1)).await;
    // A gateway that the worker could not hear has ended it meanwhile.
    let mut end = world.record(&call).await;
    (end.state, end.status) = (State::Cancelled, Some(499));
    assert!(world.broker.end(&end, end.end_id(), MINUTE * 60).await.unwrap().is_new());
    sleep(MINUTE).await;
    assert_eq!((world.record(&call).await.state, world.told()[&call].as_str()), (State::Cancelled, "499"));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_started_in_time_expires() {
    let world = World::new(MINUTE).await;
    world.register("held", &[("fabric.paused", "true")]).await;
    let soon = world.clock.now().after(Duration::from_secs(5));
    let late = world.post_with("held", |call| call.expires_at = Some(soon)).await;
    let in_time = world.post_with("held", |call| call.expires_at = Some(soon.after(MINUTE))).await;
    sleep(Duration::from_secs(10)).await;
    world.register("held", &[]).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(world.functions.asked("held"), std::slice::from_ref(&in_time));
    assert_eq!((world.record(&late).await.state, world.told()[&late].as_str()), (State::Expired, "408"));
    assert_eq!(world.told()[&in_time], "200");
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_started_in_time_is_retried_after_it() {
    let world = World::new(MINUTE).await;
    world.register("f", &[("com.openfaas.retry.min_wait", "30s"), ("fabric.retry.jitter", "none")]).await;
    world
        .functions
        .script("f", async |_, attempt| Ok(if attempt == 1 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }.into()));
    let soon = world.clock.now().after(Duration::from_secs(5));
    let call = world.post_with("f", |call| call.expires_at = Some(soon)).await;
    sleep(MINUTE).await;
    assert_eq!((world.functions.asked("f").len(), world.told()[&call].as_str()), (2, "200"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_its_worker_every_time_is_poison() {
    let world = World::new(MINUTE).await;
    world.register("bug", &[]).await;
    world.functions.script("bug", async |id, _| {
        assert_ne!(id, "c0", "as a bug would");
        Ok(StatusCode::OK.into())
    });
    let (poison, well) = (world.post("bug").await, world.post("bug").await);
    sleep(5 * MINUTE).await;
    let asked = world.functions.asked("bug");
    assert_eq!(asked.iter().filter(|it| **it == poison).count(), 5, "and not a sixth time");
    let letter = world.broker.letters(&Filter::default(), 0, 9).await.unwrap().remove(0).dead;
    let call = codec::decode(&letter.payload).unwrap();
    assert_eq!((letter.reason, call.counts.crashes, call.counts.attempts), (Reason::Poison, 5, 0));
    assert_eq!((world.told()[&poison].as_str(), world.told()[&well].as_str()), ("503", "200"));
    assert_eq!(world.record(&poison).await.state, State::Dead);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_drain_gives_back_is_no_crash() {
    let mut world = World::new(Duration::from_secs(1)).await;
    world.register("long", &[("fabric.timeout", "1h")]).await;
    world.functions.script("long", async |_, _| pending().await);
    let call = world.post("long").await;
    for drained in 1..=7 {
        sleep(Duration::from_secs(2)).await;
        world.tree.drain();
        assert_eq!((&mut world.ending).await, Ok(Ending::Drained));
        assert_eq!(world.record(&call).await.returned, drained);
        world.start_again().await;
    }
    sleep(Duration::from_secs(2)).await;
    let record = world.record(&call).await;
    assert_eq!((record.state, record.counts.deliveries, record.counts.crashes), (State::Running, 8, 0));
}

#[tokio::test(start_paused = true)]
async fn a_function_that_fails_is_not_called_for_its_retries_alone() {
    let world = World::with(MINUTE, 1000, Vec::new()).await;
    world.register("down", &[("com.openfaas.retry.attempts", "100"), ("com.openfaas.retry.max_wait", "1s")]).await;
    // One call in four fails, and fails again: others succeed between them, so that the circuit stays shut.
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    world.functions.script("down", move |id, _| {
        count.fetch_add(1, Ordering::SeqCst);
        let fails = id.trim_start_matches('c').parse::<u32>().unwrap() % 4 == 0;
        async move { Ok(if fails { StatusCode::BAD_GATEWAY } else { StatusCode::OK }.into()) }
    });
    let began = Instant::now();
    for _ in 0..2400 {
        world.post("down").await;
        sleep(Duration::from_millis(25)).await;
    }
    let asked = asked.load(Ordering::SeqCst);
    // A fifth of what started, ten a second, and what had been saved up. Twice a second each, it would be 36,000.
    let earned = 0.2 * asked as f64 + 10.0 * began.elapsed().as_secs_f64() + 50.0;
    let retries = asked as f64 - 2400.0;
    assert!(retries > 0.8 * earned && retries <= earned, "{retries} retries, {earned} earned");
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_of_the_broker_lanes_open_at_once() {
    let world = World::new(MINUTE).await;
    for name in ["a", "b", "c"] {
        world.register(name, &[]).await;
    }
    sleep(Duration::from_secs(6)).await;
    for name in ["a", "b", "c"] {
        world.broker.refused.lock().unwrap().push(Function::parse(name).unwrap());
        world.post(name).await;
    }
    sleep(Duration::from_secs(15)).await;
    world.broker.away.store(true, Ordering::SeqCst);
    sleep(Duration::from_secs(10)).await;
    let view = world.tree.view(None).await.unwrap();
    let queue = view.queues.iter().find(|queue| queue.name == "default").unwrap();
    assert!(queue.children.iter().all(|child| child.state == "parked"), "{queue:?}");
    world.broker.refused.lock().unwrap().clear();
    world.broker.away.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(7)).await;
    assert_eq!(world.told().len(), 3, "with the first scan that succeeds, not when the parking time is over");
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_turn_that_is_past_is_not_run() {
    let world = World::new(MINUTE).await;
    world.register("f", &[]).await;
    let stray = Arc::new(std::sync::Mutex::new(None));
    let copy = stray.clone();
    world.post_with("f", move |call| *copy.lock().unwrap() = Some(call.clone())).await;
    sleep(MINUTE).await;
    assert_eq!(world.told().len(), 1);
    // A worker that was too slow to be stopped had stored a retry before another one succeeded.
    let mut call = stray.lock().unwrap().take().unwrap();
    call.counts.attempts = 1;
    let lane = LaneKey::new(Queue::default(), call.function.clone());
    world.broker.publish(message(lane, &call)).await.unwrap();
    sleep(MINUTE).await;
    assert_eq!((world.functions.asked("f").len(), world.functions.asked("caller").len()), (1, 1));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_started_in_time_does_not_expire_because_its_worker_went() {
    let mut world = World::new(Duration::from_secs(1)).await;
    world.register("long", &[("fabric.timeout", "1h")]).await;
    world.functions.script("long", async |_, _| {
        sleep(Duration::from_secs(30)).await;
        Ok(StatusCode::OK.into())
    });
    let soon = world.clock.now().after(Duration::from_secs(2));
    let call = world.post_with("long", |call| call.expires_at = Some(soon)).await;
    sleep(Duration::from_secs(3)).await;
    world.tree.drain();
    assert_eq!((&mut world.ending).await, Ok(Ending::Drained));
    world.start_again().await;
    sleep(MINUTE).await;
    assert_eq!((world.functions.asked("long").len(), world.told()[&call].as_str()), (2, "200"));
}

#[tokio::test(start_paused = true)]
async fn a_retry_whose_bytes_are_lost_is_dead_and_its_caller_hears_of_it() {
    let world = World::new(MINUTE).await;
    world.register("f", &[]).await;
    world.functions.script("f", async |_, _| Ok(StatusCode::BAD_GATEWAY.into()));
    world.broker.lost.store(true, Ordering::SeqCst);
    let call = world.post("f").await;
    sleep(MINUTE).await;
    let letters = world.broker.letters(&Filter::default(), 0, 9).await.unwrap();
    assert_eq!(letters.iter().map(|it| it.dead.reason).collect::<Vec<_>>(), [Reason::Lost]);
    assert_eq!((world.record(&call).await.state, world.told()[&call].as_str()), (State::Dead, "503"));
    assert_eq!(world.functions.asked("f").len(), 1);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_whose_lane_is_full_holds_up_nobody_else() {
    let world = World::of(Start { permits: 4, backlog: 2, ..Start::default() }).await;
    world.register("f", &[]).await;
    world.functions.script("caller", async |_, _| pending().await);
    for n in 1..=50 {
        world.post("f").await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(world.functions.asked("f").len(), n, "each runs, though most cannot call back");
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_run_by_the_deadline_of_a_drain_has_the_time_to_be_settled() {
    let mut world = World::new(Duration::from_secs(1)).await;
    world.register("f", &[]).await;
    world.broker.deaf.store(true, Ordering::SeqCst);
    world.post("f").await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!(world.functions.asked("f").len(), 1);
    world.tree.drain();
    sleep(Duration::from_secs(2)).await;
    // Past the deadline; its acknowledgement is heard only now.
    world.broker.deaf.store(false, Ordering::SeqCst);
    assert_eq!((&mut world.ending).await, Ok(Ending::Drained));
    assert!(world.broker.backlog(&Queue::default()).await.unwrap().is_empty(), "it need not run again");
}

/// That it runs is told of a call a moment after it has begun: a purge in between waits for that.
#[tokio::test(start_paused = true)]
async fn a_purge_leaves_a_call_that_has_just_begun() {
    let world = World::new(MINUTE).await;
    world.register("f", &[("fabric.concurrency", "1")]).await;
    world.functions.script("f", async |_, _| {
        sleep(Duration::from_secs(5)).await;
        Ok(StatusCode::OK.into())
    });
    let began = world.post("f").await;
    let waits = world.post("f").await;
    sleep(Duration::from_millis(20)).await;
    assert_eq!(world.record(&began).await.state, State::Ready, "it is not told yet");
    let order = Order { queue: Queue::default(), function: None, dry_run: false, count_max: 10 };
    let tally = Purger { canceller: world.canceller() }.purge(&order).await.unwrap();
    assert_eq!((tally.done, tally.left), (1, 1));
    sleep(MINUTE).await;
    assert_eq!(
        (world.record(&began).await.state, world.record(&waits).await.state),
        (State::Succeeded, State::Cancelled)
    );
}
