//! The arithmetic under load: functions that always have work, with calls of their own length.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proto::{Function, LaneKey, Queue};

use super::group::quick_within;
use super::{BRIEF, Share, Short, Standing, Standings, Wish};

/// A function that has more work than permits, always or now and then.
#[derive(Clone, Copy, Debug)]
struct Load {
    namespace: u8,
    weight: u32,
    call: Duration,
    /// How long it has work, and how long it has none then; absent if it always has.
    turns: Option<(Duration, Duration)>,
}

/// What happens, to which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A call ends.
    Ends(usize),
    /// It has work from now on, or has none.
    Turns(usize),
}

struct Run {
    share: Share,
    began: Instant,
    now: Instant,
    lanes: Vec<(LaneKey, Load)>,
    events: BinaryHeap<Reverse<(Instant, Event)>>,
    /// Whether each has work.
    works: Vec<bool>,
    /// The slot-time of each function since `began`, and when it last began a call.
    used: Vec<Duration>,
    last: Vec<Instant>,
    longest_wait: Duration,
    steps: u32,
}

impl Run {
    fn new(total: u32, loads: &[Load]) -> Self {
        let now = tokio::time::Instant::now().into_std();
        let lane = |(n, load): (usize, &Load)| {
            let function = Function::parse(&format!("f{n}.n{}", load.namespace)).unwrap();
            (LaneKey::new(Queue::default(), function), *load)
        };
        let mut run = Self {
            share: Share::new(total, now),
            began: now,
            now,
            lanes: loads.iter().enumerate().map(lane).collect(),
            events: BinaryHeap::new(),
            works: vec![true; loads.len()],
            used: vec![Duration::ZERO; loads.len()],
            last: vec![now; loads.len()],
            longest_wait: Duration::ZERO,
            steps: 0,
        };
        for (index, load) in loads.iter().enumerate() {
            run.wish(index);
            run.events.extend(load.turns.map(|(with, _)| Reverse((now + with, Event::Turns(index)))));
        }
        run.grant();
        run
    }

    fn wish(&mut self, index: usize) {
        let (lane, load) = &self.lanes[index];
        let function = Standing { weight: load.weight, cap: None };
        let standings = Standings { function, ..Standings::default() };
        let count = if self.works[index] { 1000 } else { 0 };
        self.share.want(
            lane,
            Wish { count, brief: load.call <= BRIEF, quick: load.call <= quick_within(self.share.total()), standings },
            self.now,
        );
    }

    fn grant(&mut self) {
        for (lane, count) in self.share.grants(self.now) {
            let index = self.lanes.iter().position(|it| it.0 == lane).unwrap();
            for _ in 0..count {
                self.begin(index);
            }
            self.wish(index);
        }
    }

    fn begin(&mut self, index: usize) {
        let call = self.lanes[index].1.call;
        self.longest_wait = self.longest_wait.max(self.now - self.last[index]);
        self.last[index] = self.now;
        self.used[index] += call;
        self.events.push(Reverse((self.now + call, Event::Ends(index))));
    }

    /// Runs on, and begins counting once `warm` is over.
    fn run(&mut self, warm: Duration, for_: Duration) {
        let (start, mut counting) = (self.began, false);
        while let Some(Reverse((at, event))) = self.events.pop() {
            self.now = at;
            if !counting && at > start + warm {
                counting = true;
                self.used.fill(Duration::ZERO);
            }
            if at > start + warm + for_ {
                return;
            }
            match event {
                Event::Ends(index) => self.end(index),
                Event::Turns(index) => self.turn(index),
            }
            // Each is looked at for that: of many, now and then is often enough.
            self.steps += 1;
            if self.lanes.len() <= 10 || self.steps.is_multiple_of(61) {
                self.check();
            }
        }
    }

    fn end(&mut self, index: usize) {
        let (lane, load) = &self.lanes[index];
        let quick = load.call <= quick_within(self.share.total());
        if self.works[index] && self.share.may_keep(lane, quick, self.now) {
            self.begin(index);
        } else {
            self.share.returned(lane, 1, self.now);
            self.grant();
        }
    }

