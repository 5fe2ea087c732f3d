//! How many calls of a function ended in a second here, lately (pure).

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Heard;

/// Whole seconds that are looked back on, the one that runs aside. Less than a subscriber stays idle for: when it goes,
/// nothing of what it told is lost.
const SECONDS: usize = 5;

/// What became of attempts, in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PerSecond {
    /// The function answered, and did not fail.
    pub answered: f64,
    /// It failed, or took too long.
    pub failed: f64,
    /// It had no room, or nobody listened.
    pub turned_away: f64,
}

impl PerSecond {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            answered: self.answered + other.answered,
            failed: self.failed + other.failed,
            turned_away: self.turned_away + other.turned_away,
        }
    }
}

/// Counts what ended in each of the last seconds.
#[derive(Debug, Default)]
pub struct Throughput {
    began: Option<Instant>,
    /// The second that runs, counted from the beginning.
    second: u64,
    counts: [[u32; 3]; SECONDS + 1],
}

impl Throughput {
    /// An attempt ended.
    pub fn ended(&mut self, heard: Heard, now: Instant) {
        self.go_on(now);
        let kind = match heard {
            Heard::Well => 0,
            Heard::Failed | Heard::TimedOut => 1,
            Heard::Busy | Heard::Away => 2,
        };
        let slot = self.counts.get_mut(slot(self.second)).and_then(|counts| counts.get_mut(kind));
        if let Some(count) = slot {
            *count = count.saturating_add(1);
        }
    }

    /// How many end in a second.
    #[must_use]
    pub fn per_second(&self, now: Instant) -> PerSecond {
        let Some(began) = self.began else { return PerSecond::default() };
        let age = now.saturating_duration_since(began);
        let first = age.as_secs().saturating_sub(SECONDS as u64);
        let mut sums = [0_u64; 3];
        for counts in (first..=self.second).filter_map(|second| self.counts.get(slot(second))) {
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += u64::from(*count);
            }
        }
        let span = age.saturating_sub(Duration::from_secs(first)).as_secs_f64().max(1.0);
        let [answered, failed, turned_away] = sums.map(|sum| sum as f64 / span);
        PerSecond { answered, failed, turned_away }
    }

    /// Empties the seconds that have passed since something ended.
    fn go_on(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        let second = now.saturating_duration_since(began).as_secs();
        for passed in (self.second + 1..=second).take(SECONDS + 1) {
            if let Some(counts) = self.counts.get_mut(slot(passed)) {
                *counts = [0; 3];
            }
        }
        self.second = self.second.max(second);
    }
}

fn slot(second: u64) -> usize {
    (second % (SECONDS as u64 + 1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> (Throughput, Instant) {
        (Throughput::default(), tokio::time::Instant::now().into_std())
    }

    #[test]
    fn a_steady_throughput_is_what_it_is_at_any_moment() {
        let (mut throughput, begin) = start();
        assert_eq!(throughput.per_second(begin), PerSecond::default());
        for tenth in 0..200_u32 {
            let now = begin + Duration::from_millis(100) * tenth;
            throughput.ended(Heard::Well, now);
            if tenth % 2 == 0 {
                throughput.ended(Heard::TimedOut, now);
            }
            let rates = throughput.per_second(now);
            if tenth >= 20 {
                assert!((9.0..=11.0).contains(&rates.answered), "{tenth}: {rates:?}");
                assert!((4.5..=5.6).contains(&rates.failed), "{tenth}: {rates:?}");
            }
        }
    }

    #[test]
    fn what_is_long_past_does_not_count() {
        let (mut throughput, begin) = start();
        throughput.ended(Heard::Busy, begin);
        throughput.ended(Heard::Away, begin);
        assert_eq!(throughput.per_second(begin).turned_away, 2.0, "a burst is not more than it was");
        assert!(throughput.per_second(begin + Duration::from_secs(4)).turned_away > 0.0);
        assert_eq!(throughput.per_second(begin + Duration::from_secs(6)), PerSecond::default());
        let late = begin + Duration::from_secs(1000);
        throughput.ended(Heard::Well, late);
        assert_eq!(throughput.per_second(late), PerSecond { answered: 0.2, ..PerSecond::default() });
    }
}
