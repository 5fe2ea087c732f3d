//! Who of a queue's functions gets how many permits (pure).
//!
//! * What is free goes, one by one, to whoever waits and holds least (max-min fairness).
//! * A few permits are kept back for the first call of functions that hold none, so that a new function starts at
//!   once beside one that has filled everything else with long calls.
//! * When somebody waits and nothing is left for it, functions that hold more than an even share are asked to let
//!   go of what is over it, as their calls end.
//! * A function with nothing to run may hold one permit, to wait for its next call with, only while half of all
//!   permits are free: an idle function takes nothing from a busy one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use proto::Function;

/// The permits of one queue in one worker.
#[derive(Debug)]
pub struct Pool {
    total: u32,
    held: BTreeMap<Function, Holding>,
    waiting: VecDeque<(Function, u32)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Holding {
    permits: u32,
    /// How many of them it has been asked to let go.
    asked_back: u32,
}

impl Pool {
    /// All `total` of them free.
    #[must_use]
    pub fn new(total: u32) -> Self {
        Self { total, held: BTreeMap::new(), waiting: VecDeque::new() }
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.total
    }

    /// How many nobody holds.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.total - self.held.values().map(|holding| holding.permits).sum::<u32>()
    }

    /// How many `function` holds.
    #[must_use]
    pub fn held(&self, function: &Function) -> u32 {
        self.held.get(function).map_or(0, |holding| holding.permits)
    }

    /// How many functions wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Kept back for the first call of functions that hold none.
    fn reserve(&self) -> u32 {
        self.total / 8
    }

    /// `function` has work for `count` more. A newer wish replaces an older one.
    pub fn want(&mut self, function: &Function, count: u32) {
        match self.waiting.iter_mut().find(|(waiter, _)| waiter == function) {
            Some((_, wanted)) => *wanted = count,
            None if count > 0 => self.waiting.push_back((function.clone(), count)),
            None => {}
        }
    }

    /// `function` has nothing waiting and would like a permit to wait for its next call with. Whether it may.
    pub fn may_idle(&mut self, function: &Function) -> bool {
        let may = self.waiting.is_empty() && self.free() > self.total / 2;
        if may {
            self.hold(function, 1);
        }
        may
    }

    /// `function` gave back `count`, or died with them.
    pub fn returned(&mut self, function: &Function, count: u32) {
        if let Some(holding) = self.held.get_mut(function) {
            holding.permits = holding.permits.saturating_sub(count);
            holding.asked_back = holding.asked_back.saturating_sub(count);
            if holding.permits == 0 {
                self.held.remove(function);
            }
        }
    }

    /// `function` is gone: it waits no more. What it holds comes back by itself.
    pub fn gone(&mut self, function: &Function) {
        self.waiting.retain(|(waiter, _)| waiter != function);
    }

    /// Hands out what can be handed out now, one by one to whoever holds least; among equals, who waits longest.
    pub fn grants(&mut self) -> Vec<(Function, u32)> {
        let mut queue: BinaryHeap<Reverse<(u32, usize)>> = self
            .waiting
            .iter()
            .enumerate()
            .map(|(place, (function, _))| Reverse((self.held(function), place)))
            .collect();
        let mut granted = vec![0; self.waiting.len()];
        while let Some(Reverse((held, place))) = queue.pop() {
            let (Some((function, wanted)), Some(count)) = (self.waiting.get(place), granted.get_mut(place)) else {
                break;
            };
            if self.room_for(function) > 0 {
                self.held.entry(function.clone()).or_default().permits += 1;
                *count += 1;
                if *count < *wanted {
                    queue.push(Reverse((held + 1, place)));
                }
            }
        }
        let mut grants = Vec::new();
        for ((function, wanted), count) in self.waiting.iter_mut().zip(granted) {
            *wanted -= count;
            if count > 0 {
                grants.push((function.clone(), count));
            }
        }
        self.waiting.retain(|(_, wanted)| *wanted > 0);
        grants
    }

    /// Whom to ask for how many, because somebody waits in vain.
    pub fn recalls(&mut self) -> Vec<(Function, u32)> {
        let newcomers = self.waiting.iter().filter(|(function, _)| !self.held.contains_key(function)).count();
        let active = u32::try_from(self.held.len() + newcomers).unwrap_or(u32::MAX);
        let fair = (self.total / active.max(1)).max(1);
        let in_need = |(function, _): &(Function, u32)| self.held(function) < fair && self.room_for(function) == 0;
        if !self.waiting.iter().any(in_need) {
            return Vec::new();
        }
        let mut recalls = Vec::new();
        for (function, holding) in &mut self.held {
            let over = (holding.permits - holding.asked_back).saturating_sub(fair);
            if over > 0 {
                holding.asked_back += over;
                recalls.push((function.clone(), over));
            }
        }
        recalls
    }

