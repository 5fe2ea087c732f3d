//! The guard that tells the subscriber what became of a call, whatever becomes of its task.

use std::sync::Arc;

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

/// Tells [`Done`] exactly once: when finished, or when dropped by a panic or an abort.
///
/// It reports to the incarnation of the subscriber that made it. If that one is gone the report is dropped, and the
/// permit in it goes home.
#[must_use]
pub struct Report {
    done: Option<Done>,
    tell: Arc<dyn Fn(Done) + Send + Sync>,
}

impl Report {
    /// For one call that begins at `began`.
    pub fn new(key: u64, began: Instant, permit: Permits, tell: Arc<dyn Fn(Done) + Send + Sync>) -> Self {
        Self { done: Some(Done { key, began, ended: Ended::Unsettled, feedback: None, again: None, permit }), tell }
    }

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
            (self.tell)(done);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn tells_once_however_the_task_ends() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let report = |key| {
            let told = told.clone();
            let tell: Arc<dyn Fn(Done) + Send + Sync> =
                Arc::new(move |done: Done| told.lock().unwrap().push((done.key, done.ended)));
            Report::new(key, Instant::now(), Permits::new(0, Arc::new(|_| ())), tell)
        };
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
        let told = told.lock().unwrap().clone();
        assert_eq!(told, [(1, Ended::Settled), (2, Ended::Unsettled), (3, Ended::Unsettled)]);
    }
}
