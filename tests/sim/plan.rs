//! A seed as data: who is there, what is called, what goes wrong and when (pure).

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::faults::{self, Fault};
use crate::functions::Kind;

/// One world.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What it was made of.
    pub(crate) seed: u64,
    /// How many workers there are at first.
    pub(crate) workers: usize,
    /// How many calls each runs at once.
    pub(crate) permits: u32,
    /// Whether one function has more to do than all workers together can.
    pub(crate) hog: bool,
    /// How long its calls may take to finish in a drain.
    pub(crate) grace: Duration,
    /// How long a message is under way at the most, each way.
    pub(crate) latency: Duration,
    /// The functions. The first is the quiet one: it is healthy and has no limit, and nothing may make it wait.
    pub(crate) functions: Vec<Function>,
    /// The calls, by when they are made.
    pub(crate) calls: Vec<(Duration, Call)>,
    /// What goes wrong, by when.
    pub(crate) faults: Vec<(Duration, Fault)>,
}

/// A function.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// What it is called by.
    pub(crate) name: String,
    /// How it behaves.
    pub(crate) kind: Kind,
    /// How many of its calls may run at once, in all workers.
    pub(crate) limit: Option<u32>,
    /// How often a call of it may run and answer.
    pub(crate) attempts: u32,
    /// How long one may take.
    pub(crate) timeout: Duration,
}

/// A call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Of which function.
    pub(crate) function: usize,
    /// Whether its caller wants to hear how it ended.
    pub(crate) callback: bool,
    /// How long it waits first.
    pub(crate) delay: Option<Duration>,
    /// After how long it is not worth starting.
    pub(crate) expires: Option<Duration>,
    /// After how long its caller does not want it any more.
    pub(crate) cancel: Option<Duration>,
}

/// Which function is the quiet one.
pub(crate) const QUIET: usize = 0;

/// How long calls are made.
const SPAN: Duration = Duration::from_secs(60);

impl Plan {
    /// The world of a seed.
    #[must_use]
    pub(crate) fn of(seed: u64) -> Self {
        let mut luck = SmallRng::seed_from_u64(seed);
        let others = luck.random_range(2..7);
        let mut functions = vec![Function::quiet()];
        functions.extend((1..=others).map(|n| Function::draw(&mut luck, n)));
        let hog = Hog::of(seed);
        if let Some(Hog { kind }) = hog
            && let Some(function) = functions.last_mut()
        {
            (function.kind, function.limit, function.timeout) = (kind, None, Duration::from_secs(60));
        }
        let mut calls = Vec::new();
        for (index, function) in functions.iter().enumerate() {
            let mut arrivals = arrivals(&mut luck, function.kind);
            if index == QUIET {
                apart(&mut arrivals);
            }
            calls.extend(arrivals.into_iter().map(|at| (at, Call::draw(&mut luck, index))));
        }
        // What is kept free for those who have none must be enough for every function at once.
        let reserve = u32::try_from(functions.len() + 1).unwrap_or(u32::MAX);
        let (workers, permits) = (luck.random_range(1..=3), 8 * reserve);
        if hog.is_some() {
            let (function, count) = (functions.len() - 1, workers * permits as usize + 20);
            let call = Call { function, callback: false, delay: None, expires: None, cancel: None };
            calls.extend(std::iter::repeat_n((SPAN / 8, call), count));
        }
        calls.sort_by_key(|(at, _)| *at);
        Self {
            seed,
            workers,
            permits,
            hog: hog.is_some(),
            grace: Duration::from_secs(luck.random_range(1..60)),
            latency: Duration::from_millis([0, 1, 5, 40][luck.random_range(0..4)]),
            faults: faults::schedule(&mut luck, SPAN + SPAN / 3, functions.len()),
            functions,
            calls,
        }
    }
}

/// In some worlds one function has more to do than all workers together can.
struct Hog {
    kind: Kind,
}

impl Hog {
    fn of(seed: u64) -> Option<Self> {
        let mut luck = SmallRng::seed_from_u64(!seed);
        let kind = [Kind::Slow, Kind::Long][luck.random_range(0..2)];
        luck.random_ratio(1, 4).then_some(Self { kind })
    }
}

impl Function {
    fn quiet() -> Self {
        let (name, timeout) = ("quiet".to_owned(), Duration::from_secs(10));
        Self { name, kind: Kind::Quick, limit: None, attempts: 3, timeout }
    }

    /// Where it is: its name without the namespace.
    #[must_use]
    pub(crate) fn host(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }

    fn draw(luck: &mut SmallRng, n: usize) -> Self {
        let kind = Kind::ALL[luck.random_range(0..Kind::ALL.len())];
        Self {
            name: format!("f{n}{}", if luck.random_bool(0.3) { ".other" } else { "" }),
            kind,
            limit: luck.random_bool(0.5).then(|| luck.random_range(1..6)),
            attempts: luck.random_range(2..5),
            timeout: if kind == Kind::Long { Duration::from_secs(60) } else { Duration::from_secs(8) },
        }
    }
}

impl Call {
    fn draw(luck: &mut SmallRng, function: usize) -> Self {
        let mut some = |odds, to: u64| luck.random_bool(odds).then(|| Duration::from_millis(luck.random_range(0..to)));
        if function == QUIET {
            return Self { function, callback: false, delay: None, expires: None, cancel: None };
        }
        let (delay, expires, cancel) = (some(0.1, 20_000), some(0.05, 30_000), some(0.08, 30_000));
        Self { function, callback: luck.random_bool(0.3), delay, expires, cancel }
    }
}

/// When a function is called: now and then, or all at once.
fn arrivals(luck: &mut SmallRng, kind: Kind) -> Vec<Duration> {
    let most = if kind == Kind::Long { 5 } else { 40 };
    let count = luck.random_range(1..=most);
    if luck.random_bool(0.3) {
        return vec![SPAN.mul_f64(luck.random_range(0.0..0.5)); count];
    }
    (0..count).map(|_| SPAN.mul_f64(luck.random())).collect()
}

/// Only now and then after all: who calls a function a lot at once waits for his own calls.
fn apart(arrivals: &mut [Duration]) {
    for (n, at) in (0u32..).zip(arrivals) {
        *at = *at / 4 + Duration::from_secs(1) * n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_world() {
        let text = |seed| format!("{:?}", Plan::of(seed));
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
    }
}
