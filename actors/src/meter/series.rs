//! What is counted of the calls of one lane, or of all those that share a series.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proto::dead::Reason as Death;
use proto::record::State;
use proto::{Outcome, Timestamp};

use super::capped::Lively;
use super::{Counter, Gauge, Histogram, Statuses};
use crate::waiting::Reason;

/// Numbers of a lane. Those that are about the whole cluster are the same in every worker.
#[derive(Debug, Default)]
pub struct Series {
    /// From when a call might have started to when it did, the first time.
    pub wait: Histogram,
    /// How long attempts took, by what came back.
    pub invoke: Statuses,
    attempts: [Counter; OUTCOMES.len()],
    /// Calls that were put off, to be tried again.
    pub retries: Counter,
    ends: [Counter; ENDS.len()],
    deaths: [Counter; DEATHS.len()],
    /// Messages that had been handed out before.
    pub redeliveries: Counter,
    /// Leases that could not be extended in time.
    pub leases_lost: Counter,
    in_flight: AtomicU64,
    held: [Counter; Reason::ALL.len()],
    /// Calls that nobody has taken, in the whole cluster.
    pub backlog: Gauge,
    /// From when the first of them counts its age, in seconds since the epoch.
    pub oldest: Gauge,
    /// How many may run at once in the whole cluster.
    pub concurrency: Gauge,
    /// How many at once the function was found to bear here.
    pub adaptive: Gauge,
    /// How many may start here in a second.
    pub rate: Gauge,
    /// Whether it is paused: one, or zero.
    pub paused: Gauge,
}

/// What an attempt may come to.
pub const OUTCOMES: [Outcome; 4] = [Outcome::Succeeded, Outcome::Retry, Outcome::Busy, Outcome::Failed];
/// How a call may end.
pub const ENDS: [State; 5] = [State::Succeeded, State::Failed, State::Dead, State::Cancelled, State::Expired];
/// What a call may die of.
pub const DEATHS: [Death; 6] =
    [Death::Exhausted, Death::TooOld, Death::Undecodable, Death::Lost, Death::Poison, Death::Deleted];

/// The word for what an attempt came to.
#[must_use]
pub fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Retry => "retry",
        Outcome::Busy => "busy",
        Outcome::Failed => "failed",
    }
}

/// The counter of `one` of `all`.
fn of<'a, T: PartialEq, const N: usize>(counters: &'a [Counter; N], all: &[T; N], one: &T) -> Option<&'a Counter> {
    all.iter().zip(counters).find(|(it, _)| *it == one).map(|(_, counter)| counter)
}

fn add<T: PartialEq, const N: usize>(counters: &[Counter; N], all: &[T; N], one: &T, count: u64) {
    if let Some(counter) = of(counters, all, one) {
        counter.add(count);
    }
}

fn get<T: PartialEq, const N: usize>(counters: &[Counter; N], all: &[T; N], one: &T) -> u64 {
    of(counters, all, one).map_or(0, Counter::get)
}

impl Series {
    /// An attempt came to this, and back with this status.
    pub fn attempted(&self, outcome: Outcome, status: u16, took: Duration) {
        add(&self.attempts, &OUTCOMES, &outcome, 1);
        self.invoke.observe(status, took);
    }

    /// How many attempts came to this.
    #[must_use]
    pub fn attempts(&self, outcome: Outcome) -> u64 {
        get(&self.attempts, &OUTCOMES, &outcome)
    }

    /// A call ended.
    pub fn ended(&self, end: State) {
        add(&self.ends, &ENDS, &end, 1);
    }

    /// How many calls ended in this way.
    #[must_use]
    pub fn ends(&self, end: State) -> u64 {
        get(&self.ends, &ENDS, &end)
    }

    /// Something went to the dead letters.
    pub fn died(&self, reason: Death) {
        add(&self.deaths, &DEATHS, &reason, 1);
    }

    /// How many letters there were of this reason.
    #[must_use]
    pub fn deaths(&self, reason: Death) -> u64 {
        get(&self.deaths, &DEATHS, &reason)
    }

    /// For so long calls waited for this.
    pub fn held(&self, reason: Reason, long: Duration) {
        add(&self.held, &Reason::ALL, &reason, u64::try_from(long.as_nanos()).unwrap_or(u64::MAX));
    }

    /// For how long calls waited for this.
    #[must_use]
    pub fn held_for(&self, reason: Reason) -> Duration {
        Duration::from_nanos(get(&self.held, &Reason::ALL, &reason))
    }

    /// How many calls run here.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How old the first call that waits is, if one does and that is known.
    #[must_use]
    pub fn oldest_age(&self, now: Timestamp) -> Option<Duration> {
        let since = self.oldest.get()?;
        let now = Duration::from_nanos(u64::try_from(now.unix_nanos()).unwrap_or_default());
        Some(now.saturating_sub(Duration::try_from_secs_f64(since).unwrap_or_default()))
    }
}

impl Lively for Series {
    fn pulse(&self) -> u64 {
        self.attempts.iter().chain(&self.ends).map(Counter::get).sum::<u64>() + self.in_flight()
    }
}

/// A call in flight, counted for as long as this is there.
#[derive(Debug)]
pub struct Flying(Arc<Series>);

impl Flying {
    /// One more.
    #[must_use]
    pub fn new(series: &Arc<Series>) -> Self {
        series.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(series.clone())
    }
}

impl Deref for Flying {
    type Target = Series;

    fn deref(&self) -> &Series {
        &self.0
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told() {
        let series = Arc::new(Series::default());
        let before = series.pulse();
        series.attempted(Outcome::Retry, 503, Duration::from_secs(1));
        series.ended(State::Dead);
        series.died(Death::Exhausted);
        series.held(Reason::Rate, Duration::from_millis(1500));
        assert_eq!(OUTCOMES.map(|it| series.attempts(it)), [0, 1, 0, 0]);
        assert_eq!(ENDS.map(|it| series.ends(it)), [0, 0, 1, 0, 0]);
        assert_eq!(DEATHS.map(|it| series.deaths(it)), [1, 0, 0, 0, 0, 0]);
        assert_eq!(series.held_for(Reason::Rate), Duration::from_millis(1500));
        assert_eq!(series.held_for(Reason::Paused), Duration::ZERO);
        assert_ne!(series.pulse(), before);
    }

    #[test]
    fn a_call_is_in_flight_for_as_long_as_it_is_held() {
        let series = Arc::new(Series::default());
        let (one, two) = (Flying::new(&series), Flying::new(&series));
        assert_eq!(series.in_flight(), 2);
        drop((one, two));
        assert_eq!(series.in_flight(), 0);
    }

    #[test]
    fn an_age_grows_although_nobody_looks() {
        let series = Series::default();
        let now = Timestamp::from_unix_nanos(5_000_000_000);
        assert_eq!(series.oldest_age(now), None);
        series.oldest.set(Some(2.0));
        assert_eq!(series.oldest_age(now), Some(Duration::from_secs(3)));
        assert_eq!(series.oldest_age(Timestamp::default()), Some(Duration::ZERO), "clocks may differ");
    }
}
