//! Who gets how many of a worker's permits (pure).
//!
//! A tree of shares: the worker's queues, the namespaces of each queue, the functions of each namespace. At every
//! level slot-time is what is shared, by weight: a node is charged for every second that each of its permits is held,
//! however many calls run in it, so a function of long calls gets no more than one of short calls.
//!
//! * A free permit goes, from the top down, to the node that waits and has used least for its weight; permits held
//!   now count as [`HORIZON`] of use each, so that what is free at once is spread at once.
//! * A function goes on using its permits, call after call, unless somebody who waits is behind it by more than
//!   [`QUANTUM`]: then the permit of the next call that ends moves. Deficits are real numbers, so shares hold also
//!   where there are fewer permits than functions. (This is start-time fair queueing, Goyal et al. 1996, over several
//!   servers, with time measured rather than estimated.)
//! * Where many functions wait, one of quick calls gets a [`group`] of permits at once, as soon as so many are free; who
//!   has fewer stands in line for one.
//! * A node at its cap, and all below it, is not among those who wait.
//! * Calls that are not brief get seven eighths of the permits, and the first call of each function, so that whoever
//!   fills them with long calls cannot keep a newcomer out. Otherwise nothing stays free while somebody waits, but for
//!   the moment that the rest of a group takes.
//! * A function with nothing to run may hold one permit to wait for its next call with, while half of all are free
//!   and nobody waits.
//!
//! Use is remembered while somebody waits, and for [`MEMORY`] after; who becomes active meanwhile begins level with
//! whoever has used least: an idle function saves nothing up, and has its share of the time that it is there.

pub mod group;
mod line;
mod node;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proto::LaneKey;

use self::group::{KEPT_BACK, group_len, will_come};
pub use self::node::Standing;
use self::node::{Next, Node};

/// What a permit held counts before it is used, per unit of weight.
pub const HORIZON: Duration = Duration::from_secs(1);
/// How far one who waits must be behind before another gives way.
pub const QUANTUM: Duration = Duration::from_millis(100);
/// Calls that usually take no longer are brief.
pub const BRIEF: Duration = Duration::from_secs(1);
/// How long use is remembered after the last one waited.
const MEMORY: Duration = Duration::from_secs(1);

/// The weights and caps from the queue down to the function.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standings {
    /// Of the queue among the queues.
    pub queue: Standing,
    /// Of the namespace among those of the queue.
    pub namespace: Standing,
    /// Of the function among those of its namespace.
    pub function: Standing,
}

/// What a function wishes for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wish {
    /// How many permits more.
    pub count: u32,
    /// Whether its calls are usually over within [`BRIEF`].
    pub brief: bool,
    /// Whether they are within [`group::quick_within`], if nothing holds them up.
    pub quick: bool,
    /// Where it stands.
    pub standings: Standings,
}

/// What keeps a wish unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// The queue holds as many permits as it may.
    Queue,
    /// The namespace does.
    Namespace,
    /// All permits of the worker are in use.
    Worker,
}

/// The permits of a worker.
#[derive(Debug)]
pub struct Share {
    total: u32,
    root: Node,
    /// Whether somebody waited in vain after the last grants.
    vain: bool,
    /// When somebody last did; absent before the first.
    vain_at: Option<Instant>,
    /// Whether somebody may hold a permit only to wait with: if not, nobody need be looked for.
    idles: bool,
    /// Since when permits have been kept back until there are enough for a group.
    kept_back: Option<Instant>,
}

impl Share {
    /// All `total` of them free.
    #[must_use]
    pub fn new(total: u32, now: Instant) -> Self {
        Self { total, root: Node::new(now), vain: false, vain_at: None, idles: false, kept_back: None }
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.total
    }

