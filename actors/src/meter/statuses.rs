//! How long answers took, by their status.

use std::array;
use std::sync::OnceLock;
use std::time::Duration;

use super::Histogram;
use super::histogram::Counts;

/// Statuses have three figures, of which the first is from 1 to 5.
const CLASSES: usize = 5;
const OF_A_CLASS: usize = 100;
/// How many statuses of a class are told apart. A function makes up its own, and each is a dozen series.
const TOLD_APART: usize = 8;
/// What stands for all others of its class: what `599` and the like mean is nowhere written.
const OTHERS: usize = 99;

type Class = [OnceLock<Box<Histogram>>; OF_A_CLASS];

/// A histogram for each status that there was, up to so many of a class; the others count as one, 499 and the like.
#[derive(Debug, Default)]
pub struct Statuses([OnceLock<Box<Class>>; CLASSES]);

impl Statuses {
    /// An answer with this status took so long.
    pub fn observe(&self, status: u16, took: Duration) {
        let (class, rest) = (usize::from(status / 100), usize::from(status % 100));
        // What is no status of HTTP is as bad as any.
        let class = self.0.get(class.wrapping_sub(1)).or(self.0.last());
        let class = class.map(|it| it.get_or_init(|| Box::new(array::from_fn(|_| OnceLock::new()))));
        let Some(class) = class else { return };
        let known = class.get(rest).filter(|it| it.get().is_some() || rest == OTHERS || has_room(class));
        if let Some(histogram) = known.or(class.last()) {
            histogram.get_or_init(Box::default).observe(took);
        }
    }

    /// What was counted, by status.
    pub fn iter(&self) -> impl Iterator<Item = (u16, Counts)> {
        let classes = (1u16..).zip(&self.0).filter_map(|(class, it)| Some((class, it.get()?)));
        classes.flat_map(|(class, of_it)| {
            let there = (0u16..).zip(of_it.iter()).filter_map(|(rest, it)| Some((rest, it.get()?)));
            there.map(move |(rest, histogram)| (class * 100 + rest, histogram.counts()))
        })
    }

    /// The same by class: `2xx` and so on.
    #[must_use]
    pub fn classes(&self) -> Vec<(&'static str, Counts)> {
        let mut classes: Vec<(&'static str, Counts)> = Vec::new();
        for (status, counts) in self.iter() {
            let class = class(status);
            match classes.last_mut().filter(|(last, _)| *last == class) {
                Some((_, all)) => *all = std::mem::take(all).and(&counts),
                None => classes.push((class, counts)),
            }
        }
        classes
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.iter().map(|(_, counts)| counts.count()).sum()
    }
}

/// Two that come first at the same time may both find room for one: then there is one more.
fn has_room(class: &Class) -> bool {
    class.iter().take(OTHERS).filter(|it| it.get().is_some()).count() < TOLD_APART
}

fn class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statuses_that_there_were_are_told_and_classes_are_their_sums() {
        let statuses = Statuses::default();
        for status in [200, 204, 200, 503, 999] {
            statuses.observe(status, Duration::from_secs(1));
        }
        let told: Vec<(u16, u64)> = statuses.iter().map(|(status, counts)| (status, counts.count())).collect();
        assert_eq!(told, [(200, 2), (204, 1), (503, 1), (599, 1)]);
        let classes: Vec<(&str, u64)> = statuses.classes().iter().map(|(class, it)| (*class, it.count())).collect();
        assert_eq!(classes, [("2xx", 3), ("5xx", 2)]);
    }

    #[test]
    fn a_function_that_makes_up_statuses_gets_no_more_series() {
        let statuses = Statuses::default();
        for status in 400..500 {
            statuses.observe(status, Duration::from_secs(1));
        }
        statuses.observe(403, Duration::from_secs(1));
        statuses.observe(200, Duration::from_secs(1));
        let told: Vec<(u16, u64)> = statuses.iter().map(|(status, counts)| (status, counts.count())).collect();
        let own = (400..408).map(|status| (status, if status == 403 { 2 } else { 1 }));
        assert_eq!(told, [(200, 1)].into_iter().chain(own).chain([(499, 92)]).collect::<Vec<_>>());
    }
}
