//! What became of spans, in numbers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Three numbers that only grow.
#[derive(Debug, Default)]
pub struct Tally {
    sent: AtomicU64,
    dropped: AtomicU64,
    lost: AtomicU64,
}

impl Tally {
    /// The collector took them.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// There was no room for them: more were told than could be sent.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// The collector did not take them, or they were not sent in time at the end.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    pub(super) fn drop_one(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    pub(super) fn send(&self, spans: usize) {
        self.sent.fetch_add(spans as u64, Relaxed);
    }

    pub(super) fn lose(&self, spans: usize) {
        self.lost.fetch_add(spans as u64, Relaxed);
    }
}
