//! The guard that tells the subscriber what became of a call, whatever becomes of its task.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// A finished call, told to its subscriber.
#[derive(Debug)]
pub struct Done {
    /// Which.
    pub key: u64,
    /// When it began.
    pub began: Instant,
    /// How.
    pub ended: Ended,
    /// What it said about its function, if it came to that.
    pub feedback: Option<Feedback>,
    /// When it is tried again, if it is.
    pub again: Option<Instant>,
    /// The permit it ran by.
    pub permit: Permits,
}

/// Where the calls of one subscriber are put down when they are over. It is told of the first, and takes all that are there
/// by then in one turn: a turn costs more than what there is to do for a call.
///
/// Whoever drops this takes no more; the permits of what is put down then go home.
pub struct Ledger(Arc<Inner>);

struct Inner {
    /// Absent once nobody takes them any more.
    over: Mutex<Option<Vec<Done>>>,
    ring: Ring,
}

/// Tells the subscriber that there is something to take; whether it hears.
pub type Ring = Box<dyn Fn() -> bool + Send + Sync>;

impl Ledger {
    /// An empty one.
    #[must_use]
    pub fn new(ring: Ring) -> Self {
        Self(Arc::new(Inner { over: Mutex::new(Some(Vec::new())), ring }))
    }

    /// The guard of a call that begins at `began`.
    pub fn report(&self, key: u64, began: Instant, permit: Permits) -> Report {
        let done = Done { key, began, ended: Ended::Unsettled, feedback: None, again: None, permit };
        Report { done: Some(done), ledger: self.0.clone() }
    }

    /// All that is there.
    #[must_use]
    pub fn take(&self) -> Vec<Done> {
        self.0.over().as_mut().map(mem::take).unwrap_or_default()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Inner {
    fn put(&self, done: Done) {
        let is_first = match &mut *self.over() {
            Some(over) => {
                over.push(done);
                over.len() == 1
            }
            None => return,
        };
        if is_first && !(self.ring)() {
            self.close();
        }
    }

    fn close(&self) {
        // Permits that go home may come back here, and so must find no lock.
        let over = self.over().take();
        drop(over);
    }

    /// Held for moments and never across an await; nothing is left half done.
    fn over(&self) -> MutexGuard<'_, Option<Vec<Done>>> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts [`Done`] down exactly once: when finished, or when dropped by a panic or an abort.
#[must_use]
pub struct Report {
    done: Option<Done>,
    ledger: Arc<Inner>,
}

impl Report {
    /// The function was heard of.
    pub fn heard(&mut self, feedback: Option<Feedback>) {
        if let Some(done) = &mut self.done {
            done.feedback = feedback;
        }
    }

    /// It will be tried again.
    pub fn again(&mut self, due: Instant) {
        if let Some(done) = &mut self.done {
            done.again = Some(due);
        }
    }

    /// The call ended like this. Takes `self`: a task that only set a field would, by Rust's precise captures,
    /// capture that field alone and drop the guard before it ran.
    pub fn finish(mut self, ended: Ended) {
        if let Some(done) = &mut self.done {
            done.ended = ended;
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            self.ledger.put(done);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn ledger(rings: &Arc<AtomicU32>, heard: bool) -> Ledger {
        let rings = rings.clone();
        Ledger::new(Box::new(move || {
            rings.fetch_add(1, Ordering::Relaxed);
            heard
        }))
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
        let told: Vec<_> = ledger.take().into_iter().map(|done| (done.key, done.ended)).collect();
        assert_eq!(told, [(1, Ended::Settled), (2, Ended::Unsettled), (3, Ended::Unsettled)]);
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
