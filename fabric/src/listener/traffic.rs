//! What goes on over one connection: a drain waits for the requests that are open and for answers that are being taken,
//! and for nobody who has only connected.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::sleep;

/// How long nothing may go on over a connection before a drain ends it. A request that was on its way when the drain began
/// comes in this time.
const LINGER: Duration = Duration::from_secs(1);
/// How much of an answer must go out meanwhile, in bytes, for it to be one that is taken: a peer that sends pings has those
/// answered as well.
const TAKEN_MIN: u64 = 4 * 1024;

/// What is known of one connection; clones share it.
#[derive(Clone, Default)]
pub(super) struct Traffic(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
    written: AtomicU64,
    is_held_up: AtomicBool,
}

/// A request that is open until this is dropped: with the last byte of its answer, or with whatever comes before that.
pub(super) struct Open(Traffic);

/// What could be seen at one moment.
#[derive(Clone, Copy)]
struct Look {
    begun: u64,
    ended: u64,
    written: u64,
}

impl Traffic {
    /// A request begins.
    pub(super) fn begin(&self) -> Open {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    /// So many bytes went out.
    pub(super) fn wrote(&self, bytes: usize) {
        self.0.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether there are bytes that the peer does not take at the moment. It has its time for that, as always.
    pub(super) fn hold_up(&self, is_held_up: bool) {
        self.0.is_held_up.store(is_held_up, Ordering::Relaxed);
    }

    /// Ends when nothing has gone on for [`LINGER`].
    pub(super) async fn rest(&self) {
        loop {
            let before = self.look();
            sleep(LINGER).await;
            let now = self.look();
            // All that ever began had ended before, and nothing has begun since.
            let is_open = before.ended != now.begun;
            if !is_open && !self.0.is_held_up.load(Ordering::Relaxed) && now.written - before.written < TAKEN_MIN {
                return;
            }
        }
    }

    fn look(&self) -> Look {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Look { begun: read(&self.0.begun), ended: read(&self.0.ended), written: read(&self.0.written) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_open_or_goes_out_is_no_rest() {
        let traffic = Traffic::default();
        let began = Instant::now();
        traffic.rest().await;
        assert_eq!(began.elapsed(), LINGER, "nothing was ever asked");

        let open = traffic.begin();
        assert!(timeout(LINGER * 100, traffic.rest()).await.is_err(), "a request is open");
        let ends = async {
            sleep(LINGER / 2).await;
            drop(open);
        };
        let began = Instant::now();
        tokio::join!(traffic.rest(), ends);
        assert_eq!(began.elapsed(), LINGER * 2, "its answer may still be going out");

        traffic.hold_up(true);
        assert!(timeout(LINGER * 100, traffic.rest()).await.is_err(), "an answer waits for its peer");
        traffic.hold_up(false);
        let writes = |bytes| {
            let traffic = &traffic;
            async move {
                loop {
                    traffic.wrote(bytes);
                    sleep(LINGER / 4).await;
                }
            }
        };
        tokio::select! {
            () = writes(2 * 1024) => {}
            rested = timeout(LINGER * 100, traffic.rest()) => assert!(rested.is_err(), "an answer is taken"),
        }
        tokio::select! {
            () = writes(17) => {}
            rested = timeout(LINGER * 100, traffic.rest()) => assert!(rested.is_ok(), "pings are no requests"),
        }
    }
}
