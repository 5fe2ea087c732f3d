//! The guard that tells the subscriber what became of a call, whatever becomes of its task.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::limit::Feedback;
use crate::permit::Permits;

/// How a call left its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// What followed is stored and the message is gone from its lane.
    Settled,
    /// The message is given back: somebody else runs it.
    GivenBack,
    /// The task panicked, was aborted, or could not settle: the message is still leased.
    Unsettled,
}

/// What a subscriber is told of a call: that the function is done with it, that it is over, or both.
#[derive(Debug)]
pub struct Told {
    /// Which.
    pub key: u64,
    /// What its function made of it, unless that was told before.
    pub ran: Option<Ran>,
    /// How it left its task; absent while what follows is being stored, for which it needs no permit.
    pub ended: Option<Ended>,
}

/// What came of a call where it ran.
#[derive(Debug)]
pub struct Ran {
    /// When it began.
    pub began: Instant,
    /// What it said about its function, if it came to that.
    pub feedback: Option<Feedback>,
    /// When it is tried again, if it is.
    pub again: Option<Instant>,
    /// The permit it ran by.
    pub permit: Permits,
}

/// Where the calls of one subscriber are put down when they have run, and when they are over. It is told of the first, and
/// takes all that are there by then in one turn: a turn costs more than what there is to do for a call.
///
/// Whoever drops this takes no more; the permits of what is put down then go home.
pub struct Ledger(Arc<Inner>);

struct Inner {
    /// Absent once nobody takes them any more.
    entries: Mutex<Option<Vec<Told>>>,
    ring: Ring,
    /// How many calls of the worker may be settled without a permit.
    settling: Arc<Semaphore>,
}

/// Tells the subscriber that there is something to take; whether it hears.
pub type Ring = Box<dyn Fn() -> bool + Send + Sync>;

impl Ledger {
    /// An empty one. A call is settled without a permit if it finds room in `settling`: what is settled is still in
    /// memory, and there must be an end to that where the broker is slow.
    #[must_use]
    pub fn new(ring: Ring, settling: Arc<Semaphore>) -> Self {
        Self(Arc::new(Inner { entries: Mutex::new(Some(Vec::new())), ring, settling }))
    }

    /// The guard of a call that begins at `began`.
    pub fn report(&self, key: u64, began: Instant, permit: Permits) -> Report {
        let ran = Ran { began, feedback: None, again: None, permit };
        Report { key, ended: Ended::Unsettled, ran: Some(ran), settling: None, ledger: self.0.clone() }
    }