    /// How many nobody holds.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.total.saturating_sub(self.root.held)
    }

    /// Whether one more call could start, as far as known: with a permit that nobody holds, or that somebody holds to wait
    /// with, who may have a call by now.
    #[must_use]
    pub fn could_start(&self) -> bool {
        self.free() > 0 || self.idles
    }

    /// Whether somebody waits who could be given a permit if there were one.
    #[must_use]
    pub fn is_contended(&self) -> bool {
        self.root.waiting.all > 0
    }

    /// Whether CPU is what is short, rather than permits: so many wait that permits for quick calls come in groups, and
    /// such calls hold most of them.
    #[must_use]
    pub fn is_short_of_cpu(&self) -> bool {
        self.group_len() > 1 && self.root.slow <= self.root.held / 2
    }

    /// How many permits `lane` holds.
    #[must_use]
    pub fn held(&self, lane: &LaneKey) -> u32 {
        self.root.find(&path(lane)).map_or(0, |leaf| leaf.held)
    }

    /// `lane` wishes for so many more; a newer wish replaces an older one.
    pub fn want(&mut self, lane: &LaneKey, wish: Wish, now: Instant) {
        let Standings { queue, namespace, function } = wish.standings;
        let standings = [queue, namespace, function];
        let contended = self.is_remembering(now);
        self.root.visit(&path(lane), &standings, contended, now, &mut |leaf| {
            leaf.wanted = wish.count;
            leaf.brief = wish.brief;
            leaf.quick = wish.quick;
            leaf.idle &= wish.count == 0;
            leaf.lane.get_or_insert_with(|| lane.clone());
        });
    }

    /// `lane` has nothing waiting, wishes for nothing, and would like a permit to wait for its next call with. Whether
    /// it may.
    pub fn may_idle(&mut self, lane: &LaneKey, wish: Wish, now: Instant) -> bool {
        // Where it stands must be known before its caps can be.
        self.want(lane, Wish { count: 0, ..wish }, now);
        let may = !self.is_contended() && self.free() > self.total / 2 && self.root.room(&path(lane)) > 0;
        if may {
            self.idles = true;
            self.change(lane, now, |leaf| {
                leaf.held += 1;
                leaf.idle = true;
            });
        }
        may
    }

    /// `lane` gave back `count`, or died with them.
    pub fn returned(&mut self, lane: &LaneKey, count: u32, now: Instant) {
        self.change(lane, now, |leaf| leaf.held = leaf.held.saturating_sub(count));
    }

    /// `lane` is gone: it waits no more. What it holds comes back by itself.
    pub fn gone(&mut self, lane: &LaneKey, now: Instant) {
        self.change(lane, now, |leaf| leaf.wanted = 0);
        self.root.forget_inactive(now);
    }

    /// Hands out what can be handed out now.
    pub fn grants(&mut self, now: Instant) -> Vec<(LaneKey, u32)> {
        self.remember(now);
        let mut grants = BTreeMap::new();
        while self.free() > 0 {
            let spare = self.spare();
            let Some(next) = self.next(spare, now) else { break };
            let room = self.root.room(&path(&next.lane));
            let group = self.group_for(&next).min(room);
            if self.free() < group && self.may_keep_back(group, now) {
                break;
            }
            self.kept_back = None;
            let lane = next.lane;
            // Alone, it may have all it wants at once; beside others, one after the other.
            let most = if next.brief { self.free() } else { spare.max(1) };
            let alone = self.root.waiting.all == 1;
            let together = if alone { next.wanted } else { group };
            let count = together.min(most).min(room).max(1);
            self.change(&lane, now, |leaf| {
                leaf.held += count;
                leaf.wanted -= count;
            });
            *grants.entry(lane).or_insert(0) += count;
        }
        self.vain = self.is_contended();
        grants.into_iter().collect()
    }

    /// A call of `lane` has ended; its calls are `quick` by now. Whether its permit may be used for the next one; if not,
    /// it must be returned.
    #[must_use]
    pub fn may_keep(&self, lane: &LaneKey, quick: bool, now: Instant) -> bool {
        !(quick && self.could_have_group(lane)) && self.root.may_keep(&path(lane), self.group_len(), now)
    }

    /// Those who hold a permit only to wait with, because somebody wants it now. Each is told once.
    pub fn idlers(&mut self) -> Vec<LaneKey> {
        let mut idlers = Vec::new();
        if self.is_contended() && std::mem::take(&mut self.idles) {
            self.root.take_idlers(&mut idlers);
        }
        idlers
    }

    /// What keeps `lane`'s wish unanswered, if it has one.
    #[must_use]
    pub fn short_of(&self, lane: &LaneKey) -> Option<Short> {
        let [queue, namespace, _] = path(lane);
        let waits = self.root.find(&path(lane)).is_some_and(|leaf| leaf.wanted > 0);
        let is_full = |path: &[&str]| self.root.find(path).is_some_and(Node::is_full);
        waits.then_some(match (is_full(&[queue]), is_full(&[queue, namespace])) {
            (true, _) => Short::Queue,
            (_, true) => Short::Namespace,
            _ => Short::Worker,
        })
    }

    /// How many functions of a queue wait, and how many permits they hold.
    #[must_use]
    pub fn of_queue(&self, queue: &proto::Queue) -> (u32, u32) {
        self.root.find(&[queue.as_str()]).map_or((0, 0), |node| (node.waiting.all, node.held))
    }

    /// Whose turn it is: with nothing to spare it is still that of one that holds none, else of a brief one.
    fn next(&self, spare: u32, now: Instant) -> Option<Next> {
        let group = self.group_len();
        let first = self.root.next(false, group, now)?;
        if spare > 0 || first.held == 0 || first.brief { Some(first) } else { self.root.next(true, group, now) }
    }

    /// How many permits quick calls hold.
    fn quick(&self) -> u32 {
        self.root.held.saturating_sub(self.root.slow)
    }

    /// How many permits for quick calls count as one.
    fn group_len(&self) -> u32 {
        group_len(self.total, self.root.waiting.all)
    }

    /// How many permits one whose turn it is gets at once, beside others.
    fn group_for(&self, next: &Next) -> u32 {
        if next.quick { self.group_len().saturating_sub(next.held).min(next.wanted).max(1) } else { 1 }
    }

    /// Whether `lane` holds less than a group and could use one: then it stands in line for that, rather than go on with
    /// one call at a time.
    fn could_have_group(&self, lane: &LaneKey) -> bool {
        let (path, group) = (path(lane), self.group_len());
        if group == 1 {
            return false;
        }
        let Some(leaf) = self.root.find(&path) else { return false };
        let more = group.saturating_sub(leaf.held).min(leaf.wanted);
        more > 0 && self.root.room(&path) >= more && will_come(more, self.quick())
    }

    /// Whether what is free may wait for the rest of a group; not for long, in case quick calls are quick no more.
    fn may_keep_back(&mut self, group: u32, now: Instant) -> bool {
        if !will_come(group.saturating_sub(self.free()), self.quick()) {
            return false;
        }
        let since = *self.kept_back.get_or_insert(now);
        now.saturating_duration_since(since) < KEPT_BACK
    }

    /// What functions that hold some already, and whose calls are not brief, may still have.
    fn spare(&self) -> u32 {
        let unreserved = self.total - self.total / 8;
        unreserved.saturating_sub(self.root.heavy).min(self.free())
    }

    fn change(&mut self, lane: &LaneKey, now: Instant, mut change: impl FnMut(&mut Node)) {
        let contended = self.is_remembering(now);
        self.root.visit(&path(lane), &[], contended, now, &mut change);
    }

    /// Use counts from when somebody first waits in vain.
    fn remember(&mut self, now: Instant) {
        if self.vain || self.root.wished > u64::from(self.spare()) {
            if !self.is_remembering(now) {
                self.root.begin_anew(now);
            }
            self.vain_at = Some(now);
        }
    }

    fn is_remembering(&self, now: Instant) -> bool {
        self.vain || self.vain_at.is_some_and(|at| now.saturating_duration_since(at) < MEMORY)
    }
}

fn path(lane: &LaneKey) -> [&str; 3] {
    [lane.queue.as_str(), lane.function.namespace().as_str(), lane.function.name()]
}
