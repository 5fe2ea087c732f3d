//! Permits for quick calls in groups, where many functions wait (pure).
//!
//! One permit each for many functions would mean a pull for each call. A group at a time for a few of them means that
//! messages are pulled together and that few lanes are in use at once. That saves CPU, so it is done where CPU is what a
//! worker is short of; where calls take longer, permits are, and a group that is gathered would leave some unused.

use std::time::Duration;

/// How many functions of quick calls have all permits at a time, at least, where more wait.
const GROUPS: u32 = 8;
/// A group has no fewer permits than this, or there are none.
const LEN_MIN: u32 = 8;
/// It has no more: turns would be far apart.
const LEN_MAX: u32 = 32;
/// As many calls a second as a worker has CPU for, about.
const PACE: u32 = 10_000;
/// No call that takes longer is quick.
const QUICK: Duration = Duration::from_millis(50);
/// How long permits are kept back until there are enough for a group, at least: what is kept back is looked at when permits
/// change hands, and on a subscriber's beat.
pub(super) const KEPT_BACK: Duration = Duration::from_millis(20);

/// How long calls take at most that are quick: with all its `total` permits a worker would begin more than it has CPU for.
#[must_use]
pub fn quick_within(total: u32) -> Duration {
    (Duration::from_secs(1) * total / PACE).min(QUICK)
}

/// How many of `total` permits for quick calls count as one while so many functions wait: several where not each of them
/// could have a group.
pub(super) fn group_len(total: u32, waiting: u32) -> u32 {
    let len = (total / GROUPS).min(LEN_MAX);
    if len >= LEN_MIN && waiting.saturating_mul(len) > total { len } else { 1 }
}

/// Whether `missing` permits are worth waiting for while calls that are quick hold so many: not for the last of those that
/// came together, for one may take long.
pub(super) fn will_come(missing: u32, quick: u32) -> bool {
    quick / 2 >= missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_come_in_groups_where_not_everybody_could_have_one() {
        let lens = [(63, 100), (64, 8), (64, 9), (256, 9), (1000, 31), (1000, 32)];
        assert_eq!(lens.map(|(total, waiting)| group_len(total, waiting)), [1, 1, 8, 32, 1, 32]);
    }

    #[test]
    fn what_is_quick_is_what_would_take_more_cpu_than_there_is() {
        assert_eq!([50, 250, 5000].map(|total| quick_within(total).as_millis()), [5, 25, 50]);
    }

    #[test]
    fn nobody_waits_for_the_last_of_a_group() {
        assert!(will_come(31, 224) && !will_come(1, 1) && !will_come(16, 16));
    }
}