    /// All that is there.
    #[must_use]
    pub fn take(&self) -> Vec<Told> {
        self.0.entries().as_mut().map(mem::take).unwrap_or_default()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Inner {
    fn put(&self, told: Told) {
        let is_first = match &mut *self.entries() {
            Some(entries) => {
                entries.push(told);
                entries.len() == 1
            }
            None => return,
        };
        if is_first && !(self.ring)() {
            self.close();
        }
    }

    fn close(&self) {
        // Permits that go home may come back here, and so must find no lock.
        let entries = self.entries().take();
        drop(entries);
    }

    /// Held for moments and never across an await; nothing is left half done.
    fn entries(&self) -> MutexGuard<'_, Option<Vec<Told>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts down that a call is over, exactly once: when finished, or when dropped by a panic or an abort.
#[must_use]
pub struct Report {
    key: u64,
    ended: Ended,
    /// Until it is told.
    ran: Option<Ran>,
    /// Held while it is settled without a permit.
    settling: Option<OwnedSemaphorePermit>,
    ledger: Arc<Inner>,
}

impl Report {
    /// The function was heard of.
    pub fn heard(&mut self, feedback: Option<Feedback>) {
        if let Some(ran) = &mut self.ran {
            ran.feedback = feedback;
        }
    }

    /// It will be tried again.
    pub fn again(&mut self, due: Instant) {
        if let Some(ran) = &mut self.ran {
            ran.again = Some(due);
        }
    }

    /// The function is done with it: another may run by its permit while it is settled, if there is room for that.
    pub fn ran(&mut self) {
        let Ok(settling) = self.ledger.settling.clone().try_acquire_owned() else { return };
        if let Some(ran) = self.ran.take() {
            self.settling = Some(settling);
            self.ledger.put(Told { key: self.key, ran: Some(ran), ended: None });
        }
    }

    /// The call ended like this. Takes `self`: a task that only set a field would, by Rust's precise captures,
    /// capture that field alone and drop the guard before it ran.
    pub fn finish(mut self, ended: Ended) {
        self.ended = ended;
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.ledger.put(Told { key: self.key, ran: self.ran.take(), ended: Some(self.ended) });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn ledger(rings: &Arc<AtomicU32>, heard: bool) -> Ledger {
        let rings = rings.clone();
        let ring = Box::new(move || {
            rings.fetch_add(1, Ordering::Relaxed);
            heard
        });
        Ledger::new(ring, Arc::new(Semaphore::new(1)))
    }

    /// What is told, and whether it comes with its permit.
    fn told(ledger: &Ledger) -> Vec<(u64, Option<Ended>, bool)> {
        ledger.take().into_iter().map(|told| (told.key, told.ended, told.ran.is_some())).collect()
    }

    fn permit(home: &Arc<AtomicU32>) -> Permits {
        let home = home.clone();
        Permits::new(
            1,
            Arc::new(move |count| {
                home.fetch_add(count, Ordering::Relaxed);
            }),
        )
    }

    #[tokio::test]
    async fn tells_once_however_the_task_ends() {
        let ledger = ledger(&Arc::default(), true);
        let report = |key| ledger.report(key, Instant::now(), Permits::new(0, Arc::new(|_| ())));
        let (finished, panicked, aborted) = (report(1), report(2), report(3));
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move { finished.finish(Ended::Settled) });
        tasks.join_next().await.unwrap().unwrap();
        tasks.spawn(async move {
            let _guard = panicked;
            panic!("as a bug would");
        });
        tasks.join_next().await.unwrap().unwrap_err();
        tasks.spawn(async move {
            let _guard = aborted;
            std::future::pending::<()>().await;
        });
        tasks.abort_all();
        tasks.join_next().await.unwrap().unwrap_err();
        let expected = [(1, Ended::Settled), (2, Ended::Unsettled), (3, Ended::Unsettled)];
        assert_eq!(told(&ledger), expected.map(|(key, ended)| (key, Some(ended), true)));
    }

    #[tokio::test]
    async fn a_permit_is_free_while_its_call_is_settled_for_as_many_as_there_is_room_for() {
        let (ledger, home) = (ledger(&Arc::default(), true), Arc::default());
        let (mut first, mut second) = ([1, 2].map(|key| ledger.report(key, Instant::now(), permit(&home)))).into();
        first.ran();
        second.ran();
        assert_eq!(told(&ledger), [(1, None, true)], "there is room for one");
        assert_eq!(home.load(Ordering::Relaxed), 1);
        first.finish(Ended::Settled);
        assert_eq!(told(&ledger), [(1, Some(Ended::Settled), false)]);
        second.ran();
        drop(second);
        assert_eq!(told(&ledger), [(2, None, true), (2, Some(Ended::Unsettled), false)], "told once, however it ends");
    }

    #[tokio::test]
    async fn whoever_takes_them_is_told_once_for_all_that_are_there() {
        let rings = Arc::default();
        let (ledger, home) = (ledger(&rings, true), Arc::default());
        let end = |key| ledger.report(key, Instant::now(), permit(&home)).finish(Ended::Settled);
        (0..3).for_each(end);
        assert_eq!((rings.load(Ordering::Relaxed), ledger.take().len()), (1, 3));
        end(3);
        assert_eq!((rings.load(Ordering::Relaxed), ledger.take().len(), ledger.take().len()), (2, 1, 0));
    }

    #[tokio::test]
    async fn permits_go_home_where_nobody_takes_them_any_more() {
        for heard in [true, false] {
            let (ledger, home) = (ledger(&Arc::default(), heard), Arc::default());
            let (first, late) = ([1, 2].map(|key| ledger.report(key, Instant::now(), permit(&home)))).into();
            drop(first);
            assert_eq!(home.load(Ordering::Relaxed), u32::from(!heard), "one that hears may still take it");
            drop(ledger);
            assert_eq!(home.load(Ordering::Relaxed), 1);
            drop(late);
            assert_eq!(home.load(Ordering::Relaxed), 2);
        }
    }
}
