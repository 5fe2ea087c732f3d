//! How much of the bodies of asynchronous calls is held while they come in and are stored: by all, and by each namespace.
//!
//! One connection may send many bodies at once, and each may take its time. What is held of them is therefore counted as it
//! comes, whoever sends it; what was only announced is not.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::{Namespace, Refusal};

/// What is held, and how much may be; clones share it.
#[derive(Clone)]
pub(super) struct Bodies {
    held: Arc<Mutex<Held>>,
    most: usize,
    most_of_one: usize,
}

#[derive(Default)]
struct Held {
    all: usize,
    by_namespace: HashMap<Namespace, usize>,
}

/// What is held of one body, until this is dropped.
pub(super) struct Part {
    bodies: Bodies,
    namespace: Namespace,
    len: usize,
}

impl Bodies {
    /// At most so many bytes. A namespace has half of it, and always room for one body of the largest size.
    pub(super) fn new(most: usize, body_len_max: usize) -> Self {
        Self { held: Arc::default(), most, most_of_one: (most / 2).max(body_len_max) }
    }

    /// A body for a namespace, of which nothing has come yet.
    pub(super) fn part(&self, namespace: &Namespace) -> Part {
        Part { bodies: self.clone(), namespace: namespace.clone(), len: 0 }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing panics while it holds the lock.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// So many bytes more are held.
    ///
    /// # Errors
    /// [`Refusal::BodiesFull`]: there is no room for them.
    pub(super) fn grow(&mut self, len: usize) -> Result<(), Refusal> {
        if len == 0 {
            return Ok(());
        }
        let full = |scope: String| Err(Refusal::BodiesFull { scope });
        let mut held = self.bodies.held();
        if len > self.bodies.most.saturating_sub(held.all) {
            return full("this gateway".into());
        }
        let of_one = held.by_namespace.get(&self.namespace).copied().unwrap_or_default();
        if len > self.bodies.most_of_one.saturating_sub(of_one) {
            return full(format!("namespace {}", self.namespace));
        }
        held.all += len;
        match held.by_namespace.get_mut(&self.namespace) {
            Some(of_one) => *of_one += len,
            None => drop(held.by_namespace.insert(self.namespace.clone(), len)),
        }
        drop(held);
        self.len += len;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.len == 0 {
            return;
        }
        let mut held = self.bodies.held();
        held.all -= self.len;
        if let Entry::Occupied(mut of_one) = held.by_namespace.entry(self.namespace.clone()) {
            *of_one.get_mut() -= self.len;
            if *of_one.get() == 0 {
                of_one.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(name: &str) -> Namespace {
        Namespace::parse(name).unwrap()
    }

    fn scope(refused: Result<(), Refusal>) -> String {
        match refused {
            Err(Refusal::BodiesFull { scope }) => scope,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_namespace_has_half_and_all_together_have_the_whole() {
        let bodies = Bodies::new(100, 10);
        let [a, b, c] = ["a", "b", "c"].map(namespace);
        let mut of_a = [bodies.part(&a), bodies.part(&a)];
        of_a[0].grow(30).unwrap();
        of_a[1].grow(20).unwrap();
        assert_eq!(scope(of_a[1].grow(1)), "namespace a");
        let mut of_b = bodies.part(&b);
        of_b.grow(45).unwrap();
        let mut of_c = bodies.part(&c);
        assert_eq!(scope(of_c.grow(6)), "this gateway");
        of_c.grow(5).unwrap();
        let [first, mut second] = of_a;
        drop(first);
        second.grow(30).unwrap();
        drop((second, of_b, of_c));
        let held = bodies.held();
        assert!(held.all == 0 && held.by_namespace.is_empty(), "nothing is kept of who has gone");
    }

    #[test]
    fn there_is_room_for_one_body_of_a_namespace() {
        let bodies = Bodies::new(100, 80);
        let mut part = bodies.part(&namespace("a"));
        part.grow(80).unwrap();
        assert_eq!(scope(part.grow(1)), "namespace a");
    }
}
