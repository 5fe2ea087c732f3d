//! How many requests run, and how many may.

use std::sync::Arc;

use tokio::sync::watch;

/// Requests that run; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    most: Option<usize>,
    running: Arc<watch::Sender<usize>>,
}

/// A request that runs, for as long as this or a clone of it is there.
#[derive(Clone, Debug)]
pub(super) struct Slot(#[expect(dead_code, reason = "it is there to be dropped")] Arc<Taken>);

#[derive(Debug)]
struct Taken(Arc<watch::Sender<usize>>);

impl Slots {
    /// At most so many at once; any number if 0.
    pub(super) fn new(most: usize) -> Self {
        Self { most: (most > 0).then_some(most), running: Arc::default() }
    }

    /// A slot if one is free.
    pub(super) fn take(&self) -> Option<Slot> {
        let taken = self.running.send_if_modified(|running| {
            let is_free = self.most.is_none_or(|most| *running < most);
            *running += usize::from(is_free);
            is_free
        });
        taken.then(|| Slot(Arc::new(Taken(self.running.clone()))))
    }

    /// How many may run, if that is limited.
    pub(super) fn most(&self) -> Option<usize> {
        self.most
    }

    /// How many run.
    pub(super) fn running(&self) -> usize {
        *self.running.borrow()
    }

    /// Whether none is free.
    pub(super) fn are_taken(&self) -> bool {
        self.most.is_some_and(|most| self.running() >= most)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_taken_until_the_last_of_its_clones_is_dropped() {
        let slots = Slots::new(2);
        let (first, second) = (slots.take().unwrap(), slots.take().unwrap());
        assert!(slots.take().is_none() && slots.are_taken());
        let clone = first.clone();
        drop(first);
        assert_eq!(slots.running(), 2);
        drop(clone);
        assert_eq!((slots.running(), slots.are_taken()), (1, false));
        drop((slots.take().unwrap(), second));
        assert_eq!(slots.running(), 0);
    }

    #[test]
    fn without_a_limit_there_is_always_one() {
        let slots = Slots::new(0);
        let all: Vec<_> = (0..10_000).map(|_| slots.take().unwrap()).collect();
        assert_eq!((slots.running(), slots.are_taken(), slots.most()), (all.len(), false, None));
    }
}
