//! Many workers, many functions, many calls, by virtual time: every tenant gets the same slot-time while all have more
//! to do than there is room for, limits hold, and workers that go and come lose nothing.
//!
//! A worker starts a subscriber for every function of its queues that has work, and keeps it for a while after. So there
//! are as many of them as functions that are active at once, times the workers that serve their queue: what is spread
//! over queues is `workers * functions / queues` starts of subscribers in all. (With one queue for everything 1,000
//! workers and 100,000 functions would make 100,000,000.)
//!
//! A worker shares what it has among those who wait in it. With two calls of a function for each worker, most of its
//! subscribers look for a third one in vain: what they hold meanwhile is the tenant's, and nobody's use. So the part of
//! the slots in which calls ran is looked at as well.
//!
//! What all workers share here, and would not elsewhere: the snapshot of the functions (1,000 copies of 100,000 would
//! not fit), and nobody tells nobody that he is alive (1,000 times 1,000 signs every three seconds). No records are kept.

mod crowd;
mod load;

use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use self::load::Tally;

/// How large it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Workers, spread evenly over the queues.
    pub(crate) workers: usize,
    /// Queues.
    pub(crate) queues: usize,
    /// Tenants, spread evenly over the queues; a multiple of them.
    pub(crate) tenants: usize,
    /// Functions, spread evenly over the tenants; a multiple of them.
    pub(crate) functions: usize,
    /// Calls of each function.
    pub(crate) calls_each: usize,
    /// How many calls a worker runs at once.
    pub(crate) permits: usize,
    /// How many workers are drained and replaced, one after the other.
    pub(crate) drains: usize,
}

impl Size {
    /// How many slots each tenant has, if all are treated alike.
    pub(crate) fn slots_each(&self) -> usize {
        (self.workers * self.permits / self.tenants).max(1)
    }

    /// How many functions of a tenant have calls at once: enough that there is always more than fits.
    pub(crate) fn active_each(&self) -> usize {
        (3 * self.slots_each()).div_ceil(self.calls_each).max(2)
    }

    /// How many calls of one function may run at once: no more than the tenant's part, so that it is reached.
    pub(crate) fn limit(&self) -> usize {
        (2 * self.slots_each()).div_ceil(self.active_each()).max(1)
    }

    pub(crate) fn calls(&self) -> usize {
        self.functions * self.calls_each
    }
}

/// How far the slot-time of a tenant may be from the mean of its queue.
const TOLERANCE: f64 = 0.2;
/// Which part of the slots calls must run in at least while there is always more to do; in the rest, functions are noticed
/// and pulls find nothing.
const IN_USE: f64 = 0.75;

/// Lives through it; how many calls of one function ran at once at most.
fn run(size: Size) -> u32 {
    let began = Instant::now();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (load, virtual_time) = runtime.block_on(async {
        let started = tokio::time::Instant::now();
        let load = crowd::live(size).await;
        (load, started.elapsed())
    });
    let tally = load.tally();
    report(&tally, size, began.elapsed(), virtual_time);
    check(&tally, size);
    tally.most_at_once
}

/// The invariants.
fn check(tally: &Tally, size: Size) {
    let of_functions = (tally.unended, tally.repeated);
    assert_eq!(of_functions, (0, 0), "every function's calls run, as many as there are: none is lost, none runs twice");
    assert_eq!(tally.runs, size.calls() as u64, "and what was begun was ended");
    assert_eq!(tally.over_limit, 0, "calls that began although as many ran as the limit allows ({})", size.limit());
    assert_eq!(tally.drained, size.drains as u64, "workers that went in good order");
    assert!(tally.slowest_drain <= crowd::GRACE + Duration::from_secs(3), "a drain took {:?}", tally.slowest_drain);
    assert!(tally.unfairness <= TOLERANCE, "a tenant was {:.1} % from its share", 100.0 * tally.unfairness);
    assert!(tally.in_use >= IN_USE, "calls ran in {:.1} % of the slots", 100.0 * tally.in_use);
}

fn report(tally: &Tally, size: Size, took: Duration, virtual_time: Duration) {
    let per = |count: usize| took.as_secs_f64() * 1e6 / count as f64;
    eprintln!("{size:?}: {} calls", size.calls());
    eprintln!("  took {took:.1?} for {virtual_time:.0?} of virtual time: {:.1} µs a call", per(size.calls()));
    let (active, limit, most) = (size.active_each(), size.limit(), tally.most_at_once);
    eprintln!("  active at once: {active} functions of each tenant, limit {limit} each, of which {most} ran");
    eprintln!("  a tenant was at most {:.1} % from its share of slot-time", 100.0 * tally.unfairness);
    eprintln!("  calls ran in at least {:.1} % of the slots of each queue", 100.0 * tally.in_use);
    eprintln!("  {} drains, the slowest took {:.1?}", tally.drained, tally.slowest_drain);
    eprintln!("  memory: {} MB with all workers idle, {} MB at most", tally.idle_mb, tally.most_mb);
}

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn two_hundred_functions_share_twenty_workers() {
    let most =
        run(Size { workers: 20, queues: 2, tenants: 10, functions: 200, calls_each: 100, permits: 8, drains: 10 });
    assert_eq!(most, 16, "the limit is reached");
}

#[test]
fn two_calls_of_a_function_for_each_worker_are_enough_to_be_fair() {
    let most = run(Size { workers: 20, queues: 2, tenants: 10, functions: 400, calls_each: 20, permits: 8, drains: 6 });
    assert_eq!(most, 11, "the limit is reached");
}

#[test]
#[ignore = "a figure, and takes many minutes: cargo test --release -p tests --test sim scale -- --ignored --nocapture"]
fn a_hundred_thousand_functions_share_a_thousand_workers() {
    let workers = number("FABRIC_SIM_WORKERS", 1000);
    run(Size {
        workers,
        queues: number("FABRIC_SIM_QUEUES", 20),
        tenants: number("FABRIC_SIM_TENANTS", 100),
        functions: number("FABRIC_SIM_FUNCTIONS", 100_000),
        calls_each: number("FABRIC_SIM_CALLS_EACH", 100),
        permits: number("FABRIC_SIM_PERMITS", 8),
        drains: number("FABRIC_SIM_DRAINS", workers / 3),
    });
}
