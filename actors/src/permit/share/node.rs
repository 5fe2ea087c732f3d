//! One node of the tree of shares: a queue, a namespace or a function, and what it has used (pure).

use std::collections::BTreeMap;
use std::time::Instant;

use proto::LaneKey;
use slab::Slab;

use super::line::{Class, Line, Place, Used, Wants};
use super::{HORIZON, QUANTUM};

/// Where a node stands among its siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its weight; 0 counts as 1.
    pub weight: u32,
    /// How many permits it may hold at most, if that is limited.
    pub cap: Option<u32>,
}

impl Default for Standing {
    fn default() -> Self {
        Self { weight: 1, cap: None }
    }
}

/// How many functions wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) all: u32,
    /// Those of them whose calls are brief.
    pub(super) brief: u32,
}

/// A function whose turn it is.
pub(super) struct Next {
    pub(super) lane: LaneKey,
    pub(super) wanted: u32,
    pub(super) held: u32,
    pub(super) brief: bool,
    pub(super) quick: bool,
}

#[derive(Debug)]
pub(super) struct Node {
    standing: Standing,
    pub(super) held: u32,
    /// How many of those held are for calls that are not brief.
    pub(super) heavy: u32,
    /// How many are for calls that are not quick.
    pub(super) slow: u32,
    /// How many permits are wished for, at and below this node.
    pub(super) wished: u64,
    /// Slot-seconds per weight, up to `at`.
    used: f64,
    at: Instant,
    /// At and below this node, as far as no cap below it holds them back.
    pub(super) waiting: Waiting,
    children: Slab<Node>,
    /// Where each of them is.
    names: BTreeMap<Box<str>, usize>,
    /// In which order they are looked at.
    line: Line,
    // Of functions only:
    pub(super) lane: Option<LaneKey>,
    pub(super) wanted: u32,
    pub(super) brief: bool,
    pub(super) quick: bool,
    /// Whether the one permit held is to wait with.
    pub(super) idle: bool,
}

