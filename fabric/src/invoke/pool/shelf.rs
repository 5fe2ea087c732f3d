//! Which connections there are: those over which nothing goes, those that are used, and who waits for one of these.
//!
//! To make a connection costs as much as a few quick calls over it do. That is well spent on one that is kept. Where there
//! are half as many as are kept, calls that have the patience take turns with one, up to [`TURNS`].

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::uri::{Authority, Scheme};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// How many take turns with a connection at most.
const TURNS: usize = 8;

/// A connection that can be used again.
pub(super) trait Reused: Send + 'static {
    /// Whether a request can be sent at once, as far as can be seen.
    fn is_free(&mut self) -> bool;
}

/// Where a connection leads to.
pub(super) type Origin = (Scheme, Authority);

/// The connections of a pool.
pub(super) struct Shelf<L: Reused> {
    kept: Mutex<Kept<L>>,
    keep_for: Duration,
    keep_max: usize,
}

struct Kept<L: Reused> {
    to: HashMap<Origin, Links<L>>,
    /// How many are idle, of all origins.
    idle: usize,
    /// How many are used.
    used: usize,
    is_swept: bool,
    sweeping: JoinSet<()>,
}

/// Those to one origin.
struct Links<L: Reused> {
    /// The oldest first: the youngest is used again, and the others grow old.
    idle: Vec<Idle<L>>,
    /// How many are used, or being made.
    used: usize,
    /// How many of them by those who would wait: it is with these that others take turns.
    shared: usize,
    /// Whether the last one that was used was closed then: where each is, there is nothing to wait for.
    close: bool,
    waiting: VecDeque<oneshot::Sender<Lent<L>>>,
}

/// A connection, and since when nothing goes over it.
type Idle<L> = (Instant, L);

/// A connection that is used, and the note of that.
pub(super) type Lent<L> = (L, Use<L>);

/// What there is for a request.
pub(super) enum Found<L: Reused> {
    /// A connection that is still open, as far as can be seen.
    Kept(Lent<L>),
    /// One that others use now.
    Soon(Line<L>),
    /// None: it is to be made.
    Nothing(Use<L>),
}

/// A place among those who wait for a connection.
pub(super) struct Line<L: Reused>(oneshot::Receiver<Lent<L>>);

/// One connection is used; or no more, when this is dropped.
pub(super) struct Use<L: Reused> {
    shelf: Arc<Shelf<L>>,
    /// Absent once the connection is kept.
    origin: Option<Origin>,
    /// Whether it is by one who would wait.
    is_shared: bool,
}

impl<L: Reused> Shelf<L> {
    /// Connections are kept for so long, at most so many at once.
    pub(super) fn new(keep_for: Duration, keep_max: usize) -> Self {
        let kept = Kept { to: HashMap::new(), idle: 0, used: 0, is_swept: false, sweeping: JoinSet::new() };
        Self { kept: Mutex::new(kept), keep_for, keep_max }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<L>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection, or the right to make one; or, where there are many, a place in line for one who `may_wait`.
    pub(super) fn find(self: &Arc<Self>, origin: &Origin, may_wait: bool) -> Found<L> {
        let now = Instant::now();
        loop {
            let (since, mut link) = {
                let mut kept = self.kept();
                // So that the other half are made for those who have none, rather than closed again.
                let is_crowded = kept.idle + kept.used >= self.keep_max / 2;
                let links = match kept.to.get_mut(origin) {
                    Some(links) => links,
                    None => kept.to.entry(origin.clone()).or_default(),
                };
                if may_wait
                    && is_crowded
                    && let Some(line) = links.queue()
                {
                    return Found::Soon(line);
                }
                links.used += 1;
                links.shared += usize::from(may_wait);
                let idle = links.idle.pop();
                kept.used += 1;
                kept.idle -= usize::from(idle.is_some());
                let Some(idle) = idle else { break };
                idle
            };
            // Not under the lock: it asks the system.
            let mut used = Use { shelf: self.clone(), origin: Some(origin.clone()), is_shared: may_wait };
            if now.duration_since(since) < self.keep_for && link.is_free() {
                return Found::Kept((link, used));
            }
            used.end(false);
        }
        Found::Nothing(Use { shelf: self.clone(), origin: Some(origin.clone()), is_shared: may_wait })
    }

    /// How many connections are idle.
    #[cfg(test)]
    pub(super) fn idle(&self) -> usize {
        let kept = self.kept();
        assert_eq!(kept.to.values().map(|links| links.idle.len()).sum::<usize>(), kept.idle);
        assert_eq!(kept.to.values().map(|links| links.used).sum::<usize>(), kept.used);
        assert!(!kept.to.values().any(Links::are_none), "of an origin without connections nothing is left");
        kept.idle
    }
}

impl<L: Reused> Line<L> {
    /// A connection whose turn this is; nothing if it does not come in time, or one has to be made.
    pub(super) async fn wait(mut self, patience: Duration) -> Option<Lent<L>> {
        match timeout(patience, &mut self.0).await {
            Ok(found) => found.ok(),
            Err(_) => self.leave(),
        }
    }

