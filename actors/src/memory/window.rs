//! The de-duplication window: which message ids were taken lately (pure).

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use proto::{Queue, Timestamp};

/// How long an id is remembered; JetStream's default, so that both brokers agree.
pub(super) const REMEMBERED_FOR: Duration = Duration::from_secs(120);

/// Where an id is unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// Among the ready messages of a queue.
    Ready(Queue),
    /// Among the schedules.
    Later,
    /// Among the dead letters.
    Dead,
    /// Among the ends of calls.
    Ends,
}

/// What is known of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: it is new.
    No,
    /// It is being stored.
    Pending,
    /// It is stored, or was.
    Stored,
}

/// The ids taken lately.
#[derive(Debug, Default)]
pub(super) struct Window {
    ids: HashMap<(Space, String), Taken>,
    order: VecDeque<(Timestamp, Space, String)>,
}

#[derive(Clone, Copy, Debug)]
struct Taken {
    at: Timestamp,
    stored: bool,
}

impl Window {
    /// What is known of `id` now: nothing, once the window has closed, whether or not anybody has tidied up since.
    #[must_use]
    pub(super) fn known(&self, space: &Space, id: &str, now: Timestamp) -> Known {
        match self.ids.get(&(space.clone(), id.to_owned())) {
            None => Known::No,
            Some(Taken { stored: false, .. }) => Known::Pending,
            Some(Taken { stored: true, at }) if now.since(*at) > REMEMBERED_FOR => Known::No,
            Some(Taken { stored: true, .. }) => Known::Stored,
        }
    }

    /// `id` is about to be stored.
    pub(super) fn pend(&mut self, space: &Space, id: &str, now: Timestamp) {
        self.ids.insert((space.clone(), id.to_owned()), Taken { at: now, stored: false });
    }

    /// `id` was stored `at` that time.
    pub(super) fn stored(&mut self, space: Space, id: String, at: Timestamp) {
        self.ids.insert((space.clone(), id.clone()), Taken { at, stored: true });
        self.order.push_back((at, space, id));
    }

    /// `id` was not stored after all.
    pub(super) fn failed(&mut self, space: &Space, id: &str) {
        self.ids.remove(&(space.clone(), id.to_owned()));
    }

    /// Forgets what is old; answers what was forgotten.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<(Space, String)> {
        let mut expired = Vec::new();
        while let Some((at, _, _)) = self.order.front()
            && now.since(*at) > REMEMBERED_FOR
        {
            let Some((at, space, id)) = self.order.pop_front() else { break };
            // Taken again since: that later time counts.
            let key = (space, id);
            if self.ids.get(&key).is_some_and(|taken| taken.at == at) {
                self.ids.remove(&key);
                expired.push(key);
            }
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_until_the_window_closes() {
        let mut window = Window::default();
        let start = Timestamp::from_unix_nanos(0);
        let space = Space::Ready(Queue::default());
        window.pend(&space, "a", start);
        assert_eq!(window.known(&space, "a", start), Known::Pending);
        window.stored(space.clone(), "a".into(), start);
        assert_eq!(window.known(&space, "a", start), Known::Stored);
        assert_eq!(window.known(&Space::Later, "a", start), Known::No, "unique in its space only");
        assert_eq!(window.known(&space, "a", start.after(2 * REMEMBERED_FOR)), Known::No, "before it is tidied up");
        assert!(window.expire(start.after(REMEMBERED_FOR)).is_empty());
        let expired = window.expire(start.after(REMEMBERED_FOR + Duration::from_nanos(1)));
        assert_eq!(expired, [(space.clone(), "a".to_owned())]);
        assert_eq!(window.known(&space, "a", start), Known::No);
    }

    #[test]
    fn what_failed_may_be_tried_again() {
        let mut window = Window::default();
        window.pend(&Space::Later, "a", Timestamp::default());
        window.failed(&Space::Later, "a");
        assert_eq!(window.known(&Space::Later, "a", Timestamp::default()), Known::No);
    }
}
