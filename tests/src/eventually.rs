//! Waiting for a fact.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a fact may take to become true. Generous: a slow machine is not a failure.
const WITHIN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks until the answer is `Ok`; fails the test with the last `Err` if it never is.
pub async fn eventually<T, E: Display, F: Future<Output = Result<T, E>>>(mut ask: impl FnMut() -> F) -> T {
    let until = Instant::now() + WITHIN;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(reason) if Instant::now() >= until => panic!("still untrue after {WITHIN:?}: {reason}"),
            Err(_) => sleep(PAUSE).await,
        }
    }
}
