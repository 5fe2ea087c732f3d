//! Which calls rather wait for a connection than have one made.

use std::time::Duration;

use http::StatusCode;
use tokio::time::sleep;

use super::MINUTE;
use super::world::World;

const CALLS: usize = 200;

/// So many functions whose calls take so long, with many calls each, have run all of them.
async fn ran(functions: usize, call: Duration) -> (World, Vec<String>) {
    let world = World::with(MINUTE, 64, Vec::new()).await;
    let names: Vec<String> = (0..functions).map(|n| format!("f{n}")).collect();
    for name in &names {
        world.functions.script(name, move |_, _| async move {
            sleep(call).await;
            Ok(StatusCode::OK.into())
        });
        world.register(name, &[]).await;
        world.post_many(name, CALLS).await;
    }
    sleep(MINUTE).await;
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
async fn slow_ones_do_not() {
    let (world, names) = ran(20, Duration::from_millis(60)).await;
    assert!(names.iter().all(|name| world.functions.patience(name).iter().all(Duration::is_zero)));
}

#[tokio::test(start_paused = true)]
async fn those_of_one_function_alone_do_not() {
    let (world, names) = ran(1, Duration::from_millis(2)).await;
    assert!(world.functions.patience(&names[0]).iter().all(Duration::is_zero));
}
