//! Who is alive, as a process follows it, and what that means for its part of a limit.

use std::future::pending;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actors::membership::{Member, Serves};
use actors::port::broker::Terms;
use actors::port::{Broker, Delivery, Presence};
use futures_util::TryStreamExt;
use proto::{Function, LaneKey, Queue};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::MINUTE;
use super::world::World;

const SECOND: Duration = Duration::from_secs(1);

async fn members(world: &World) -> usize {
    world.tree.view(None).await.unwrap().members.len()
}

async fn another_says_it_is_alive(world: &World) {
    let worker = Member { serves: Serves::Everything, ..Member::default() };
    world.broker.memory.announce("another", &worker).await.unwrap();
    sleep(Duration::from_millis(10)).await;
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_for_ten_seconds_is_gone_and_its_part_is_taken_over() {
    let world = World::new(MINUTE).await;
    world.register("paced", &[("fabric.rate", "20/s"), ("fabric.burst", "1")]).await;
    another_says_it_is_alive(&world).await;
    assert_eq!(members(&world).await, 2);
    world.post_many("paced", 1000).await;
    sleep(5 * SECOND).await;
    let with_another = world.functions.asked("paced").len();
    assert!((48..=52).contains(&with_another), "{with_another} in five seconds at half of 20/s");
    sleep(10 * SECOND).await;
    assert_eq!(members(&world).await, 1);
    let before = world.functions.asked("paced").len();
    sleep(5 * SECOND).await;
    let alone = world.functions.asked("paced").len() - before;
    assert!((98..=102).contains(&alone), "{alone} in five seconds at 20/s");
}

#[tokio::test(start_paused = true)]
async fn while_a_process_is_cut_off_nobody_is_gone_for_it() {
    let world = World::new(MINUTE).await;
    another_says_it_is_alive(&world).await;
    world.broker.deaf.store(true, Ordering::SeqCst);
    sleep(MINUTE).await;
    assert_eq!(members(&world).await, 2);
    world.broker.deaf.store(false, Ordering::SeqCst);
    sleep(5 * SECOND).await;
    assert_eq!(members(&world).await, 2, "it has time to say so");
    sleep(15 * SECOND).await;
    assert_eq!(members(&world).await, 1);
}

const CALLS: usize = 3;

/// A worker too busy to keep a permit to wait with, and calls that another one has.
async fn beside_a_busy_one() -> (World, Vec<Delivery>) {
    let world = World::with(MINUTE, 8, Vec::new()).await;
    world.register("busy", &[("fabric.timeout", "1h")]).await;
    world.functions.script("busy", async |_, _| pending().await);
    world.post_many("busy", 5).await;
    world.register("f", &[("fabric.paused", "true")]).await;
    world.post_many("f", CALLS).await;
    let lane = LaneKey::new(Queue::default(), Function::parse("f").unwrap());
    let lane = world.broker.lane(&lane, Terms::default()).await.unwrap();
    let all = NonZeroU32::new(99).unwrap();
    let taken: Vec<_> = lane.pull(all, Duration::ZERO, CancellationToken::new()).try_collect().await.unwrap();
    assert_eq!(taken.len(), CALLS);
    world.register("f", &[]).await;
    (world, taken)
}

/// How long until `f` was called so often.
async fn until_called(world: &World, times: usize) -> Duration {
    let began = Instant::now();
    while world.functions.asked("f").len() < times {
        sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_worker_had_runs_again_within_ten_seconds() {
    for quarter in 0..12 {
        let (world, taken) = beside_a_busy_one().await;
        another_says_it_is_alive(&world).await;
        let after_its_last_sign = quarter * Duration::from_millis(250);
        sleep(after_its_last_sign).await;
        for delivery in &taken {
            delivery.lease.extend().await.unwrap();
        }
        let took = until_called(&world, CALLS).await;
        assert!(took > 8 * SECOND, "they came although they were leased: {took:?}");
        assert!(took <= 10 * SECOND, "{took:?} after a death {after_its_last_sign:?} after its last sign");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_worker_gives_back_at_its_deadline_runs_at_once() {
    // Scans find it as well, by and by: between any two of them it is to run.
    for half_seconds in 10..22 {
        let grace = half_seconds * SECOND / 2;
        let world = World::with(grace, 4, Vec::new()).await;
        for name in ["f", "busy"] {
            world.register(name, &[("fabric.timeout", "1h")]).await;
            world.functions.script(name, async |_, _| pending().await);
        }
        world.post_many("f", CALLS).await;
        assert!(until_called(&world, CALLS).await < SECOND);
        let beside = world.start_beside(12).await;
        world.post_many("busy", 8).await;
        sleep(SECOND).await;
        world.tree.drain();
        sleep(grace - SECOND / 100).await;
        assert_eq!(world.functions.asked("f").len(), CALLS);
        let members = beside.view(None).await.unwrap().members;
        assert!(members["world"].may_have_calls_of(&Queue::default()), "until they are given back");
        let took = until_called(&world, 2 * CALLS).await;
        assert!(took < SECOND / 2, "{took:?}");
    }
}
