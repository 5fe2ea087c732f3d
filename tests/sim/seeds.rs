//! Runs seeds, and says how to run one again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::ledger::Broken;
use crate::plan::Plan;
use crate::world;

/// How many seeds are run if nobody says otherwise.
const SEEDS: u64 = 3000;
/// How long one may take by the clock on the wall: longer means that it goes round in circles.
const REAL_TIME: Duration = Duration::from_secs(60);

thread_local! {
    /// What panicked in the world that this thread runs; nothing if it runs none.
    static PANIC: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// How a seed went.
type Went = Result<(u64, u64), Broken>;

/// Runs one.
fn run(seed: u64, loud: bool) -> Went {
    run_plan(Plan::of(seed), loud)
}

fn run_plan(plan: Plan, loud: bool) -> Went {
    PANIC.set(Some(Vec::new()));
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let lived = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let ledger = world::live(plan, loud).await;
            (ledger.broken(), ledger.sum(), ledger.now())
        })
    }));
    drop(runtime);
    let panics = PANIC.take().unwrap_or_default();
    let panicked = |at| panics.into_iter().next().map(|what| Broken { invariant: "nothing panics", what, at });
    let (broken, sum, at) = lived.unwrap_or((None, (0, 0), Duration::ZERO));
    // A panic that was caught in a task is one all the same.
    match panicked(at).or(broken) {
        Some(broken) => Err(broken),
        None => Ok(sum),
    }
}

fn heed_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANIC.with_borrow_mut(|panics| match panics {
            Some(panics) => panics.push(info.to_string().replace('\n', " ")),
            None => before(info),
        });
    }));
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, not a number")))
}

fn verdict(seed: u64, Broken { invariant, what, at }: &Broken) -> String {
    format!("FABRIC_SIM_SEED={seed} ./tests/run --test sim   # broken: {invariant}: {what}, at {at:.3?}")
}

/// Runs all of `seeds` on every core, and gives the first that fails.
fn run_all(seeds: std::ops::Range<u64>) -> Result<u64, String> {
    let (next, events) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
    let failed = Mutex::new(BTreeMap::new());
    let running = Arc::<Mutex<BTreeMap<usize, (u64, Instant)>>>::default();
    watch_over(&running);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (next, events, failed, running, seeds) = (&next, &events, &failed, &running, &seeds);
            scope.spawn(move || {
                while failed.lock().unwrap().is_empty() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    running.lock().unwrap().insert(thread, (seed, Instant::now()));
                    match run(seed, false) {
                        Ok((count, _)) => drop(events.fetch_add(count, Ordering::Relaxed)),
                        Err(broken) => drop(failed.lock().unwrap().insert(seed, verdict(seed, &broken))),
                    }
                }
                running.lock().unwrap().remove(&thread);
            });
        }
    });
    match failed.into_inner().unwrap().into_values().next() {
        Some(verdict) => Err(verdict),
        None => Ok(events.into_inner()),
    }
}

/// A world that goes round in circles never comes back: the process ends, and says which it was.
fn watch_over(running: &Arc<Mutex<BTreeMap<usize, (u64, Instant)>>>) {
    let running = Arc::downgrade(running);
    std::thread::spawn(move || {
        while let Some(running) = running.upgrade() {
            for (seed, since) in running.lock().unwrap().values() {
                if since.elapsed() > REAL_TIME {
                    let broken = Broken { invariant: "time goes on", what: "it hangs".into(), at: Duration::ZERO };
                    eprintln!("{}", verdict(*seed, &broken));
                    std::process::exit(101);
                }
            }
            drop(running);
            std::thread::sleep(Duration::from_millis(500));
        }
    });
}

#[test]
fn every_seed_keeps_every_invariant() {
    heed_panics();
    if let Some(seed) = number("FABRIC_SIM_SEED") {
        eprintln!("{:#?}", Plan::of(seed));
        if let Err(broken) = run(seed, true) {
            panic!("{}", verdict(seed, &broken));
        }
        return;
    }
    let (from, count) = (number("FABRIC_SIM_FROM").unwrap_or(0), number("FABRIC_SIM_SEEDS").unwrap_or(SEEDS));
    let began = Instant::now();
    match run_all(from..from + count) {
        Ok(events) => eprintln!("{count} seeds, {events} events, {:.1?}", began.elapsed()),
        Err(verdict) => panic!("{verdict}"),
    }
}

#[test]
fn a_seed_tells_everything_that_happens() {
    for seed in 0..20 {
        assert_eq!(run(seed, false), run(seed, false), "seed {seed}");
    }
    assert_ne!(run(1, false), run(2, false));
}
