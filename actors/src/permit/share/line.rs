//! Whose turn may be next among siblings, without looking at them all (pure).
//!
//! What one has used grows only while it holds permits, so those who hold none keep their order while they wait. Those
//! who hold some are no more than there are permits, and are looked at one by one.

use std::collections::{BTreeMap, BTreeSet};

/// Where one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It holds nothing and wants nothing.
    Away,
    /// It holds permits.
    Holds,
    /// It holds none and wants some.
    Waits { class: Class, used: Used },
}

/// Those who wait and differ in nothing but what they have used. There are as many as there are weights, so few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Class {
    pub(super) weight: u32,
    pub(super) wants: Wants,
}

/// What is wanted at and below one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wants {
    /// Nothing that the caps there let it have.
    Capped,
    /// Permits for calls none of which is brief.
    Long,
    /// Permits for brief calls among them.
    Brief,
}

/// Slot-seconds per weight, in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used(pub(super) f64);

impl PartialEq for Used {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Used {}

impl PartialOrd for Used {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Used {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Siblings, by a number each.
#[derive(Debug, Default)]
pub(super) struct Line {
    holders: BTreeSet<usize>,
    waiting: BTreeMap<Class, BTreeSet<(Used, usize)>>,
}

impl Line {
    /// `who` has moved from one place to another.
    pub(super) fn moved(&mut self, who: usize, from: Place, to: Place) {
        if from == to {
            return;
        }
        match from {
            Place::Away => {}
            Place::Holds => drop(self.holders.remove(&who)),
            Place::Waits { class, used } => {
                if let Some(alike) = self.waiting.get_mut(&class) {
                    alike.remove(&(used, who));
                    if alike.is_empty() {
                        self.waiting.remove(&class);
                    }
                }
            }
        }
        match to {
            Place::Away => {}
            Place::Holds => drop(self.holders.insert(who)),
            Place::Waits { class, used } => drop(self.waiting.entry(class).or_default().insert((used, who))),
        }
    }

    /// Everyone who holds permits, and of each class of those who wait whoever has used least: nobody else has used
    /// less than these, and nobody else who wants at least as much can be next.
    pub(super) fn foremost(&self, wants: Wants) -> impl Iterator<Item = usize> {
        let first = self.waiting.iter().filter(move |(class, _)| class.wants >= wants);
        let first = first.filter_map(|(_, alike)| Some(alike.first()?.1));
        self.holders.iter().copied().chain(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(weight: u32, wants: Wants, used: f64) -> Place {
        Place::Waits { class: Class { weight, wants }, used: Used(used) }
    }

    #[test]
    fn of_those_who_are_alike_only_whoever_has_used_least_is_foremost() {
        let mut line = Line::default();
        line.moved(0, Place::Away, Place::Holds);
        for (who, place) in [
            (1, waits(1, Wants::Brief, 0.5)),
            (2, waits(1, Wants::Brief, 0.25)),
            (3, waits(1, Wants::Long, 4.0)),
            (4, waits(2, Wants::Long, 9.0)),
            (5, waits(1, Wants::Capped, 0.0)),
        ] {
            line.moved(who, Place::Away, place);
        }
        assert_eq!(line.foremost(Wants::Capped).collect::<Vec<_>>(), [0, 5, 3, 2, 4]);
        assert_eq!(line.foremost(Wants::Long).collect::<Vec<_>>(), [0, 3, 2, 4]);
        assert_eq!(line.foremost(Wants::Brief).collect::<Vec<_>>(), [0, 2]);
        line.moved(2, waits(1, Wants::Brief, 0.25), Place::Holds);
        line.moved(0, Place::Holds, Place::Away);
        assert_eq!(line.foremost(Wants::Brief).collect::<Vec<_>>(), [2, 1]);
        line.moved(1, waits(1, Wants::Brief, 0.5), Place::Away);
        assert_eq!(line.foremost(Wants::Brief).collect::<Vec<_>>(), [2]);
    }
}
