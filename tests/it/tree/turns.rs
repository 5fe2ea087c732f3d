//! Which calls rather wait for a connection than have one made.

use std::time::Duration;

use http::StatusCode;
use tokio::time::sleep;

use super::MINUTE;
use super::world::{Start, World};

const CALLS: usize = 200;

async fn ran(functions: usize, call: Duration) -> (World, Vec<String>) {
    ran_with(functions, call, &[]).await
}

/// So many functions whose calls take so long, with many calls each, have run all of them.
async fn ran_with(functions: usize, call: Duration, annotations: &[(&str, &str)]) -> (World, Vec<String>) {
    // All calls are there before the first one runs.
    let world = World::of(Start { permits: 64, unread_for: MINUTE, ..Start::default() }).await;
    let names: Vec<String> = (0..functions).map(|n| format!("f{n}")).collect();
    for name in &names {
        world.functions.script(name, move |_, _| async move {
            sleep(call).await;
            Ok(StatusCode::OK.into())
        });
        world.register(name, annotations).await;
        world.post_many(name, CALLS).await;
    }
    sleep(2 * MINUTE).await;
    assert!(names.iter().all(|name| world.functions.asked(name).len() == CALLS));
    (world, names)
}

#[tokio::test(start_paused = true)]
async fn quick_calls_do_where_many_functions_have_some() {
    let (world, names) = ran(20, Duration::from_millis(2)).await;
    for name in names {
        let patience = world.functions.patience(&name);
        assert_eq!(patience.first(), Some(&Duration::ZERO), "nothing is known of the first one");
        let patient = patience.iter().filter(|it| !it.is_zero()).count();
        assert!(patient > CALLS / 2, "{name}: {patience:?}");
        assert!(patience.iter().all(|it| *it <= Duration::from_millis(20)), "{name}: {patience:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_ones_do_not_once_that_is_known() {
    let (world, names) = ran(20, Duration::from_millis(20)).await;
    for name in names {
        let patience = world.functions.patience(&name);
        assert!(patience.iter().skip(CALLS / 4).all(Duration::is_zero), "{name}: {patience:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn those_of_few_functions_do_not() {
    // Their callbacks are an eighth.
    let (world, names) = ran(7, Duration::from_millis(2)).await;
    for name in names {
        let patience = world.functions.patience(&name);
        assert!(patience.iter().all(Duration::is_zero), "{name}: {patience:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nor_do_those_of_a_function_that_has_no_time_to_wait() {
    let (world, names) = ran_with(20, Duration::from_millis(2), &[("fabric.timeout", "8ms")]).await;
    for name in names {
        let patience = world.functions.patience(&name);
        assert!(patience.iter().all(|it| *it <= Duration::from_millis(1)), "{name}: {patience:?}");
    }
}