    /// What came at the last moment.
    fn leave(mut self) -> Option<Lent<L>> {
        self.0.close();
        self.0.try_recv().ok()
    }
}

impl<L: Reused> Use<L> {
    /// The connection can take another request: that of whoever waits longest, or one that is still to come.
    pub(super) fn keep(mut self, mut link: L) {
        loop {
            let Some(origin) = self.origin.take() else { return };
            // Closed when the lock is free again.
            let _old;
            let mut kept = self.shelf.kept();
            let Some(links) = kept.to.get_mut(&origin) else { return };
            links.close = false;
            links.shared -= usize::from(std::mem::take(&mut self.is_shared));
            if let Some(next) = links.waiting.pop_front() {
                links.shared += 1;
                drop(kept);
                (self.origin, self.is_shared) = (Some(origin), true);
                match next.send((link, self)) {
                    Ok(()) => return,
                    Err(unheard) => (link, self) = unheard,
                }
                continue;
            }
            links.used -= 1;
            links.idle.push((Instant::now(), link));
            kept.used -= 1;
            kept.idle += 1;
            _old = (kept.idle > self.shelf.keep_max).then(|| kept.thin());
            if !std::mem::replace(&mut kept.is_swept, true) {
                while kept.sweeping.try_join_next().is_some() {}
                kept.sweeping.spawn(sweep(Arc::downgrade(&self.shelf), self.shelf.keep_for));
            }
            return;
        }
    }

    /// The connection is closed; where it was used until then, others may be as well, and nobody waits for them.
    fn end(&mut self, was_used: bool) {
        let Some(origin) = self.origin.take() else { return };
        let mut kept = self.shelf.kept();
        let Some(links) = kept.to.get_mut(&origin) else { return };
        links.used -= 1;
        links.shared -= usize::from(self.is_shared);
        links.close |= was_used;
        if links.room() == 0 {
            links.waiting.clear();
        }
        if links.are_none() {
            kept.to.remove(&origin);
        }
        kept.used -= 1;
    }
}

impl<L: Reused> Drop for Use<L> {
    fn drop(&mut self) {
        self.end(true);
    }
}

impl<L: Reused> Default for Links<L> {
    fn default() -> Self {
        Self { idle: Vec::new(), used: 0, shared: 0, close: false, waiting: VecDeque::new() }
    }
}

impl<L: Reused> Links<L> {
    /// A place in line, if a connection may be free soon and nobody has to make another.
    fn queue(&mut self) -> Option<Line<L>> {
        if self.waiting.len() >= self.room() {
            self.waiting.retain(|it| !it.is_closed());
        }
        if !self.idle.is_empty() || self.waiting.len() >= self.room() {
            return None;
        }
        let (told, line) = oneshot::channel();
        self.waiting.push_back(told);
        Some(Line(line))
    }

    /// How many may wait: none if there is no connection, or none is kept.
    fn room(&self) -> usize {
        if self.close { 0 } else { self.shared * (TURNS - 1) }
    }

    fn are_none(&self) -> bool {
        self.idle.is_empty() && self.used == 0
    }
}

impl<L: Reused> Kept<L> {
    /// Takes out those over which nothing has gone since then.
    fn take_older(&mut self, than: Instant) -> Vec<Idle<L>> {
        let mut old = Vec::new();
        self.to.retain(|_, links| {
            let count = links.idle.partition_point(|(since, _)| *since <= than);
            old.extend(links.idle.drain(..count));
            !links.are_none()
        });
        self.idle -= old.len();
        old
    }

    /// Takes out as many as make it worth while to have looked at all: of each origin the older half but not its last one,
    /// because where many take turns the oldest is the one that is used next; where that is little, the older half of all.
    fn thin(&mut self) -> Vec<Idle<L>> {
        let enough = self.idle / 16;
        let halves = self.to.values_mut().flat_map(|links| links.idle.drain(..links.idle.len() / 2));
        let mut old: Vec<Idle<L>> = halves.collect();
        self.idle -= old.len();
        if old.len() <= enough {
            let mut all: Vec<Instant> = self.to.values().flat_map(|links| &links.idle).map(|it| it.0).collect();
            let middle = all.len() / 2;
            if middle > 0 {
                let (_, median, _) = all.select_nth_unstable(middle - 1);
                old.extend(self.take_older(*median));
            }
        }
        old
    }
}

/// Closes connections whose time is up, for as long as there are any.
async fn sweep<L: Reused>(shelf: Weak<Shelf<L>>, keep_for: Duration) {
    loop {
        sleep(keep_for / 4).await;
        let Some(shelf) = shelf.upgrade() else { return };
        // Closed when the lock is free again.
        let _old;
        let mut kept = shelf.kept();
        _old = Instant::now().checked_sub(keep_for).map(|then| kept.take_older(then));
        kept.is_swept = kept.idle > 0;
        if !kept.is_swept {
            return;
        }
    }
}
