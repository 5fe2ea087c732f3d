//! One lane's line: what waits, what is leased and until when (pure).

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::store::Seq;
use crate::port::broker::Terms;

/// Which delivery of an entry a holder has; an older one settles nothing.
pub(super) type Token = u64;

/// The messages of one lane, oldest first.
#[derive(Debug)]
pub(super) struct Line {
    ready: BTreeSet<Seq>,
    leased: HashMap<Seq, Leased>,
    /// When leases end and delays are over, in order.
    timers: BTreeSet<(Instant, Seq)>,
    /// How often an entry was delivered, for those that were.
    deliveries: HashMap<Seq, u32>,
    lease: Duration,
    limit: Option<NonZeroU32>,
    last_token: Token,
}

/// An entry that is out, or waits out a delay: both count against the limit.
#[derive(Clone, Copy, Debug)]
struct Leased {
    /// Absent while it waits out a delay: nobody holds it.
    token: Option<Token>,
    /// Absent while it is being settled: it does not run out then.
    timer: Option<Instant>,
}

/// An entry as it is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// Which.
    pub(super) seq: Seq,
    /// The right to settle it.
    pub(super) token: Token,
    /// How often it was delivered, this time included.
    pub(super) deliveries: u32,
    /// How many wait behind it.
    pub(super) behind: u64,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            ready: BTreeSet::new(),
            leased: HashMap::new(),
            timers: BTreeSet::new(),
            deliveries: HashMap::new(),
            lease: Terms::default().lease,
            limit: None,
            last_token: 0,
        }
    }
}

impl Line {
    /// Leases end after this, from now on.
    pub(super) fn set_lease(&mut self, lease: Duration) {
        self.lease = lease;
    }

    /// So many may be out at once, from now on.
    pub(super) fn set_limit(&mut self, limit: Option<NonZeroU32>) {
        self.limit = limit;
    }

    /// An entry waits.
    pub(super) fn push(&mut self, seq: Seq) {
        self.ready.insert(seq);
    }

    /// The first `max` entries after `after`, waiting or out, in order.
    #[must_use]
    pub(super) fn after(&self, after: Seq, max: usize) -> Vec<Seq> {
        let mut all: Vec<Seq> = self.ready.range(after.saturating_add(1)..).take(max).copied().collect();
        all.extend(self.leased.keys().filter(|seq| **seq > after));
        all.sort_unstable();
        all.truncate(max);
        all
    }

