//! Who works for which queues, and how much each of them takes (pure).

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;

use actors::membership::{Membership, Serves};
use actors::view;
use proto::Queue;

/// The workers that are alive.
pub(super) struct Workforce(Vec<Worker>);

struct Worker {
    serves: Serves,
    /// What it said of itself, now or before: who is too busy to answer has not gone.
    said: Option<Said>,
}

struct Said {
    permits: u32,
    /// How many of them a queue may have at the most.
    caps: Vec<(String, u32)>,
}

/// Those who work for some queues.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Staff {
    pub(super) serving: usize,
    /// How many of the queues' calls each runs at once, on average of those of whom it is known, rounded down; absent if
    /// it is of nobody.
    pub(super) each: Option<NonZeroU32>,
}

impl Workforce {
    /// Those who are alive, as they said.
    pub(super) fn of<'a>(membership: &Membership, processes: impl IntoIterator<Item = &'a view::Process>) -> Self {
        let mut said: HashMap<&str, Said> =
            processes.into_iter().map(|process| (process.id.as_str(), Said::of(process))).collect();
        let workers = membership.iter().filter(|(_, member)| member.serves != Serves::Nothing);
        Self(workers.map(|(id, it)| Worker { serves: it.serves.clone(), said: said.remove(id) }).collect())
    }

    /// Whether one of them was told to serve this queue.
    pub(super) fn names(&self, queue: &Queue) -> bool {
        self.0.iter().any(|it| matches!(&it.serves, Serves::Queues(queues) if queues.contains(queue)))
    }

    /// Those who work for any of these queues, or for any at all.
    pub(super) fn staff(&self, queues: Option<&BTreeSet<Queue>>) -> Staff {
        let serving = self.0.iter().filter(|it| match queues {
            Some(queues) => queues.iter().any(|queue| it.serves.serves(queue)),
            None => true,
        });
        let (mut count, mut known, mut sum) = (0, 0, 0_u64);
        for worker in serving {
            count += 1;
            if let Some(said) = &worker.said {
                known += 1;
                sum += u64::from(said.takes(&worker.serves, queues));
            }
        }
        let each = sum.checked_div(known).and_then(|each| u32::try_from(each).ok());
        Staff { serving: count, each: each.map(|each| NonZeroU32::new(each).unwrap_or(NonZeroU32::MIN)) }
    }
}

impl Said {
    fn of(process: &view::Process) -> Self {
        let caps = process.fabric.queues.iter().filter_map(|it| Some((it.name.clone(), it.permits_max?)));
        Self { permits: process.fabric.permits, caps: caps.collect() }
    }

    /// How many calls of these queues it runs at once.
    fn takes(&self, serves: &Serves, queues: Option<&BTreeSet<Queue>>) -> u32 {
        let Some(queues) = queues else { return self.permits };
        let cap = |queue: &Queue| {
            let of_queue = self.caps.iter().find(|(name, _)| name == queue.as_str());
            of_queue.map_or(self.permits, |(_, cap)| *cap)
        };
        let served = queues.iter().filter(|queue| serves.serves(queue));
        served.map(cap).fold(0, u32::saturating_add).min(self.permits)
    }
}

#[cfg(test)]
mod tests {
    use actors::membership::Member;
    use serde_json::json;

    use super::*;

    fn queues(names: &[&str]) -> BTreeSet<Queue> {
        names.iter().map(|name| Queue::parse(name).unwrap()).collect()
    }

    fn process(id: &str, permits: u32, caps: &[(&str, Option<u32>)]) -> view::Process {
        let queue = |(name, cap): &(&str, Option<u32>)| {
            json!({"name": name, "permits": 0, "permits_waiting": 0, "permits_max": cap, "children": [],
                "subscribers": []})
        };
        let queues: Vec<_> = caps.iter().map(queue).collect();
        serde_json::from_value(json!({"id": id, "phase": "running", "children": [], "members": {}, "permits": permits,
            "permits_free": permits, "queues": queues}))
        .unwrap()
    }

    fn workforce(workers: &[(&str, Serves)], processes: &[view::Process]) -> Workforce {
        let mut membership = Membership::alone("me", Member { gateway: true, ..Member::default() });
        for (id, serves) in workers {
            membership.seen(id, Member { serves: serves.clone(), ..Member::default() });
        }
        Workforce::of(&membership, processes)
    }

    fn staff(workforce: &Workforce, of: &[&str]) -> (usize, Option<u32>) {
        let Staff { serving, each } = workforce.staff(Some(&queues(of)));
        (serving, each.map(NonZeroU32::get))
    }

    #[test]
    fn a_queue_has_those_who_serve_it_and_as_much_of_them_as_it_may() {
        let slow = Serves::Queues(queues(&["slow", "batch"]));
        let processes = [
            process("a", 100, &[("default", None), ("slow", Some(10))]),
            process("b", 50, &[("slow", Some(4)), ("batch", Some(6))]),
        ];
        let workforce = workforce(&[("a", Serves::Everything), ("b", slow)], &processes);
        assert_eq!(staff(&workforce, &["default"]), (1, Some(100)));
        assert_eq!(staff(&workforce, &["slow"]), (2, Some(7)));
        assert_eq!(staff(&workforce, &["slow", "batch"]), (2, Some(55)), "110 are more than all, and 10");
        assert_eq!(workforce.staff(None), Staff { serving: 2, each: NonZeroU32::new(75) });
        let named = ["slow", "default"].map(|name| workforce.names(&Queue::parse(name).unwrap()));
        assert_eq!(named, [true, false]);
    }

    #[test]
    fn who_has_not_said_how_much_he_takes_is_there_all_the_same() {
        let everything = || Serves::Everything;
        let workforce = workforce(&[("a", everything()), ("b", everything())], &[process("a", 8, &[])]);
        assert_eq!(staff(&workforce, &["default"]), (2, Some(8)));
        let nobody = self::workforce(&[("a", everything())], &[process("gone", 8, &[])]);
        assert_eq!(staff(&nobody, &["default"]), (1, None));
        assert_eq!(staff(&self::workforce(&[], &[]), &["default"]), (0, None));
    }
}
