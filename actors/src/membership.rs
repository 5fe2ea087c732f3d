//! The processes that are alive, and which part of a cluster-wide limit is whose (pure).

use std::collections::{BTreeMap, BTreeSet};

use proto::Queue;
use serde::{Deserialize, Serialize};

/// What a process does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Whether it accepts calls.
    pub gateway: bool,
    /// Which queues it serves.
    pub serves: Serves,
    /// Which queues it has calls of that it finishes, although it serves none any more.
    #[serde(default, skip_serializing_if = "Serves::is_nothing")]
    pub finishes: Serves,
}

impl Member {
    /// One that takes nothing more, and finishes what it has.
    #[must_use]
    pub fn draining(self) -> Self {
        let finishes = if self.serves.is_nothing() { self.finishes } else { self.serves };
        Self { gateway: false, serves: Serves::Nothing, finishes }
    }

    /// Whether it may have calls of `queue`.
    #[must_use]
    pub fn may_have_calls_of(&self, queue: &Queue) -> bool {
        self.serves.serves(queue) || self.finishes.serves(queue)
    }
}

/// Which queues a process serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Serves {
    /// None.
    #[default]
    Nothing,
    /// These, and callbacks.
    Queues(BTreeSet<Queue>),
    /// All.
    Everything,
}

impl Serves {
    fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }

    /// Whether `queue` is among them.
    #[must_use]
    pub fn serves(&self, queue: &Queue) -> bool {
        match self {
            Self::Nothing => false,
            Self::Queues(queues) => queue.is_callbacks() || queues.contains(queue),
            Self::Everything => true,
        }
    }
}

/// Everybody alive, this process included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    me: String,
    members: BTreeMap<String, Member>,
}

/// One of equal parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which, from 0.
    pub index: u32,
    /// Of how many; at least 1.
    pub of: u32,
}

impl Part {
    /// The whole.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// How many of `count` things fall to this part; all parts together have all of them. `turn` moves on who has one
    /// more where they cannot be equal.
    #[must_use]
    pub fn share(self, count: u32, turn: u32) -> u32 {
        let of = self.of.max(1);
        let place = (self.index + turn % of) % of;
        count / of + u32::from(place < count % of)
    }
}

impl Membership {
    /// Only this process.
    #[must_use]
    pub fn alone(me: impl Into<String>, member: Member) -> Self {
        let me = me.into();
        Self { members: BTreeMap::from([(me.clone(), member)]), me }
    }

    /// Somebody is alive. Whether that is news.
    pub fn seen(&mut self, id: &str, member: Member) -> bool {
        let news = self.members.get(id) != Some(&member);
        self.members.insert(id.into(), member);
        news
    }

    /// What somebody does, if alive.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    /// Somebody is not. Whether that is news; this process never leaves itself.
    pub fn left(&mut self, id: &str) -> bool {
        id != self.me && self.members.remove(id).is_some()
    }

    /// Everybody, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Member)> {
        self.members.iter().map(|(id, member)| (id.as_str(), member))
    }

    /// Whether somebody alive has chosen to serve `queue`, whatever functions name.
    #[must_use]
    pub fn is_chosen(&self, queue: &Queue) -> bool {
        self.members.values().any(|member| matches!(&member.serves, Serves::Queues(queues) if queues.contains(queue)))
    }

    /// This process's part among those who serve `queue`.
    #[must_use]
    pub fn part_of_queue(&self, queue: &Queue) -> Part {
        self.part(|member| member.serves.serves(queue))
    }

    /// This process's part among those who accept calls.
    #[must_use]
    pub fn part_of_gateways(&self) -> Part {
        self.part(|member| member.gateway)
    }

    /// Whether this process does what one of those who serve any queue is to do for all.
    #[must_use]
    pub fn is_first_worker(&self) -> bool {
        self.part(|member| member.serves != Serves::Nothing).index == 0
    }

    fn part(&self, among: impl Fn(&Member) -> bool) -> Part {
        let (mut index, mut of) = (0, 0);
        for (id, _) in self.members.iter().filter(|(id, member)| **id == self.me || among(member)) {
            index = if *id == self.me { of } else { index };
            of += 1;
        }
        Part { index, of: of.max(1) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn worker(queues: &[&str]) -> Member {
        let queues = queues.iter().map(|queue| Queue::parse(queue).unwrap()).collect();
        Member { serves: Serves::Queues(queues), ..Member::default() }
    }

    #[test]
    fn the_first_who_serves_anything_does_what_is_done_once() {
        let mut members = Membership::alone("b", worker(&["q"]));
        assert!(members.is_first_worker());
        members.seen("a", Member { gateway: true, ..Member::default() });
        assert!(members.is_first_worker(), "a gateway does none of it");
        members.seen("a", worker(&["other"]));
        assert!(!members.is_first_worker());
    }

    #[test]
    fn a_queue_is_chosen_by_whoever_serves_it_by_name() {
        let members = Membership::alone("a", worker(&["own"]));
        let queue = |name| Queue::parse(name).unwrap();
        assert!(members.is_chosen(&queue("own")) && !members.is_chosen(&queue("other")));
        let everything = Member { serves: Serves::Everything, ..Member::default() };
        assert!(!Membership::alone("a", everything).is_chosen(&queue("other")), "that is what functions name");
    }

    #[test]
    fn parts_are_among_those_who_do_the_same() {
        let mut all = Membership::alone("m", worker(&["q"]));
        all.seen("a", worker(&["other"]));
        all.seen("b", Member { gateway: true, ..Member::default() });
        all.seen("c", Member { gateway: true, serves: Serves::Everything, ..Member::default() });
        let queue = |name| Queue::parse(name).unwrap();
        assert_eq!(all.part_of_queue(&queue("q")), Part { index: 1, of: 2 });
        assert_eq!(all.part_of_queue(&Queue::callbacks()), Part { index: 2, of: 3 });
        assert!(all.left("c") && !all.left("c") && !all.left("m"));
        assert_eq!(all.part_of_queue(&queue("q")), Part::WHOLE);
    }

    #[test]
    fn one_that_drains_has_no_part_and_still_has_calls() {
        let queue = Queue::parse("q").unwrap();
        let mut all = Membership::alone("m", worker(&["q"]));
        let draining = worker(&["q"]).draining();
        assert!(draining.may_have_calls_of(&queue) && !draining.may_have_calls_of(&Queue::default()));
        assert_eq!(draining.clone().draining(), draining, "a second signal changes nothing");
        all.seen("a", draining);
        assert_eq!(all.part_of_queue(&queue), Part::WHOLE);
    }

    proptest! {
        #[test]
        fn the_parts_make_the_whole(count in 0u32..1000, of in 1u32..20, turn: u32) {
            let parts: Vec<u32> = (0..of).map(|index| Part { index, of }.share(count, turn)).collect();
            prop_assert_eq!(parts.iter().sum::<u32>(), count);
            prop_assert!(parts.iter().max().unwrap() - parts.iter().min().unwrap() <= 1);
        }
    }
}
