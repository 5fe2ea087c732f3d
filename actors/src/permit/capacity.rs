//! The permits of a worker as its queues and subscribers share them.
//!
//! Not an actor: a permit that is dropped anywhere, by a call that panicked or an actor that died, is handed on in the
//! same moment, and there is no mailbox in which it could be lost. [`share`](super::share) decides; this holds the
//! lock for that moment and then tells whoever got something.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::LaneKey;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::share::{Share, Short, Wish};
use super::{Home, Permits};

/// What the holder of a [`Seat`] is told.
#[derive(Debug)]
pub enum Notice {
    /// Permits, as wished for.
    Granted(Permits),
    /// Somebody needs the permit that is only waited with.
    LetGo,
}

/// Where notices go. One that nobody hears any more is handed back.
pub type Tell = Arc<dyn Fn(Notice) -> Result<(), Notice> + Send + Sync>;

/// The permits of a worker; clones are the same.
#[derive(Clone)]
pub struct Capacity(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Whether somebody waits: read without the lock by every call that ends.
    contended: AtomicBool,
    /// Whether CPU is short rather than permits: read by every call that begins.
    short_of_cpu: AtomicBool,
    settling: Arc<Semaphore>,
}

struct State {
    share: Share,
    seats: HashMap<LaneKey, Member>,
}

struct Member {
    tell: Tell,
    home: Home,
}

impl Capacity {
    /// `permits` of them, all free.
    #[must_use]
    pub fn new(permits: u32) -> Self {
        let state = State { share: Share::new(permits, Instant::now().into_std()), seats: HashMap::new() };
        let settling = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS.min(permits as usize)));
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            contended: AtomicBool::new(false),
            short_of_cpu: AtomicBool::new(false),
            settling,
        }))
    }

    /// Room for calls that are settled without a permit: as many as may run.
    #[must_use]
    pub fn settling(&self) -> Arc<Semaphore> {
        self.0.settling.clone()
    }

    /// A seat for `lane`; what it wishes for is told to `tell`, from any thread. A newer seat for the same lane takes
    /// the place of an older one, whose permits still come home.
    #[must_use]
    pub fn join(&self, lane: LaneKey, tell: Tell) -> Seat {
        let (inner, owner) = (Arc::downgrade(&self.0), lane.clone());
        let home: Home = Arc::new(move |count| {
            if let Some(inner) = inner.upgrade() {
                inner.change(|share, now| share.returned(&owner, count, now));
            }
        });
        let before = self.0.state().seats.insert(lane.clone(), Member { tell: tell.clone(), home: home.clone() });
        drop(before);
        Seat { inner: self.0.clone(), lane, tell, home, told: Some(Wish::default()) }
    }

    /// How many permits there are, and how many nobody holds.
    #[must_use]
    pub fn count(&self) -> (u32, u32) {
        let state = self.0.state();
        (state.share.total(), state.share.free())
    }

    /// Whether one more call could start: one that only waits for its next call with a permit gives it to others.
    #[must_use]
    pub fn could_start(&self) -> bool {
        self.0.state().share.could_start()
    }

    /// How many functions of a queue wait for permits, and how many permits it holds.
    #[must_use]
    pub fn of_queue(&self, queue: &proto::Queue) -> (u32, u32) {
        self.0.state().share.of_queue(queue)
    }
}