    /// How many wait or are out.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.leased.len()
    }

    /// How many wait.
    #[must_use]
    pub(super) fn waiting(&mut self, now: Instant) -> u64 {
        self.release_overdue(now);
        self.ready.len() as u64
    }

    /// The first that waits.
    #[must_use]
    pub(super) fn first(&self) -> Option<Seq> {
        self.ready.first().copied()
    }

    /// How many lie before an entry, waiting or leased; nothing if it is neither.
    pub(super) fn ahead(&self, seq: Seq) -> Option<u64> {
        let lies = self.ready.contains(&seq) || self.leased.contains_key(&seq);
        let before = || self.ready.range(..seq).count() + self.leased.keys().filter(|it| **it < seq).count();
        lies.then(|| before() as u64)
    }

    /// Whether an entry was handed out at least once.
    pub(super) fn was_taken(&self, seq: Seq) -> bool {
        self.deliveries.contains_key(&seq)
    }

    /// Whether there is nothing.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.leased.is_empty()
    }

    /// Hands out up to `max`.
    pub(super) fn take(&mut self, max: usize, now: Instant) -> Vec<Taken> {
        self.release_overdue(now);
        let room = self.limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit.get()).unwrap_or(usize::MAX).saturating_sub(self.leased.len())
        });
        let mut taken = Vec::new();
        while taken.len() < max.min(room)
            && let Some(seq) = self.ready.pop_first()
        {
            self.last_token += 1;
            let until = now + self.lease;
            self.leased.insert(seq, Leased { token: Some(self.last_token), timer: Some(until) });
            self.timers.insert((until, seq));
            let deliveries = self.deliveries.entry(seq).or_default();
            *deliveries += 1;
            let behind = self.ready.len() as u64;
            taken.push(Taken { seq, token: self.last_token, deliveries: *deliveries, behind });
        }
        taken
    }

    /// When the next lease ends or delay is over: taking may give more then.
    #[must_use]
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|&(at, _)| at)
    }

    /// The lease begins anew. False if it is no longer the holder's.
    pub(super) fn extend(&mut self, seq: Seq, token: Token, now: Instant) -> bool {
        self.release_overdue(now);
        self.held(seq, token) && {
            self.set_timer(seq, Some(now + self.lease));
            true
        }
    }

    /// Back into the line, after `delay` if there is one. False if it is no longer the holder's.
    pub(super) fn give_back(&mut self, seq: Seq, token: Token, delay: Option<Duration>, now: Instant) -> bool {
        self.release_overdue(now);
        if !self.held(seq, token) {
            return false;
        }
        match delay.filter(|delay| !delay.is_zero()) {
            Some(delay) => {
                self.set_timer(seq, Some(now + delay));
                if let Some(leased) = self.leased.get_mut(&seq) {
                    leased.token = None;
                }
            }
            None => self.release(seq),
        }
        true
    }

    /// Being settled: it runs out no more. False if it is no longer the holder's.
    pub(super) fn begin_settling(&mut self, seq: Seq, token: Token, now: Instant) -> bool {
        self.release_overdue(now);
        self.held(seq, token) && {
            self.set_timer(seq, None);
            true
        }
    }

    /// Settled, and gone.
    pub(super) fn settled(&mut self, seq: Seq) {
        self.leased.remove(&seq);
        self.deliveries.remove(&seq);
    }

    /// Takes an entry out, leased or not. Whether it was there, and not being settled.
    pub(super) fn withdraw(&mut self, seq: Seq) -> bool {
        let settling = self.leased.get(&seq).is_some_and(|leased| leased.timer.is_none());
        if settling {
            return false;
        }
        self.set_timer(seq, None);
        let there = self.leased.remove(&seq).is_some() | self.ready.remove(&seq);
        self.deliveries.remove(&seq);
        there
    }

    /// Not settled after all: the lease begins anew.
    pub(super) fn not_settled(&mut self, seq: Seq, now: Instant) {
        self.set_timer(seq, Some(now + self.lease));
    }

    fn held(&self, seq: Seq, token: Token) -> bool {
        self.leased.get(&seq).is_some_and(|leased| leased.token == Some(token) && leased.timer.is_some())
    }

    fn set_timer(&mut self, seq: Seq, timer: Option<Instant>) {
        if let Some(leased) = self.leased.get_mut(&seq) {
            if let Some(old) = leased.timer {
                self.timers.remove(&(old, seq));
            }
            leased.timer = timer;
            self.timers.extend(timer.map(|at| (at, seq)));
        }
    }

    fn release(&mut self, seq: Seq) {
        self.set_timer(seq, None);
        self.leased.remove(&seq);
        self.ready.insert(seq);
    }

    fn release_overdue(&mut self, now: Instant) {
        while let Some(&(at, seq)) = self.timers.first()
            && at <= now
        {
            self.release(seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn line(entries: u64) -> (Line, Instant) {
        let mut line = Line::default();
        line.set_lease(10 * SECOND);
        (1..=entries).for_each(|seq| line.push(seq));
        (line, tokio::time::Instant::now().into_std())
    }

    fn seqs(taken: &[Taken]) -> Vec<Seq> {
        taken.iter().map(|it| it.seq).collect()
    }

    #[test]
    fn oldest_first_and_what_comes_back_goes_first() {
        let (mut line, now) = line(4);
        let taken = line.take(2, now);
        assert_eq!(seqs(&taken), [1, 2]);
        assert_eq!(taken[0].behind, 3);
        assert!(line.give_back(1, taken[0].token, None, now));
        assert_eq!(seqs(&line.take(9, now)), [1, 3, 4]);
    }

    #[test]
    fn a_lease_ends_exactly_then_and_the_old_holder_settles_nothing() {
        let (mut line, now) = line(1);
        let first = line.take(1, now)[0];
        assert!(line.take(1, now + 10 * SECOND - Duration::from_nanos(1)).is_empty());
        let second = line.take(1, now + 10 * SECOND)[0];
        assert_eq!((second.seq, second.deliveries), (1, 2));
        let later = now + 11 * SECOND;
        assert!(!line.extend(1, first.token, later));
        assert!(!line.begin_settling(1, first.token, later));
        assert!(!line.give_back(1, first.token, None, later));
        assert!(line.begin_settling(1, second.token, later));
        assert!(line.take(1, later + 100 * SECOND).is_empty(), "what is being settled does not run out");
        line.settled(1);
        assert!(line.is_empty() && line.next_timer().is_none());
    }

    #[test]
    fn what_is_withdrawn_is_gone_leased_or_not() {
        let (mut line, now) = line(3);
        let taken = line.take(2, now);
        assert!(line.begin_settling(2, taken[1].token, now));
        assert_eq!([1, 2, 3, 4].map(|seq| line.withdraw(seq)), [true, false, true, false]);
        assert!(!line.extend(1, taken[0].token, now));
        line.settled(2);
        assert!(line.is_empty() && line.next_timer().is_none());
    }

    #[test]
    fn an_extended_lease_lasts() {
        let (mut line, now) = line(1);
        let taken = line.take(1, now)[0];
        for beat in 1..100 {
            assert!(line.extend(1, taken.token, now + beat * 9 * SECOND));
        }
        assert!(line.take(1, now + 900 * SECOND).is_empty());
    }

    #[test]
    fn the_limit_counts_what_is_out_and_what_waits_out_a_delay() {
        let (mut line, now) = line(5);
        line.set_limit(NonZeroU32::new(2));
        let taken = line.take(9, now);
        assert_eq!(taken.len(), 2);
        assert!(line.give_back(1, taken[0].token, Some(5 * SECOND), now));
        assert!(line.take(9, now).is_empty());
        assert_eq!(line.next_timer(), Some(now + 5 * SECOND));
        assert_eq!(seqs(&line.take(9, now + 5 * SECOND)), [1]);
        line.set_limit(NonZeroU32::new(3));
        assert_eq!(seqs(&line.take(9, now + 5 * SECOND)), [3]);
    }
}