    fn turn(&mut self, index: usize) {
        self.works[index] = !self.works[index];
        if let Some((with, without)) = self.lanes[index].1.turns {
            let after = if self.works[index] { with } else { without };
            self.events.push(Reverse((self.now + after, Event::Turns(index))));
        }
        self.wish(index);
        self.grant();
    }

    /// Nothing is free that somebody could have, nothing is lost or made, and nobody is passed over.
    fn check(&self) {
        assert!(self.share.root.is_in_order(self.share.group_len(), self.now));
        let long = |load: &Load| load.call > BRIEF;
        let heavy: u32 = self.lanes.iter().filter(|it| long(&it.1)).map(|it| self.share.held(&it.0)).sum();
        let only_long = self.lanes.iter().zip(&self.works).all(|(it, works)| !works || long(&it.1));
        let reserved = only_long && heavy >= self.share.total() - self.share.total() / 8;
        // Of many with quick calls one waits until there are enough for a group.
        let none_to_have = self.share.free() < self.share.group_len();
        assert!(none_to_have || reserved, "{} free while all wait", self.share.free());
        let held: u32 = self.lanes.iter().map(|(lane, _)| self.share.held(lane)).sum();
        assert_eq!(held + self.share.free(), self.share.total());
    }

    fn shares(&self) -> Vec<f64> {
        let all: Duration = self.used.iter().sum();
        self.used.iter().map(|used| used.as_secs_f64() / all.as_secs_f64()).collect()
    }
}

fn load(weight: u32, call: Duration) -> Load {
    Load { namespace: 0, weight, call, turns: None }
}

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(10);

/// What each is due if long calls have at most seven eighths; the first call of a function may have more.
fn due_by_reserve(total: u32, loads: &[Load]) -> Vec<f64> {
    let weight = |long: bool| -> f64 {
        loads.iter().filter(|load| (load.call > BRIEF) == long).map(|load| f64::from(load.weight)).sum()
    };
    let (brief, long) = (weight(false), weight(true));
    let most = f64::from(total - total / 8) / f64::from(total);
    let for_long = if brief > 0.0 { (long / (long + brief)).min(most) } else { 1.0 };
    let share = |load: &Load| match load.call > BRIEF {
        true => f64::from(load.weight) / long * for_long,
        false => f64::from(load.weight) / brief * (1.0 - for_long),
    };
    loads.iter().map(share).collect()
}

/// Every share within a tenth of what its weight is of all weights, or of that and of what the reserve makes of it.
fn assert_fair(total: u32, loads: &[Load]) -> Run {
    let mut run = Run::new(total, loads);
    run.run(Duration::from_secs(60), Duration::from_secs(2000));
    let weights: u32 = loads.iter().map(|load| load.weight).sum();
    for ((load, share), reserved) in loads.iter().zip(run.shares()).zip(due_by_reserve(total, loads)) {
        let due = f64::from(load.weight) / f64::from(weights);
        let (least, most) = (0.9 * due.min(reserved), 1.1 * due.max(reserved));
        assert!((least..=most).contains(&share), "{total} permits, {load:?}: {share:.3} not {least:.3}..={most:.3}");
    }
    run
}

#[test]
fn long_calls_get_no_more_than_short_ones() {
    for total in [2, 3, 8, 64] {
        assert_fair(total, &[load(1, SHORT), load(1, LONG)]);
    }
}

#[test]
fn weights_hold_also_where_there_are_fewer_permits_than_functions() {
    for total in [1, 2, 3, 5, 8, 64] {
        assert_fair(total, &[load(1, SHORT), load(2, LONG), load(3, SHORT), load(1, LONG), load(4, SHORT)]);
    }
}

