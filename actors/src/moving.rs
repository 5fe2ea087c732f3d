//! Moving messages from one lane to where they belong.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::port::broker::Error;
use crate::port::{Delivery, Lane};

/// Messages moved at once.
const WINDOW: NonZeroU32 = NonZeroU32::MIN.saturating_add(255);
/// How long a pull waits for a message before it is asked anew.
const PULL_WAIT: Duration = Duration::from_secs(2);
/// How long a message is leased for its move. That takes milliseconds: a lease this long is never extended.
pub const LEASE: Duration = Duration::from_secs(30);
/// How long a message waits that could not be moved, for lack of the broker.
pub const WHEN_AWAY: Duration = Duration::from_secs(1);
/// How long a message waits at first, and at the longest, whose lane is full.
const WHEN_FULL: Duration = Duration::from_secs(1);
const WHEN_FULL_MAX: Duration = Duration::from_secs(64);

/// How long a message waits whose lane was full at its latest delivery, which was its `deliveries`th. What was given back
/// is delivered before what has never been: were it always back in a second, ten thousand of a full lane would be all
/// that ever came.
#[must_use]
pub fn patience(deliveries: u32) -> Duration {
    WHEN_FULL.saturating_mul(2_u32.saturating_pow(deliveries.saturating_sub(1).min(16))).min(WHEN_FULL_MAX)
}

/// Pulls and relocates until told to stop or the lane breaks; then with the error. What is pulled is relocated first.
pub async fn keep_moving<F: Future<Output = ()>>(
    lane: Arc<dyn Lane>,
    stop: CancellationToken,
    relocate: impl Fn(Delivery) -> F,
) -> Option<Error> {
    let moving = std::panic::AssertUnwindSafe(move_all(lane, stop, relocate)).catch_unwind();
    moving.await.unwrap_or_else(|_| Some(Error::Refused("moving a message panicked".into())))
}

async fn move_all<F: Future<Output = ()>>(
    lane: Arc<dyn Lane>,
    stop: CancellationToken,
    relocate: impl Fn(Delivery) -> F,
) -> Option<Error> {
    loop {
        let mut pulled = lane.pull(WINDOW, PULL_WAIT, stop.clone());
        let mut moving = FuturesUnordered::new();
        let error = loop {
            tokio::select! {
                biased;
                Some(()) = moving.next() => {}
                delivery = pulled.next() => match delivery {
                    Some(Ok(delivery)) => moving.push(relocate(delivery)),
                    Some(Err(error)) => break Some(error),
                    None => break None,
                },
            }
        };
        drop(pulled);
        while moving.next().await.is_some() {}
        if error.is_some() || stop.is_cancelled() {
            return error;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_comes_less_and_less_often() {
        let waits: Vec<u64> = [0, 1, 2, 3, 7, 8, u32::MAX].map(|it| patience(it).as_secs()).to_vec();
        assert_eq!(waits, [1, 1, 2, 4, 64, 64, 64]);
    }
}