impl Inner {
    /// The lock. What happens under it leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and hands out what can be handed out then.
    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut Share, std::time::Instant) -> T) -> T {
        let now = Instant::now().into_std();
        let mut state = self.state();
        let changed = change(&mut state.share, now);
        let mut notices = Vec::new();
        for (lane, count) in state.share.grants(now) {
            match state.seats.get(&lane) {
                Some(Member { tell, home }) => {
                    let permits = Permits::new(count, home.clone());
                    notices.push((lane, tell.clone(), Notice::Granted(permits)));
                }
                None => state.share.returned(&lane, count, now),
            }
        }
        for lane in state.share.idlers() {
            if let Some(Member { tell, .. }) = state.seats.get(&lane) {
                notices.push((lane, tell.clone(), Notice::LetGo));
            }
        }
        self.contended.store(state.share.is_contended(), Ordering::Relaxed);
        self.short_of_cpu.store(state.share.is_short_of_cpu(), Ordering::Relaxed);
        // Telling may drop permits, and so come back here.
        drop(state);
        for (lane, tell, notice) in notices {
            if let Err(unheard) = tell(notice) {
                // Before its permits come home: one that has died would be granted them again and again.
                self.leave(&lane, &tell);
                drop(unheard);
            }
        }
        changed
    }

    /// Nobody sits there any more who is told things by `tell`.
    fn leave(self: &Arc<Self>, lane: &LaneKey, tell: &Tell) {
        let mut state = self.state();
        // A newer incarnation of the lane may have sat down already; then the wishes are its.
        let member = match state.seats.get(lane) {
            Some(member) if Arc::ptr_eq(&member.tell, tell) => state.seats.remove(lane),
            Some(_) | None => None,
        };
        drop(state);
        if member.is_some() {
            self.change(|share, now| share.gone(lane, now));
        }
    }
}

/// A subscriber's place among those who share the permits. Dropping it ends its wishes.
pub struct Seat {
    inner: Arc<Inner>,
    lane: LaneKey,
    tell: Tell,
    home: Home,
    /// What the capacity was told; absent once some of it was granted, because then it counts down there.
    told: Option<Wish>,
}

impl Seat {
    /// No permits, to begin with.
    pub fn none(&self) -> Permits {
        Permits::new(0, self.home.clone())
    }

    /// Wishes for so many more, instead of what it wished for before.
    pub fn wish(&mut self, wish: Wish) {
        if self.told != Some(wish) {
            self.told = Some(wish);
            self.inner.change(|share, now| share.want(&self.lane, wish, now));
        }
    }

    /// Some of those wished for have arrived: what is wished for now is to be said again.
    pub fn granted(&mut self) {
        self.told = None;
    }

    /// One permit to wait for the next call with, while permits are plenty; `wish` is for none.
    #[must_use]
    pub fn idle(&mut self, wish: Wish) -> Option<Permits> {
        self.told = Some(wish);
        let may = self.inner.change(|share, now| share.may_idle(&self.lane, wish, now));
        may.then(|| Permits::new(1, self.home.clone()))
    }

    /// Whether a permit whose call has ended may be used for the next one; `quick` as in [`Wish::quick`].
    #[must_use]
    pub fn may_keep(&self, quick: bool) -> bool {
        !self.is_contended() || self.inner.state().share.may_keep(&self.lane, quick, Instant::now().into_std())
    }

    /// Whether somebody waits for permits.
    #[must_use]
    pub fn is_contended(&self) -> bool {
        self.inner.contended.load(Ordering::Relaxed)
    }

    /// Whether CPU is what is short, rather than permits.
    #[must_use]
    pub fn is_short_of_cpu(&self) -> bool {
        self.inner.short_of_cpu.load(Ordering::Relaxed)
    }

    /// Time has passed: what was kept back for somebody may be given to others now.
    pub fn remind(&self) {
        if self.is_contended() {
            self.inner.change(|_, _| ());
        }
    }