#[test]
fn a_newcomer_has_its_share_within_a_second() {
    let mut run = Run::new(32, &[load(1, SHORT), load(1, SHORT)]);
    let (newcomer, _) = run.lanes.pop().unwrap();
    run.share.gone(&newcomer, run.now);
    run.used.pop();
    // Alone at first: what the newcomer held has gone home as its calls ended.
    let held = run.share.held(&newcomer);
    run.share.returned(&newcomer, held, run.now);
    run.events.retain(|Reverse((_, event))| *event == Event::Ends(0));
    run.wish(0);
    run.grant();
    run.run(Duration::ZERO, Duration::from_secs(5));
    assert_eq!(run.share.held(&run.lanes[0].0), 32);

    run.lanes.push((newcomer, load(1, SHORT)));
    run.used.push(Duration::ZERO);
    run.wish(1);
    run.grant();
    run.began = run.now;
    run.run(Duration::ZERO, Duration::from_secs(1));
    assert!((15..=17).contains(&run.share.held(&run.lanes[1].0)));
}

#[test]
fn who_comes_and_goes_has_its_share_of_the_time_it_is_there() {
    let ms = Duration::from_millis;
    for (call, steady) in [(100, 100), (100, 500), (100, 2500), (500, 100), (500, 2500), (2500, 100), (2500, 500)] {
        for (with, without) in [(1070u32, 930u32), (1090, 230), (2510, 530), (3130, 2870)] {
            let always = (0..4).map(|namespace| Load { namespace, ..load(1, ms(steady)) });
            let comes_and_goes =
                Load { namespace: 4, turns: Some((ms(with.into()), ms(without.into()))), ..load(1, ms(call)) };
            let mut run = Run::new(8, &always.chain([comes_and_goes]).collect::<Vec<_>>());
            run.run(Duration::from_secs(60), Duration::from_secs(2000));
            // At most what it would have if it were always there: its last calls outlast its work.
            let (due, most) = (f64::from(with) / f64::from(with + without) / 5.0, 0.2);
            let share = run.shares()[4];
            let told = format!("calls of {call} beside {steady}, {with} with work, {without} without (ms)");
            assert!((0.9 * due..=1.05 * most).contains(&share), "{told}: {share:.3}, due {due:.3}");
        }
    }
}

#[test]
fn a_namespace_of_many_functions_gets_no_more_than_one_of_one() {
    let mut loads = vec![Load { namespace: 1, ..load(1, SHORT) }; 9];
    loads.push(Load { namespace: 2, ..load(1, LONG) });
    let mut run = Run::new(16, &loads);
    run.run(Duration::from_secs(60), Duration::from_secs(3000));
    let single = run.shares()[9];
    assert!((0.45..=0.55).contains(&single), "{single}");
}

#[test]
fn quick_calls_of_many_functions_are_served_in_groups_and_fairly() {
    for (total, quicker, slower, secs) in [(64, 2, 6, 2), (256, 5, 25, 4)] {
        let mut loads = vec![load(1, Duration::from_millis(quicker)); 150];
        loads.extend(vec![load(1, Duration::from_millis(slower)); 50]);
        let mut run = Run::new(total, &loads);
        run.run(Duration::from_secs(secs), Duration::from_secs(3 * secs));
        for (load, share) in loads.iter().zip(run.shares()) {
            assert!((0.8..=1.2).contains(&(share * 200.0)), "{load:?}: {share:.5} of the time");
        }
        let served = run.lanes.iter().map(|(lane, _)| run.share.held(lane)).filter(|held| *held > 0).count();
        assert!(served <= 32, "{served} functions are served at once");
    }
}

#[test]
fn a_namespaces_cap_holds_for_all_its_functions_and_for_nobody_else() {
    let now = tokio::time::Instant::now().into_std();
    let mut share = Share::new(64, now);
    let lane = |name: &str| LaneKey::new(Queue::default(), Function::parse(name).unwrap());
    let capped = Standings { namespace: Standing { weight: 1, cap: Some(3) }, ..Standings::default() };
    for name in ["a.acme", "b.acme"] {
        share.want(&lane(name), Wish { count: 10, standings: capped, ..Wish::default() }, now);
    }
    share.want(&lane("c.other"), Wish { count: 10, ..Wish::default() }, now);
    let granted = share.grants(now);
    let of_acme: u32 = granted.iter().filter(|it| it.0.function.namespace().as_str() == "acme").map(|it| it.1).sum();
    assert_eq!((of_acme, share.held(&lane("c.other"))), (3, 10));
    assert_eq!((share.short_of(&lane("a.acme")), share.short_of(&lane("c.other"))), (Some(Short::Namespace), None));
}

