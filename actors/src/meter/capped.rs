//! Things by name, so many and no more: those beyond share one.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::Counter;

/// How long one stays of which nothing is heard.
pub const IDLE_MAX: Duration = Duration::from_secs(15 * 60);

/// Something that tells whether anything has happened to it.
pub trait Lively {
    /// A number that is another one if anything has.
    fn pulse(&self) -> u64;
}

/// Things by name.
#[derive(Debug)]
pub struct Capped<K, V> {
    most: usize,
    own: RwLock<HashMap<K, Entry<V>>>,
    other: Arc<V>,
    refused: Counter,
}

#[derive(Debug)]
struct Entry<V> {
    value: Arc<V>,
    pulse: u64,
    since: Instant,
}

impl<K: Clone + Eq + Hash + Ord, V: Default + Lively> Capped<K, V> {
    /// None yet, and never more than `most`, but for the one that others share.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, own: RwLock::default(), other: Arc::default(), refused: Counter::default() }
    }

    /// The one of this name, made if there is room; else the one that is shared.
    #[must_use]
    pub fn get(&self, key: &K) -> Arc<V> {
        // Those that share one come for it with every call, and are not to wait for each other.
        let is_full = {
            let own = self.read();
            if let Some(entry) = own.get(key) {
                return entry.value.clone();
            }
            own.len() >= self.most
        };
        if is_full {
            return self.refuse();
        }
        let mut own = self.write();
        if own.len() >= self.most && !own.contains_key(key) {
            return self.refuse();
        }
        let entry = Entry { value: Arc::default(), pulse: 0, since: Instant::now() };
        own.entry(key.clone()).or_insert(entry).value.clone()
    }

    fn refuse(&self) -> Arc<V> {
        self.refused.add(1);
        self.other.clone()
    }

    /// The one of this name, if it has its own.
    #[must_use]
    pub fn own(&self, key: &K) -> Option<Arc<V>> {
        self.read().get(key).map(|entry| entry.value.clone())
    }

    /// The one that those share which have none of their own; nothing if there never were any.
    #[must_use]
    pub fn other(&self) -> Option<Arc<V>> {
        (self.refused.get() > 0).then(|| self.other.clone())
    }

    /// How often one was asked for that has none of its own.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// All that have one, by name.
    #[must_use]
    pub fn all(&self) -> Vec<(K, Arc<V>)> {
        let mut all: Vec<_> = self.read().iter().map(|(key, entry)| (key.clone(), entry.value.clone())).collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// Forgets those that nobody holds and that are not there any more, or of which nothing was heard for long.
    pub fn sweep(&self, is_there: impl Fn(&K) -> bool) {
        let now = Instant::now();
        self.write().retain(|key, entry| {
            if Arc::strong_count(&entry.value) > 1 {
                entry.since = now;
                return true;
            }
            let pulse = entry.value.pulse();
            if pulse != std::mem::replace(&mut entry.pulse, pulse) {
                entry.since = now;
            }
            is_there(key) && now.duration_since(entry.since) < IDLE_MAX
        });
    }

    // Nothing panics while it holds the lock; if it did, what it left behind would be whole.
    fn read(&self) -> RwLockReadGuard<'_, HashMap<K, Entry<V>>> {
        self.own.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<K, Entry<V>>> {
        self.own.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lively for Counter {
    fn pulse(&self) -> u64 {
        self.get()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn names(capped: &Capped<&'static str, Counter>) -> Vec<&'static str> {
        capped.all().into_iter().map(|(name, _)| name).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn those_beyond_share_one_until_there_is_room() {
        let capped = Capped::<&str, Counter>::new(2);
        assert!(capped.other().is_none());
        for name in ["a", "b", "c", "d", "a"] {
            capped.get(&name).add(1);
        }
        assert_eq!(names(&capped), ["a", "b"]);
        assert_eq!((capped.get(&"a").get(), capped.other().map(|it| it.get())), (2, Some(2)));
        capped.sweep(|name| *name != "b");
        capped.get(&"c").add(1);
        assert_eq!((names(&capped), capped.refused()), (vec!["a", "c"], 2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_held_or_heard_of_stays() {
        let capped = Capped::<&str, Counter>::new(9);
        let held = capped.get(&"held");
        capped.get(&"busy").add(1);
        capped.get(&"idle").add(1);
        capped.sweep(|_| true);
        for _ in 0..2 {
            advance(IDLE_MAX / 2).await;
            capped.get(&"busy").add(1);
            capped.sweep(|name| *name != "held");
        }
        assert_eq!(names(&capped), ["busy", "held"]);
        drop(held);
        advance(IDLE_MAX).await;
        capped.sweep(|_| true);
        assert_eq!(names(&capped), [""; 0]);
    }
}
