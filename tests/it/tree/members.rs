//! Who is alive, as a process follows it, and what that means for its part of a limit.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actors::membership::{Member, Serves};
use actors::port::Presence;
use tokio::time::sleep;

use super::MINUTE;
use super::world::World;

const SECOND: Duration = Duration::from_secs(1);

async fn members(world: &World) -> usize {
    world.tree.view(None).await.unwrap().members.len()
}

async fn another_says_it_is_alive(world: &World) {
    let worker = Member { gateway: false, serves: Serves::Everything };
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
