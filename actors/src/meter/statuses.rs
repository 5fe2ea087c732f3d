//! How long answers took, by their status.

use std::array;
use std::sync::OnceLock;
use std::time::Duration;

use super::Histogram;
use super::histogram::Counts;

/// Statuses have three figures, of which the first is from 1 to 5.
const CLASSES: usize = 5;
const OF_A_CLASS: usize = 100;

type Class = [OnceLock<Box<Histogram>>; OF_A_CLASS];

/// A histogram for each status that there was.
#[derive(Debug, Default)]
pub struct Statuses([OnceLock<Box<Class>>; CLASSES]);

impl Statuses {
    /// An answer with this status took so long.
    pub fn observe(&self, status: u16, took: Duration) {
        let (class, rest) = (usize::from(status / 100), usize::from(status % 100));
        // What is no status of HTTP is as bad as any.
        let class = self.0.get(class.wrapping_sub(1)).or(self.0.last());
        let class = class.map(|it| it.get_or_init(|| Box::new(array::from_fn(|_| OnceLock::new()))));
        if let Some(histogram) = class.and_then(|class| class.get(rest)) {
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
}