    /// What keeps the wish unanswered, if there is one.
    #[must_use]
    pub fn short_of(&self) -> Option<Short> {
        self.inner.state().share.short_of(&self.lane)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.inner.leave(&self.lane, &self.tell);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::{Function, Queue};

    use super::*;

    type Got = Arc<Mutex<Vec<Permits>>>;

    fn lane(n: usize) -> LaneKey {
        LaneKey::new(Queue::default(), Function::parse(&format!("f{n}")).unwrap())
    }

    fn seat(capacity: &Capacity, n: usize) -> (Seat, Got) {
        let got = Got::default();
        let keep = got.clone();
        let tell: Tell = Arc::new(move |notice| {
            if let Notice::Granted(permits) = notice {
                keep.lock().unwrap().push(permits);
            }
            Ok(())
        });
        (capacity.join(lane(n), tell), got)
    }

    fn wish(count: u32) -> Wish {
        Wish { count, brief: true, ..Wish::default() }
    }

    fn count(got: &Got) -> u32 {
        got.lock().unwrap().iter().map(Permits::count).sum()
    }

    #[tokio::test]
    async fn a_permit_that_is_dropped_goes_to_the_next_in_the_same_moment() {
        let capacity = Capacity::new(1);
        let ((mut first, got), (mut second, waits)) = (seat(&capacity, 0), seat(&capacity, 1));
        first.wish(wish(1));
        second.wish(wish(1));
        assert_eq!((count(&got), count(&waits)), (1, 0));
        assert_eq!(second.short_of(), Some(Short::Worker));
        let permits = std::mem::take(&mut *got.lock().unwrap());
        drop(permits);
        assert_eq!(count(&waits), 1);
        assert_eq!(capacity.count(), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_back_for_a_group_is_given_to_others_when_somebody_reminds() {
        let capacity = Capacity::new(64);
        let mut seats: Vec<_> = (0..20).map(|n| seat(&capacity, n)).collect();
        for (seat, _) in &mut seats {
            seat.wish(Wish { quick: true, ..wish(20) });
        }
        let first = seats.iter().position(|(_, got)| count(got) > 0).unwrap();
        let returned = seats[first].1.lock().unwrap()[0].take(2);
        drop(returned);
        assert_eq!(capacity.count(), (64, 2), "for a group");
        seats[0].0.remind();
        assert_eq!(capacity.count(), (64, 2), "not yet");
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        seats[0].0.remind();
        assert_eq!(capacity.count(), (64, 0));
    }

    #[tokio::test]
    async fn a_new_incarnation_waits_on_when_the_old_one_is_dropped() {
        let capacity = Capacity::new(1);
        let (mut other, held) = seat(&capacity, 1);
        other.wish(wish(1));
        let (old, _) = seat(&capacity, 0);
        let (mut new, got) = seat(&capacity, 0);
        new.wish(wish(1));
        drop(old);
        drop(std::mem::take(&mut *held.lock().unwrap()));
        assert_eq!(count(&got), 1);
    }

    #[tokio::test]
    async fn one_that_hears_nothing_any_more_is_not_granted_for_ever() {
        let capacity = Capacity::new(2);
        let (mut other, held) = seat(&capacity, 1);
        other.wish(wish(2));
        let mut dead = capacity.join(lane(0), Arc::new(Err));
        dead.wish(wish(1_000_000));
        drop(std::mem::take(&mut *held.lock().unwrap()));
        assert_eq!(capacity.count(), (2, 2));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whoever wishes, keeps, drops or dies: every permit is held by somebody or free, and all come home.
        #[test]
        fn none_leaks(steps in prop::collection::vec((0usize..4, 0u8..4, 0u32..20), 0..120)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _inside = runtime.enter();
            let capacity = Capacity::new(10);
            let mut seats: Vec<_> = (0..4).map(|n| seat(&capacity, n)).collect();
            for (n, step, amount) in steps {
                match step {
                    0 => seats[n].0.wish(wish(amount)),
                    1 => {
                        let dropped = seats[n].1.lock().unwrap().pop();
                        drop(dropped);
                    }
                    2 => seats[n] = seat(&capacity, n),
                    _ => {
                        let permits = seats[n].0.idle(wish(0));
                        seats[n].1.lock().unwrap().extend(permits);
                    }
                }
                let held: u32 = seats.iter().map(|(_, got)| count(got)).sum();
                prop_assert_eq!(capacity.count(), (10, 10 - held));
            }
            drop(seats);
            prop_assert_eq!(capacity.count(), (10, 10));
        }
    }
}