    fn room_for(&self, function: &Function) -> u32 {
        let beyond_reserve = self.free().saturating_sub(self.reserve());
        if self.held.contains_key(function) { beyond_reserve } else { beyond_reserve.max(1).min(self.free()) }
    }

    fn hold(&mut self, function: &Function, count: u32) {
        self.held.entry(function.clone()).or_default().permits += count;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn function(name: &str) -> Function {
        Function::parse(name).unwrap()
    }

    #[test]
    fn what_is_free_is_split_evenly() {
        let mut pool = Pool::new(90);
        for name in ["a", "b", "c"] {
            pool.want(&function(name), 100);
        }
        let grants: Vec<u32> = pool.grants().into_iter().map(|(_, count)| count).collect();
        assert_eq!(grants.iter().sum::<u32>(), 90 - 90 / 8);
        assert!(grants.iter().all(|&count| (26..=30).contains(&count)), "{grants:?}");
    }

    #[test]
    fn a_lone_function_gets_nearly_all_and_a_newcomer_starts_at_once() {
        let mut pool = Pool::new(64);
        pool.want(&function("hog"), 1000);
        assert_eq!(pool.grants(), [(function("hog"), 64 - 8)]);
        pool.want(&function("new"), 1);
        assert_eq!(pool.grants(), [(function("new"), 1)]);
    }

    #[test]
    fn a_hog_is_asked_to_let_go_once_somebody_waits() {
        let mut pool = Pool::new(64);
        pool.want(&function("hog"), 1000);
        pool.grants();
        assert_eq!(pool.recalls(), [], "the rest of its own wish is nobody else's loss");
        pool.want(&function("new"), 100);
        assert_eq!(pool.grants(), [(function("new"), 1)]);
        let recalls = pool.recalls();
        assert_eq!(recalls, [(function("hog"), 56 - 32)]);
        assert_eq!(pool.recalls(), [], "asked once is enough");
        pool.returned(&function("hog"), 24);
        assert_eq!(pool.grants(), [(function("new"), 23)], "the reserve stays");
    }

    #[test]
    fn an_idle_function_takes_nothing_from_a_busy_one() {
        let mut pool = Pool::new(8);
        assert!((0..4).all(|n| pool.may_idle(&function(&format!("f{n}")))));
        assert!(!pool.may_idle(&function("f4")), "half of all permits stay free");
        pool.want(&function("busy"), 1);
        assert!(!pool.may_idle(&function("f5")), "not before somebody who has work");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Want(u8, u32),
        Return(u8, u32),
        Idle(u8),
        Gone(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0u8..6, 0u32..50).prop_map(|(f, n)| Step::Want(f, n)),
            (0u8..6, 1u32..50).prop_map(|(f, n)| Step::Return(f, n)),
            (0u8..6).prop_map(Step::Idle),
            (0u8..6).prop_map(Step::Gone),
        ];
        prop::collection::vec(step, 1..100)
    }

    proptest! {
        #[test]
        fn never_more_than_all_and_never_idle_while_wanted(total in 1u32..100, steps in steps()) {
            let mut pool = Pool::new(total);
            for step in steps {
                match step {
                    Step::Want(f, n) => pool.want(&function(&format!("f{f}")), n),
                    Step::Return(f, n) => {
                        let f = function(&format!("f{f}"));
                        let held = pool.held(&f);
                        pool.returned(&f, n.min(held));
                    }
                    Step::Idle(f) => drop(pool.may_idle(&function(&format!("f{f}")))),
                    Step::Gone(f) => pool.gone(&function(&format!("f{f}"))),
                }
                for (_, count) in pool.grants() {
                    prop_assert!(count > 0);
                }
                let held: u32 = (0..6).map(|f| pool.held(&function(&format!("f{f}")))).sum();
                prop_assert_eq!(held + pool.free(), total);
                prop_assert!(pool.waiting() == 0 || pool.free() <= pool.reserve(), "free permits while somebody waits");
                let waiting = pool.waiting();
                for (f, count) in pool.recalls() {
                    prop_assert!(waiting > 0 && count <= pool.held(&f));
                }
            }
        }
    }
}
