//! What can go wrong, as data (pure).

use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;

/// One thing that goes wrong, or that an operator does. Workers are counted among those that are up by then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// A worker is gone at once, and its leases with it; another starts after this.
    Kill { worker: usize, again_after: Duration },
    /// A worker is told to go, and told so again, if it has not gone by then; another starts at once.
    Drain { worker: usize, hurry: Duration },
    /// What a worker asks of the broker never arrives.
    Unheard { worker: usize, lasts: Duration },
    /// What it asks is done, and it never hears so.
    Unanswered { worker: usize, lasts: Duration },
    /// One in so many requests is lost, and so is one in so many answers.
    Lossy { worker: usize, one_in: u32, lasts: Duration },
    /// Everything takes so much longer, each way.
    Slow { worker: usize, by: Duration, lasts: Duration },
    /// The broker forgets who has leases: whatever a worker has is delivered again.
    Redeliver { worker: usize },
    /// A worker's time of day jumps by so many milliseconds.
    Jump { worker: usize, millis: i64 },
    /// A function is not there.
    Down { function: usize, lasts: Duration },
    /// No callback is taken.
    NoReceiver { lasts: Duration },
}

/// When what goes wrong, within `span`. One world in three has faults only in functions, clocks and operators: there
/// the checkers can be strict.
#[must_use]
pub(crate) fn schedule(luck: &mut SmallRng, span: Duration, functions: usize) -> Vec<(Duration, Fault)> {
    let (calm, count) = (luck.random_ratio(1, 3), luck.random_range(0..8));
    let mut faults: Vec<_> = (0..count).map(|_| (span.mul_f64(luck.random()), draw(luck, calm, functions))).collect();
    faults.sort_by_key(|(at, _)| *at);
    faults
}

fn draw(luck: &mut SmallRng, calm: bool, functions: usize) -> Fault {
    let worker = luck.random_range(0..8);
    let lasts = seconds(luck, 1, 25);
    match luck.random_range(if calm { 6..10 } else { 0..10 }) {
        0 => Fault::Kill { worker, again_after: seconds(luck, 0, 6) },
        1 => Fault::Unheard { worker, lasts },
        2 => Fault::Unanswered { worker, lasts },
        3 => Fault::Lossy { worker, one_in: luck.random_range(2..10), lasts },
        4 => Fault::Slow { worker, by: Duration::from_millis(luck.random_range(1..600)), lasts },
        5 => Fault::Redeliver { worker },
        6 => Fault::Drain { worker, hurry: seconds(luck, 0, 40) },
        7 => Fault::Jump { worker, millis: luck.random_range(-90_000..90_000) },
        8 => Fault::Down { function: luck.random_range(1..functions), lasts },
        _ => Fault::NoReceiver { lasts },
    }
}

fn seconds(luck: &mut SmallRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(luck.random_range(from * 1000..to * 1000))
}
