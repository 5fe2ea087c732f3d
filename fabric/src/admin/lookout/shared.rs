//! One answer for all who ask at about the same time.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long an answer is given again, at the least: half of how often a dashboard asks.
const KEPT: Duration = Duration::from_secs(1);
/// And how many times as long as it took to get it: whatever it costs, no more than a fifth of the time is spent on it.
const TIMES: u32 = 4;

/// What was answered last, for as long as it is good.
#[derive(Debug)]
pub(super) struct Shared<T>(Mutex<Option<Answered<T>>>);

#[derive(Debug)]
struct Answered<T> {
    answer: T,
    until: Instant,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Shared<T> {
    /// The answer that is there, or the one that `ask` gets. Who comes meanwhile waits for the same; one that is not to be
    /// had is asked for again by whoever is next.
    pub(super) async fn get<E>(&self, ask: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let mut last = self.0.lock().await;
        let began = Instant::now();
        if let Some(Answered { answer, .. }) = last.as_ref().filter(|it| began < it.until) {
            return Ok(answer.clone());
        }
        let answer = ask.await?;
        let now = Instant::now();
        let until = now + (now.duration_since(began) * TIMES).max(KEPT);
        *last = Some(Answered { answer: answer.clone(), until });
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;
    use tokio::time::{advance, sleep};

    use super::*;

    /// Answers how often it was asked, after a while.
    async fn ask(asked: &AtomicU32, takes: Duration) -> Result<u32, ()> {
        sleep(takes).await;
        Ok(asked.fetch_add(1, Ordering::Relaxed) + 1)
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_at_the_same_time_gets_the_same() {
        let (shared, asked) = (Shared::default(), AtomicU32::new(0));
        let get = || shared.get(ask(&asked, Duration::from_millis(10)));
        assert_eq!(join_all((0..50).map(|_| get())).await, vec![Ok(1); 50]);
        advance(KEPT / 2).await;
        assert_eq!(get().await, Ok(1));
        advance(KEPT).await;
        assert_eq!(get().await, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_took_long_is_kept_for_longer() {
        let (shared, asked) = (Shared::default(), AtomicU32::new(0));
        let get = || shared.get(ask(&asked, Duration::from_secs(2)));
        assert_eq!(get().await, Ok(1));
        advance(Duration::from_secs(7)).await;
        assert_eq!(get().await, Ok(1));
        advance(Duration::from_secs(2)).await;
        assert_eq!(get().await, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_no_answer_or_leaves_holds_nobody_up() {
        let (shared, asked) = (Shared::default(), AtomicU32::new(0));
        assert_eq!(shared.get(async { Err::<u32, _>("away") }).await, Err("away"));
        let gone = shared.get(std::future::pending::<Result<u32, ()>>());
        assert!(tokio::time::timeout(Duration::from_secs(1), gone).await.is_err());
        assert_eq!(shared.get(ask(&asked, Duration::ZERO)).await, Ok(1));
    }
}
