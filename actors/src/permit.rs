//! The right to run calls, as a value: dropping it gives it back.
//!
//! A worker has so many permits; subscribers get them in bulk ([`capacity`]), and use the same ones again for call
//! after call until somebody else is to have them ([`share`]). So a steady stream of calls costs no message, and a
//! permit cannot leak: a call that panics, is aborted or dies with its actor drops it like any other.

pub mod capacity;
pub mod share;

use std::fmt;
use std::sync::Arc;

/// Where permits go when they are dropped.
pub type Home = Arc<dyn Fn(u32) + Send + Sync>;

/// Some permits, possibly none.
#[must_use = "dropped permits go home"]
pub struct Permits {
    count: u32,
    home: Home,
}

impl Permits {
    /// New permits; only their owner, who counts them, may make some.
    pub fn new(count: u32, home: Home) -> Self {
        Self { count, home }
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Takes up to `count` out.
    pub fn take(&mut self, count: u32) -> Self {
        let count = count.min(self.count);
        self.count -= count;
        Self { count, home: self.home.clone() }
    }

    /// Puts these and those together.
    pub fn join(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.home, &other.home), "permits of one home only");
        self.count += std::mem::take(&mut other.count);
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        if self.count > 0 {
            (self.home)(self.count);
        }
    }
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permits({})", self.count)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However they are split, joined and dropped, as many come home as went out, once.
        #[test]
        fn none_is_lost_and_none_is_made(total in 0u32..100, steps in prop::collection::vec((0u32..20, any::<bool>()), 0..50)) {
            let home = Arc::new(AtomicU32::new(0));
            let counter = home.clone();
            let mut all = Permits::new(total, Arc::new(move |n| { counter.fetch_add(n, Ordering::Relaxed); }));
            let mut out = Vec::new();
            for (count, back) in steps {
                match out.pop() {
                    Some(permits) if back => all.join(permits),
                    Some(permits) => drop(permits),
                    None => {}
                }
                out.push(all.take(count));
                let held: u32 = out.iter().map(Permits::count).sum();
                prop_assert_eq!(all.count() + held + home.load(Ordering::Relaxed), total);
            }
            drop((all, out));
            prop_assert_eq!(home.load(Ordering::Relaxed), total);
        }
    }
}