impl Node {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            standing: Standing::default(),
            held: 0,
            heavy: 0,
            slow: 0,
            wished: 0,
            used: 0.0,
            at: now,
            waiting: Waiting::default(),
            children: Slab::new(),
            names: BTreeMap::new(),
            line: Line::default(),
            lane: None,
            wanted: 0,
            brief: false,
            quick: false,
            idle: false,
        }
    }

    /// Changes the function at the end of `path` and keeps the sums above it true. Missing nodes are made.
    pub(super) fn visit(
        &mut self,
        path: &[&str],
        standings: &[Standing],
        contended: bool,
        now: Instant,
        change: &mut dyn FnMut(&mut Self),
    ) {
        self.charge(now);
        let Some((name, below)) = path.split_first() else {
            change(self);
            self.wished = u64::from(self.wanted);
            self.heavy = if self.brief { 0 } else { self.held };
            self.slow = if self.quick { 0 } else { self.held };
            let all = u32::from(self.wanted > 0);
            self.waiting = Waiting { all, brief: if self.brief { all } else { 0 } };
            return;
        };
        let index = match self.names.get(*name) {
            Some(index) => *index,
            None => {
                let index = self.children.insert(Self::new(now));
                self.names.insert((*name).into(), index);
                index
            }
        };
        let idle = !self.children.get(index).is_some_and(Self::is_active);
        let floor = if contended && idle { self.least_used(now) } else { None };
        let Some(child) = self.children.get_mut(index) else { return };
        let (held, heavy, slow, wished, waiting) = (child.held, child.heavy, child.slow, child.wished, child.exposed());
        let from = child.place();
        if let Some(standing) = standings.first() {
            child.standing = *standing;
        }
        child.visit(below, standings.get(1..).unwrap_or_default(), contended, now, change);
        child.used = floor.map_or(child.used, |least| child.used.max(least));
        self.line.moved(index, from, child.place());
        self.held = self.held + child.held - held;
        self.heavy = self.heavy + child.heavy - heavy;
        self.slow = self.slow + child.slow - slow;
        self.wished = self.wished + child.wished - wished;
        let exposed = child.exposed();
        self.waiting.all = self.waiting.all + exposed.all - waiting.all;
        self.waiting.brief = self.waiting.brief + exposed.brief - waiting.brief;
    }

    /// Where one begins that was idle: level with whoever has used least, because idleness saves nothing up.
    fn least_used(&self, now: Instant) -> Option<f64> {
        self.foremost(Wants::Capped).map(|child| child.used_at(now)).reduce(f64::min)
    }

    /// Those of its children among whom whoever is next is, of all who want at least so much.
    fn foremost(&self, wants: Wants) -> impl Iterator<Item = &Self> {
        self.line.foremost(wants).filter_map(|index| self.children.get(index))
    }

    fn child(&self, name: &str) -> Option<&Self> {
        self.children.get(*self.names.get(name)?)
    }

    pub(super) fn find(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, name| node.child(name))
    }

    /// The function that is next among all who wait, or among those whose calls are brief.
    pub(super) fn next(&self, brief: bool, group: u32, now: Instant) -> Option<Next> {
        if let Some(lane) = &self.lane {
            return Some(Next {
                lane: lane.clone(),
                wanted: self.wanted,
                held: self.held,
                brief: self.brief,
                quick: self.quick,
            });
        }
        let foremost = self.foremost(if brief { Wants::Brief } else { Wants::Long });
        let waiting =
            foremost.filter(|child| child.exposed().any(brief)).map(|child| (child.key(1, group, now), child));
        waiting.min_by(|a, b| a.0.total_cmp(&b.0))?.1.next(brief, group, now)
    }

    /// How many more the caps along `path` allow.
    pub(super) fn room(&self, path: &[&str]) -> u32 {
        let own = self.standing.cap.map_or(u32::MAX, |cap| cap.saturating_sub(self.held));
        let Some((name, below)) = path.split_first() else { return own };
        self.child(name).map_or(own, |child| own.min(child.room(below)))
    }

    /// Whether the one at the end of `path` may go on with a permit, seen from every level above it.
    pub(super) fn may_keep(&self, path: &[&str], group: u32, now: Instant) -> bool {
        let over = self.standing.cap.is_some_and(|cap| self.held > cap);
        let Some((name, below)) = path.split_first() else { return !over };
        let Some(mine) = self.child(name) else { return true };
        let ahead = mine.key(0, group, now) - QUANTUM.as_secs_f64();
        let behind =
            |node: &Self| !std::ptr::eq(node, mine) && node.exposed().all > 0 && node.key(1, group, now) < ahead;
        !over && !self.foremost(Wants::Long).any(behind) && mine.may_keep(below, group, now)
    }

    pub(super) fn is_full(&self) -> bool {
        self.standing.cap.is_some_and(|cap| self.held >= cap)
    }

    pub(super) fn take_idlers(&mut self, idlers: &mut Vec<LaneKey>) {
        if std::mem::take(&mut self.idle) && self.held > 0 {
            idlers.extend(self.lane.clone());
        }
        for index in self.names.values() {
            if let Some(child) = self.children.get_mut(*index) {
                child.take_idlers(idlers);
            }
        }
    }

    /// Forgets what has been used.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        (self.used, self.at) = (0.0, now);
        self.retain(Self::is_active);
        for index in self.names.values() {
            if let Some(child) = self.children.get_mut(*index) {
                let from = child.place();
                child.begin_anew(now);
                self.line.moved(*index, from, child.place());
            }
        }
    }

    /// Forgets those who hold nothing and want nothing, unless they are ahead of those who do: they would begin anew.
    pub(super) fn forget_inactive(&mut self, now: Instant) {
        let least = self.least_used(now);
        self.retain(|child| child.is_active() || least.is_some_and(|least| child.used > least));
        for index in self.names.values() {
            if let Some(child) = self.children.get_mut(*index) {
                child.forget_inactive(now);
            }
        }
    }

    /// Only those may be forgotten who are [`Place::Away`].
    fn retain(&mut self, mut is_kept: impl FnMut(&Self) -> bool) {
        let Self { names, children, .. } = self;
        names.retain(|_, index| {
            let kept = children.get(*index).is_some_and(&mut is_kept);
            if !kept {
                children.try_remove(*index);
            }
            kept
        });
    }

    /// Whether nobody who is not foremost is before those who are, here and below.
    #[cfg(test)]
    pub(super) fn is_in_order(&self, group: u32, now: Instant) -> bool {
        let all = || self.children.iter().map(|(_, child)| child);
        let wants_are_in_order = |brief: bool, wants: Wants| {
            let first = |nodes: Vec<&Self>| {
                let waiting = nodes.into_iter().filter(|child| child.exposed().any(brief));
                waiting.map(|child| child.key(1, group, now)).reduce(f64::min)
            };
            first(all().collect()) == first(self.foremost(wants).collect())
        };
        let least = all().filter(|child| child.is_active()).map(|child| child.used_at(now)).reduce(f64::min);
        wants_are_in_order(false, Wants::Long)
            && wants_are_in_order(true, Wants::Brief)
            && least == self.least_used(now)
            && self.names.len() == self.children.len()
            && all().all(|child| child.is_in_order(group, now))
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        1 + self.children.iter().map(|(_, child)| child.count()).sum::<usize>()
    }

    fn place(&self) -> Place {
        if self.held > 0 {
            return Place::Holds;
        }
        let wants = match self.exposed() {
            Waiting { all: 0, .. } => Wants::Capped,
            Waiting { brief: 0, .. } => Wants::Long,
            Waiting { .. } => Wants::Brief,
        };
        let class = Class { weight: self.standing.weight.max(1), wants };
        if self.wished > 0 { Place::Waits { class, used: Used(self.used) } } else { Place::Away }
    }

    /// Small is next: what was used, and what is held on top, with so many `more`. Permits for quick calls count by
    /// groups, each as one.
    fn key(&self, more: u32, group: u32, now: Instant) -> f64 {
        let is_slow = self.lane.is_some() && !self.quick;
        let quick = self.held.saturating_sub(self.slow) + if is_slow { 0 } else { more };
        let held = self.slow + quick.div_ceil(group) + if is_slow { more } else { 0 };
        self.used_at(now) + f64::from(held) * HORIZON.as_secs_f64() / self.weight()
    }

    fn used_at(&self, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.used + f64::from(self.held) * since / self.weight()
    }

    fn charge(&mut self, now: Instant) {
        (self.used, self.at) = (self.used_at(now), now);
    }

    fn weight(&self) -> f64 {
        f64::from(self.standing.weight.max(1))
    }

    /// Who waits here, as far as this node's own cap lets them be served.
    fn exposed(&self) -> Waiting {
        if self.is_full() { Waiting::default() } else { self.waiting }
    }

    fn is_active(&self) -> bool {
        self.held > 0 || self.wished > 0
    }
}

impl Waiting {
    fn any(self, brief: bool) -> bool {
        if brief { self.brief > 0 } else { self.all > 0 }
    }
}
