//! Wake hints over core NATS: small, lossy, and few.
//!
//! The first message of a function is hinted at once; those of the next [`EVERY`] together, at its end. So whoever
//! listens learns of the last message at most that much later, however fast they come.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::Client;
use proto::subject::Subjects;
use proto::{Function, LaneKey};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// How often a function is hinted at, at the most.
const EVERY: Duration = Duration::from_millis(100);
/// How long a hint may wait for a connection that is not there: nothing depends on it.
const SENT_WITHIN: Duration = Duration::from_secs(1);

/// Sends hints; clones share what was sent.
#[derive(Clone)]
pub(super) struct Hints {
    client: Client,
    subjects: Subjects,
    throttle: Arc<Mutex<Throttle>>,
    /// Sends what was held back; ends with the last clone.
    _sweeper: Arc<Sweeper>,
}

struct Sweeper(JoinHandle<()>);

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Hints {
    pub(super) fn new(client: Client, subjects: Subjects) -> Self {
        let throttle = Arc::<Mutex<Throttle>>::default();
        let (sweeping, to, names) = (throttle.clone(), client.clone(), subjects.clone());
        #[expect(clippy::disallowed_methods, reason = "the handle is kept, and aborts the task when it is dropped")]
        let sweeper = tokio::spawn(async move {
            loop {
                sleep(EVERY).await;
                let due = sweeping.lock().unwrap_or_else(PoisonError::into_inner).sweep(Instant::now());
                for lane in due {
                    send(&to, &names, &lane).await;
                }
            }
        });
        Self { client, subjects, throttle, _sweeper: Arc::new(Sweeper(sweeper)) }
    }

    /// Sends what is kept for later: there will be none.
    pub(super) async fn flush(&self) {
        let due = self.throttle.lock().unwrap_or_else(PoisonError::into_inner).take();
        for lane in due {
            send(&self.client, &self.subjects, &lane).await;
        }
    }

    /// `lane` got a message.
    pub(super) async fn hint(&self, lane: &LaneKey) {
        let now = self.throttle.lock().unwrap_or_else(PoisonError::into_inner).admit(lane, Instant::now());
        if now {
            send(&self.client, &self.subjects, lane).await;
        }
    }
}

async fn send(client: &Client, subjects: &Subjects, lane: &LaneKey) {
    let sent = client.publish(subjects.wake(&lane.queue), lane.function.to_string().into());
    match timeout(SENT_WITHIN, sent).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%lane, %error, "a wake hint was not sent; a scan finds the message"),
        Err(_) => tracing::debug!(%lane, "a wake hint was not sent in time; a scan finds the message"),
    }
}

/// The function in a hint, if it is one.
pub(super) fn read(payload: &[u8]) -> Option<Function> {
    Function::parse(std::str::from_utf8(payload).ok()?).ok()
}

/// Which lanes were hinted at lately, and which of them got more since.
#[derive(Debug, Default)]
struct Throttle {
    lately: HashMap<LaneKey, Hinted>,
}

#[derive(Clone, Copy, Debug)]
struct Hinted {
    at: Instant,
    more: bool,
}

impl Throttle {
    /// Whether to hint at once; if not, it is kept for the sweep.
    fn admit(&mut self, lane: &LaneKey, now: Instant) -> bool {
        match self.lately.get_mut(lane) {
            Some(hinted) => {
                hinted.more = true;
                false
            }
            None => {
                self.lately.insert(lane.clone(), Hinted { at: now, more: false });
                true
            }
        }
    }

    /// All that are kept.
    fn take(&mut self) -> Vec<LaneKey> {
        let lately = std::mem::take(&mut self.lately);
        lately.into_iter().filter(|(_, hinted)| hinted.more).map(|(lane, _)| lane).collect()
    }

    /// The lanes to hint at now; those that were quiet are forgotten.
    fn sweep(&mut self, now: Instant) -> Vec<LaneKey> {
        let mut due = Vec::new();
        self.lately.retain(|lane, hinted| {
            if now.duration_since(hinted.at) < EVERY {
                return true;
            }
            if hinted.more {
                due.push(lane.clone());
                *hinted = Hinted { at: now, more: false };
                return true;
            }
            false
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use proto::Queue;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_goes_at_once_and_the_last_is_never_lost() {
        let mut throttle = Throttle::default();
        let lane = LaneKey::new(Queue::default(), Function::parse("f").unwrap());
        let start = Instant::now();
        assert!(throttle.admit(&lane, start));
        assert!((1..50).all(|ms| !throttle.admit(&lane, start + Duration::from_millis(ms))));
        assert!(throttle.sweep(start + EVERY / 2).is_empty());
        assert_eq!(throttle.sweep(start + EVERY), std::slice::from_ref(&lane));
        assert!(throttle.sweep(start + 2 * EVERY).is_empty());
        assert!(throttle.lately.is_empty(), "a quiet function is forgotten");
        assert!(throttle.admit(&lane, start + 3 * EVERY));
        assert!(throttle.take().is_empty(), "it was told at once");
        assert!(throttle.admit(&lane, start + 4 * EVERY) && !throttle.admit(&lane, start + 4 * EVERY));
        assert_eq!(throttle.take(), [lane], "where there is no later");
    }
}