#[test]
fn nobody_waits_for_more_than_his_cap_lets_him_have() {
    let now = tokio::time::Instant::now().into_std();
    let mut share = Share::new(64, now);
    let standings = Standings { function: Standing { weight: 1, cap: Some(1) }, ..Standings::default() };
    let lanes: Vec<LaneKey> =
        (0..100).map(|n| LaneKey::new(Queue::default(), Function::parse(&format!("f{n}")).unwrap())).collect();
    for lane in &lanes {
        share.want(lane, Wish { count: 10, brief: true, quick: true, standings }, now);
    }
    assert_eq!(share.grants(now).len(), 64, "the last are not enough for a group, and nobody can have one");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn shares_follow_weights_and_nobody_starves(
        total in 1u32..40,
        loads in prop::collection::vec((1u32..5, 100u64..10_000).prop_map(|(w, ms)| load(w, Duration::from_millis(ms))), 2..8),
    ) {
        let run = assert_fair(total, &loads);
        let weights: u32 = loads.iter().map(|load| load.weight).sum();
        // Its turn comes at the latest after everybody's longest call, as often as its weight makes it wait.
        let bound = LONG * (weights + 2);
        prop_assert!(run.longest_wait <= bound, "{:?}", run.longest_wait);
    }
}

/// Anything that may happen to a share.
#[derive(Clone, Copy, Debug)]
enum Step {
    Wants { count: u32, brief: bool, quick: bool, weights: [u32; 3], caps: [Option<u32>; 3] },
    Idles,
    Returns(u32),
    Goes,
    Waits(u64),
}

fn steps() -> impl Strategy<Value = Step> {
    let cap = prop_oneof![3 => Just(None), 1 => (0u32..12).prop_map(Some)];
    let wants = (0u32..40, any::<bool>(), any::<bool>(), [1u32..4, 1..4, 1..4], [cap.clone(), cap.clone(), cap]);
    prop_oneof![
        4 => wants.prop_map(|(count, brief, quick, weights, caps)| Step::Wants { count, brief, quick, weights, caps }),
        1 => Just(Step::Idles),
        4 => (1u32..10).prop_map(Step::Returns),
        1 => Just(Step::Goes),
        2 => (0u64..2000).prop_map(Step::Waits),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever happens: nobody is passed over, no cap is broken by a grant, and what is held is what was granted.
    #[test]
    fn whoever_is_first_in_line_is_first_of_all(
        total in prop_oneof![1u32..20, 64u32..300],
        steps in prop::collection::vec((0usize..24, steps()), 1..150),
    ) {
        let mut now = tokio::time::Instant::now().into_std();
        let mut share = Share::new(total, now);
        let lanes: Vec<LaneKey> = (0..24).map(|n| {
            let function = Function::parse(&format!("f{n}.n{}", n % 5)).unwrap();
            LaneKey::new(Queue::parse(["a", "b"][n % 2]).unwrap(), function)
        }).collect();
        for (n, step) in steps {
            let lane = &lanes[n];
            match step {
                Step::Wants { count, brief, quick, weights, caps } => {
                    let standing = |at: usize| Standing { weight: weights[at], cap: caps[at] };
                    let standings = Standings { queue: standing(0), namespace: standing(1), function: standing(2) };
                    share.want(lane, Wish { count, brief, quick, standings }, now);
                }
                Step::Idles => drop(share.may_idle(lane, Wish::default(), now)),
                Step::Returns(count) => share.returned(lane, count.min(share.held(lane)), now),
                Step::Goes => share.gone(lane, now),
                Step::Waits(millis) => now += Duration::from_millis(millis),
            }
            for (lane, count) in share.grants(now) {
                prop_assert!(share.held(&lane) >= count);
            }
            prop_assert!(share.root.is_in_order(share.group_len(), now));
            let held: u32 = lanes.iter().map(|lane| share.held(lane)).sum();
            prop_assert_eq!(held + share.free(), total);
        }
    }
}
