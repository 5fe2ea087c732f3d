//! What a gateway counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors::meter::capped::Lively;
use actors::meter::{Capped, Counter, FUNCTIONS, Histogram, Statuses};
use proto::{LaneKey, Refusal};
use tokio::time::Instant;

/// What is counted of one function, or of all those that share a series.
#[derive(Debug, Default)]
pub struct Series {
    /// Calls that were stored.
    pub accepted: Counter,
    /// How long synchronous requests took, by what came back.
    pub forwards: Statuses,
    forwarding: AtomicU64,
}

impl Series {
    /// Synchronous requests that are not answered yet.
    #[must_use]
    pub fn forwarding(&self) -> u64 {
        self.forwarding.load(Ordering::Relaxed)
    }
}

impl Lively for Series {
    fn pulse(&self) -> u64 {
        self.accepted.get() + self.forwards.count() + self.forwarding()
    }
}

/// What a gateway counts.
#[derive(Debug)]
pub struct Meter {
    /// By lane.
    pub functions: Capped<LaneKey, Series>,
    /// How long it took to store calls.
    pub enqueue: Histogram,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    pace: Mutex<Pace>,
}

/// How many calls are accepted in a second, as whoever asked last found it: nothing is counted for it.
#[derive(Debug)]
struct Pace {
    at: Instant,
    count: u64,
    per_second: f64,
}

/// Who asks sooner is told the same.
const PACE_OVER: Duration = Duration::from_secs(1);
/// Who asks later than this was told of another time.
const PACE_OVER_MAX: Duration = Duration::from_secs(10);

impl Default for Pace {
    fn default() -> Self {
        Self { at: Instant::now(), count: 0, per_second: 0.0 }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new(FUNCTIONS)
    }
}

impl Meter {
    /// One in which so many functions have series of their own.
    #[must_use]
    pub fn new(functions: usize) -> Self {
        Self {
            functions: Capped::new(functions),
            enqueue: Histogram::default(),
            refused: Mutex::default(),
            pace: Mutex::default(),
        }
    }

    /// How many calls were accepted in a second since this was asked before, at least a second ago; zero, if that is long
    /// ago.
    pub fn accepted_per_second(&self) -> f64 {
        let (now, count) = (Instant::now(), self.enqueue.counts().count());
        // Nothing panics while it holds the lock.
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let over = now.duration_since(pace.at);
        if over >= PACE_OVER {
            let recent = if over <= PACE_OVER_MAX { count.saturating_sub(pace.count) as f64 } else { 0.0 };
            *pace = Pace { at: now, count, per_second: recent / over.as_secs_f64() };
        }
        pace.per_second
    }

    /// A call was stored, and took so long.
    pub fn accepted(&self, lane: &LaneKey, took: Duration) {
        self.functions.get(lane).accepted.add(1);
        self.enqueue.observe(took);
    }

    /// A call was refused.
    pub fn refuse(&self, refusal: &Refusal) {
        // Nothing panics while it holds the lock.
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(refusal.code()).or_default() += 1;
    }

    /// How many calls were refused, by why.
    #[must_use]
    pub fn refused(&self) -> BTreeMap<&'static str, u64> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A synchronous request to a function begins.
    #[must_use]
    pub fn forward(&self, lane: &LaneKey) -> Forwarding {
        let series = self.functions.get(lane);
        series.forwarding.fetch_add(1, Ordering::Relaxed);
        Forwarding { series, began: Instant::now(), status: None }
    }
}

/// A synchronous request, in flight for as long as this is there.
#[derive(Debug)]
pub struct Forwarding {
    series: Arc<Series>,
    began: Instant,
    status: Option<u16>,
}

impl Forwarding {
    /// It was answered with this status.
    pub fn finish(mut self, status: u16) {
        self.status = Some(status);
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        self.series.forwarding.fetch_sub(1, Ordering::Relaxed);
        // Of a caller who has gone away there is no answer to tell of.
        if let Some(status) = self.status {
            self.series.forwards.observe(status, self.began.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::{Function, Queue};
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pace_is_that_of_the_time_since_it_was_asked() {
        let meter = Meter::new(1);
        let lane = LaneKey::new(Queue::default(), Function::parse("f").unwrap());
        let after = async |calls, seconds| {
            (0..calls).for_each(|_| meter.accepted(&lane, Duration::ZERO));
            advance(Duration::from_secs_f64(seconds)).await;
            meter.accepted_per_second()
        };
        assert_eq!((after(10, 2.0).await, after(9, 0.5).await, after(1, 1.5).await), (5.0, 5.0, 5.0));
        assert_eq!((after(0, 2.0).await, after(1000, 60.0).await, after(4, 2.0).await), (0.0, 0.0, 2.0));
    }

    #[tokio::test]
    async fn a_request_is_counted_once_and_one_that_is_given_up_not_at_all() {
        let meter = Meter::new(1);
        let lane = |name| LaneKey::new(Queue::default(), Function::parse(name).unwrap());
        let (one, two) = (meter.forward(&lane("f")), meter.forward(&lane("f")));
        let series = meter.functions.get(&lane("f"));
        assert_eq!((series.forwarding(), series.forwards.count()), (2, 0));
        one.finish(204);
        drop(two);
        assert_eq!((series.forwarding(), series.forwards.count()), (0, 1));
        meter.accepted(&lane("f"), Duration::from_millis(1));
        meter.accepted(&lane("g"), Duration::from_millis(1));
        meter.refuse(&Refusal::Path);
        meter.refuse(&Refusal::Path);
        assert_eq!((series.accepted.get(), meter.enqueue.counts().count()), (1, 2));
        assert_eq!(meter.functions.other().map(|it| it.accepted.get()), Some(1));
        assert_eq!(meter.refused(), [("bad_path", 2)].into());
    }
}
