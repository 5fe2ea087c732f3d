//! Which connections there are: those over which nothing goes, those that are used, and who waits for one of these.
//!
//! To make a connection costs as much as a few quick calls over it do. So where calls come faster than there is CPU for,
//! some of them may take turns: as long as no more than [`TURNS`] share a connection, and for as long as they have
//! patience.

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
    Kept(L, Use<L>),
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
        let kept = Kept { to: HashMap::new(), idle: 0, is_swept: false, sweeping: JoinSet::new() };
        Self { kept: Mutex::new(kept), keep_for, keep_max }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<L>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection, or the right to make one; or a place in line, for one who `may_wait`.
    pub(super) fn find(self: &Arc<Self>, origin: &Origin, may_wait: bool) -> Found<L> {
        let now = Instant::now();
        loop {
            let (since, mut link) = {
                let mut kept = self.kept();
                let links = match kept.to.get_mut(origin) {
                    Some(links) => links,
                    None => kept.to.entry(origin.clone()).or_default(),
                };
                if may_wait && let Some(line) = links.queue() {
                    return Found::Soon(line);
                }
                links.used += 1;
                links.shared += usize::from(may_wait);
                let idle = links.idle.pop();
                kept.idle -= usize::from(idle.is_some());
                let Some(idle) = idle else { break };
                idle
            };
            // Not under the lock: it asks the system.
            let mut used = Use { shelf: self.clone(), origin: Some(origin.clone()), is_shared: may_wait };
            if now.duration_since(since) < self.keep_for && link.is_free() {
                return Found::Kept(link, used);
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
        assert!(!kept.to.values().any(Links::are_none), "of an origin without connections nothing is left");
        kept.idle
    }
}

impl<L: Reused> Line<L> {
    /// A connection whose turn this is; nothing if it does not come in time, or one has to be made.
    pub(super) async fn wait(mut self, patient: Duration) -> Option<Lent<L>> {
        match timeout(patient, &mut self.0).await {
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

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const MS: Duration = Duration::from_millis(1);

    /// One that is open, or has been closed by the other side.
    struct Open(bool);

    impl Reused for Open {
        fn is_free(&mut self) -> bool {
            self.0
        }
    }

    fn shelf(keep_max: usize) -> Arc<Shelf<Open>> {
        Arc::new(Shelf::new(LONG, keep_max))
    }

    fn origin(port: usize) -> Origin {
        (Scheme::HTTP, format!("f:{port}").parse().unwrap())
    }

    /// What must be made.
    fn made(shelf: &Arc<Shelf<Open>>, port: usize) -> Use<Open> {
        match shelf.find(&origin(port), true) {
            Found::Nothing(used) => used,
            Found::Kept(..) | Found::Soon(_) => panic!("there should be none"),
        }
    }

    /// One for somebody who does not wait.
    fn made_at_once(shelf: &Arc<Shelf<Open>>) -> Use<Open> {
        match shelf.find(&origin(0), false) {
            Found::Nothing(used) => used,
            Found::Kept(..) | Found::Soon(_) => panic!("there should be none"),
        }
    }

    fn soon(shelf: &Arc<Shelf<Open>>) -> Line<Open> {
        match shelf.find(&origin(0), true) {
            Found::Soon(line) => line,
            Found::Kept(..) | Found::Nothing(_) => panic!("there should be one soon"),
        }
    }

    fn is_kept(shelf: &Arc<Shelf<Open>>, port: usize) -> bool {
        matches!(shelf.find(&origin(port), false), Found::Kept(..))
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_take_turns_and_in_order() {
        let shelf = shelf(64);
        let mut used = made(&shelf, 0);
        let lines: Vec<_> = (1..TURNS).map(|_| soon(&shelf)).collect();
        let another = made(&shelf, 0);
        for line in lines {
            used.keep(Open(true));
            used = line.wait(LONG).await.expect("its turn").1;
        }
        used.keep(Open(true));
        another.keep(Open(true));
        assert_eq!(shelf.idle(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_no_patience_or_none_left_makes_one() {
        let shelf = shelf(64);
        let used = made(&shelf, 0);
        let _at_once = made_at_once(&shelf);
        let (impatient, patient) = (soon(&shelf), soon(&shelf));
        assert!(impatient.wait(MS).await.is_none());
        used.keep(Open(true));
        assert!(patient.wait(MS).await.is_some(), "whoever has left the line is passed over");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_at_the_last_moment_is_not_lost() {
        let shelf = shelf(64);
        let (used, line) = (made(&shelf, 0), soon(&shelf));
        used.keep(Open(true));
        assert!(line.leave().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_to_one_who_is_cancelled_is_closed_and_the_next_makes_one() {
        let shelf = shelf(64);
        let (used, cancelled, next) = (made(&shelf, 0), soon(&shelf), soon(&shelf));
        used.keep(Open(true));
        drop(cancelled);
        assert!(next.wait(LONG).await.is_none());
        assert_eq!(shelf.idle(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_where_connections_are_closed() {
        let shelf = shelf(64);
        let (used, lines) = (made(&shelf, 0), [soon(&shelf), soon(&shelf)]);
        let another = made_at_once(&shelf);
        drop(used);
        for line in lines {
            assert!(line.wait(LONG).await.is_none());
        }
        let third = made(&shelf, 0);
        another.keep(Open(true));
        third.keep(Open(true));
        assert_eq!(shelf.idle(), 2, "once one is kept they are worth waiting for again");
        drop([(); 2].map(|()| shelf.find(&origin(0), true)));
        assert_eq!(shelf.kept().to.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_those_who_would_not_wait() {
        let shelf = shelf(64);
        let slow = [(); 3].map(|()| made_at_once(&shelf));
        let quick = made(&shelf, 0);
        let lines = [(); TURNS - 1].map(|()| soon(&shelf));
        let another = made(&shelf, 0);
        // It is one of those that others take turns with from now on.
        let [slow, ..] = slow;
        slow.keep(Open(true));
        soon(&shelf);
        drop((quick, another, lines));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_closed_meanwhile_is_not_found() {
        let shelf = shelf(64);
        let (one, other) = (made(&shelf, 0), made(&shelf, 1));
        one.keep(Open(false));
        other.keep(Open(true));
        assert!(!is_kept(&shelf, 0) && is_kept(&shelf, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn where_too_many_are_kept_each_origin_loses_some_but_not_its_last() {
        let shelf = shelf(9);
        let keep = |port: usize, count: usize| {
            let used: Vec<_> = (0..count).map(|_| shelf.find(&origin(port), false)).collect();
            for found in used {
                match found {
                    Found::Nothing(used) | Found::Kept(_, used) => used.keep(Open(true)),
                    Found::Soon(_) => panic!("nobody waits"),
                }
            }
        };
        (0..5).for_each(|port| keep(port, 2));
        assert_eq!(shelf.idle(), 5);
        assert!((0..5).all(|port| is_kept(&shelf, port)));
    }

    #[tokio::test(start_paused = true)]
    async fn where_each_has_one_the_older_half_goes() {
        let shelf = shelf(4);
        for port in 0..5 {
            made(&shelf, port).keep(Open(true));
            tokio::time::advance(MS).await;
        }
        assert_eq!(shelf.idle(), 3);
        assert_eq!([0, 1, 2, 3, 4].map(|port| is_kept(&shelf, port)), [false, false, true, true, true]);
    }
}
