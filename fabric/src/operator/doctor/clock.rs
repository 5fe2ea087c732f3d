//! Whether clocks agree: delays, expiry and ages are reckoned from the time of day.

use std::time::Duration;

use proto::Timestamp;

use super::Finding;

/// What a clock may be ahead or behind beyond what the look itself took.
const APART_MAX: Duration = Duration::from_secs(2);

/// Compares the clock of `whom`, read between two looks at ours.
#[must_use]
pub fn compare(whom: &str, theirs: Timestamp, before: Timestamp, after: Timestamp) -> Finding {
    let what = format!("clock of {whom}");
    let (ahead, behind) = (theirs.since(after), before.since(theirs));
    let apart = ahead.max(behind);
    if apart <= APART_MAX {
        return Finding::good(what, "agrees with the one here");
    }
    let which = if ahead > behind { "ahead of" } else { "behind" };
    let found = format!("{:.0} s {which} the one here", apart.as_secs_f64());
    Finding::fault(what, found, "have all machines keep time by NTP: retries, delays and ages are reckoned by it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_be_off_by_as_much_as_the_look_took() {
        let at = |seconds: i64| Timestamp::from_unix_nanos(seconds * 1_000_000_000);
        for (theirs, found) in [(100, "agrees"), (108, "agrees"), (112, "4 s ahead of"), (90, "10 s behind")] {
            let finding = compare("the broker", at(theirs), at(100), at(108));
            assert!(finding.found.contains(found), "{theirs}: {finding:?}");
            assert_eq!(finding.mend.is_some(), found != "agrees");
        }
    }
}
