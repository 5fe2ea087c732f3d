//! How many calls may start in a time (pure): a bucket of tokens.
//!
//! The bucket takes tokens back: a pull that finds fewer messages than it had tokens for has not used them. It also
//! changes its pace without losing count, because a cluster-wide rate is divided by workers that come and go. Ready
//! rate limiters do neither.

use std::time::{Duration, Instant};

use proto::limit::Rate;

/// A bucket that was not used for so long is as good as full; the longest rates are by the hour.
const FULL_AFTER: Duration = Duration::from_secs(2 * 60 * 60);

/// A rate as it applies here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Tokens a second.
    pub per_second: f64,
    /// How many a full bucket holds; at least one.
    pub burst: f64,
}

impl Pace {
    /// One of `of` equal parts of a rate.
    #[must_use]
    pub fn of(rate: Rate, burst: u32, of: u32) -> Self {
        let parts = f64::from(of.max(1));
        Self { per_second: rate.per_second() / parts, burst: (f64::from(burst) / parts).max(1.0) }
    }
}

/// A bucket, full at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    /// What is in it, and when it was; absent while it is full.
    level: Option<(f64, Instant)>,
}

impl Bucket {
    /// How many tokens there are.
    #[must_use]
    pub fn available(&self, pace: Pace, now: Instant) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and `as` saturates")]
        let whole = self.level(pace, now) as u32;
        whole
    }

    /// When the next one comes, if there is none.
    #[must_use]
    pub fn next_at(&self, pace: Pace, now: Instant) -> Option<Instant> {
        let missing = 1.0 - self.level(pace, now);
        let wait = Duration::try_from_secs_f64(missing / pace.per_second).ok()?;
        // Never a moment too early: who comes back then must find it.
        (missing > 0.0).then(|| now + wait + Duration::from_micros(1))
    }

    /// Takes `count`, which must be there.
    pub fn take(&mut self, count: u32, pace: Pace, now: Instant) {
        self.level = Some(((self.level(pace, now) - f64::from(count)).max(0.0), now));
    }

    /// Puts `count` back that were taken and not used.
    pub fn put_back(&mut self, count: u32, pace: Pace, now: Instant) {
        self.level = Some((self.level(pace, now) + f64::from(count), now));
    }

    /// Whether it has not been used for so long that it is full at any rate there can be.
    #[must_use]
    pub fn is_idle(&self, now: Instant) -> bool {
        self.level.is_none_or(|(_, at)| now.saturating_duration_since(at) > FULL_AFTER)
    }

    fn level(&self, pace: Pace, now: Instant) -> f64 {
        let Some((level, at)) = self.level else { return pace.burst };
        let since = now.saturating_duration_since(at).as_secs_f64();
        since.mul_add(pace.per_second, level).min(pace.burst)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACE: Pace = Pace { per_second: 100.0, burst: 10.0 };

    #[test]
    fn a_burst_at_once_then_the_rate() {
        let (mut bucket, start) = (Bucket::default(), tokio::time::Instant::now().into_std());
        let mut taken = 0;
        for ms in 0..1000 {
            let now = start + Duration::from_millis(ms);
            let count = bucket.available(PACE, now);
            bucket.take(count, PACE, now);
            taken += count;
        }
        assert_eq!(taken, 10 + 99);
    }

    #[test]
    fn who_waits_until_the_next_one_finds_it() {
        let (mut bucket, now) = (Bucket::default(), tokio::time::Instant::now().into_std());
        assert_eq!(bucket.next_at(PACE, now), None);
        bucket.take(10, PACE, now);
        let next = bucket.next_at(PACE, now).unwrap();
        assert_eq!((next - now).as_millis(), 10);
        assert_eq!((bucket.available(PACE, now), bucket.available(PACE, next)), (0, 1));
    }

    #[test]
    fn a_part_of_a_rate_is_that_part() {
        let rate = Rate::parse("600/m").unwrap();
        assert_eq!(Pace::of(rate, 10, 4), Pace { per_second: 2.5, burst: 2.5 });
        assert_eq!(Pace::of(rate, 1, 4).burst, 1.0, "less than one token would be none for ever");
    }

    proptest! {
        /// However tokens are taken and put back, never more are used than the burst and the rate allow.
        #[test]
        fn never_more_than_allowed(steps in prop::collection::vec((0u64..50, 0u32..20, 0u32..20), 1..200)) {
            let start = tokio::time::Instant::now().into_std();
            let (mut bucket, mut now, mut used) = (Bucket::default(), start, 0);
            for (ms, take, back) in steps {
                now += Duration::from_millis(ms);
                let take = take.min(bucket.available(PACE, now));
                bucket.take(take, PACE, now);
                let back = back.min(take);
                bucket.put_back(back, PACE, now);
                used += take - back;
                let allowed = PACE.burst + PACE.per_second * (now - start).as_secs_f64();
                prop_assert!(f64::from(used) <= allowed + 1e-6);
            }
        }
    }
}
