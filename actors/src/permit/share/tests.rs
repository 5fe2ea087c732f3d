//! Who gets how many permits.

use proto::{Function, Queue};

use super::*;

fn lane(name: &str) -> LaneKey {
    LaneKey::new(Queue::default(), Function::parse(name).unwrap())
}

fn wish(count: u32) -> Wish {
    Wish { count, ..Wish::default() }
}

fn share(total: u32) -> (Share, Instant) {
    let now = tokio::time::Instant::now().into_std();
    (Share::new(total, now), now)
}

#[test]
fn what_is_free_is_split_by_weight() {
    let (mut share, now) = share(80);
    let standing = |weight| Standing { weight, cap: None };
    for (name, weight) in [("a", 1), ("b", 2), ("c", 4)] {
        let standings = Standings { function: standing(weight), ..Standings::default() };
        share.want(&lane(name), Wish { count: 100, standings, ..Wish::default() }, now);
    }
    let grants: Vec<u32> = share.grants(now).into_iter().map(|(_, count)| count).collect();
    assert_eq!(grants, [10, 20, 40], "the reserve of ten stays");
}

#[test]
fn many_with_quick_calls_get_their_permits_in_groups() {
    let (mut share, now) = share(64);
    let lanes: Vec<LaneKey> = (0..100).map(|n| lane(&format!("f{n}"))).collect();
    for lane in &lanes {
        share.want(lane, Wish { count: 10, brief: true, quick: true, ..Wish::default() }, now);
    }
    let grants = share.grants(now);
    assert_eq!(grants.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [8; 8]);
    share.want(&grants[0].0, Wish::default(), now);
    share.returned(&grants[0].0, 1, now);
    assert!(share.grants(now).is_empty(), "one waits for others, for a moment");
    assert_eq!(share.grants(now + KEPT_BACK).len(), 1);
}

#[test]
fn quick_calls_with_less_than_a_group_stand_in_line_for_one() {
    let (mut share, now) = share(64);
    let lanes: Vec<LaneKey> = (0..100).map(|n| lane(&format!("f{n}"))).collect();
    let wish = |count, quick| Wish { count, brief: true, quick, ..Wish::default() };
    for lane in &lanes {
        share.want(lane, wish(10, false), now);
    }
    assert!(share.grants(now).iter().all(|(_, count)| *count == 1), "nothing is known of their calls");
    let first = &lanes[0];
    assert!(share.may_keep(first, true, now), "where slow calls hold the others, no group would come of it");
    assert!(!share.is_short_of_cpu());
    for lane in &lanes[..40] {
        share.want(lane, wish(10, true), now);
    }
    assert!(share.is_short_of_cpu());
    assert!(share.may_keep(first, false, now));
    assert!(!share.may_keep(first, true, now), "one of eight");
    share.want(first, wish(0, true), now);
    assert!(share.may_keep(first, true, now), "there is no use for more");
    assert!(share.held(first) == 1 && share.held(&lanes[64]) == 0);
    let capped = Standings { function: Standing { weight: 1, cap: Some(4) }, ..Standings::default() };
    share.want(first, Wish { standings: capped, ..wish(10, true) }, now);
    assert!(share.may_keep(first, true, now), "nor may it have more");
}

#[test]
fn a_namespace_shares_as_one_however_many_functions_it_has() {
    let (mut share, now) = share(80);
    for name in ["a.one", "b.one", "c.one", "d.two"] {
        share.want(&lane(name), wish(100), now);
    }
    share.grants(now);
    let held: Vec<u32> = ["a.one", "b.one", "c.one", "d.two"].iter().map(|name| share.held(&lane(name))).collect();
    assert_eq!(held.iter().take(3).sum::<u32>(), 35);
    assert_eq!(held.last(), Some(&35));
}

#[test]
fn a_lone_function_gets_nearly_all_and_a_newcomer_starts_at_once() {
    let (mut share, now) = share(64);
    share.want(&lane("hog"), wish(1000), now);
    assert_eq!(share.grants(now), [(lane("hog"), 64 - 8)]);
    share.want(&lane("new"), wish(1), now);
    assert_eq!(share.grants(now), [(lane("new"), 1)]);
    assert!(share.may_keep(&lane("hog"), false, now), "nobody else waits");
}

#[test]
fn brief_calls_may_have_all() {
    let (mut share, now) = share(64);
    share.want(&lane("quick"), Wish { count: 1000, brief: true, ..Wish::default() }, now);
    share.grants(now);
    assert_eq!(share.free(), 0);
    assert_eq!(share.short_of(&lane("quick")), Some(Short::Worker));
}

#[test]
fn a_hog_gives_way_call_by_call_until_shares_are_even() {
    let (mut share, now) = share(64);
    share.want(&lane("hog"), wish(1000), now);
    share.grants(now);
    share.want(&lane("new"), wish(100), now);
    share.grants(now);
    let mut moved = 0;
    while !share.may_keep(&lane("hog"), false, now) {
        share.returned(&lane("hog"), 1, now);
        moved += share.grants(now).len();
    }
    assert_eq!((share.held(&lane("hog")), share.held(&lane("new"))), (28, 28), "the reserve fills up first");
    assert_eq!(moved, 27);
}

#[test]
fn a_cap_holds_and_what_is_behind_it_is_out_of_the_way() {
    let (mut share, now) = share(64);
    let capped = Standings { queue: Standing { weight: 1, cap: Some(3) }, ..Standings::default() };
    share.want(&lane("a"), Wish { count: 10, standings: capped, ..Wish::default() }, now);
    assert_eq!(share.grants(now), [(lane("a"), 3)]);
    assert!(!share.is_contended(), "who waits behind a cap waits for nobody's permit");
    assert_eq!(share.short_of(&lane("a")), Some(Short::Queue));
    share.returned(&lane("a"), 1, now);
    assert_eq!(share.grants(now), [(lane("a"), 1)]);
    let lowered = Standings { queue: Standing { weight: 1, cap: Some(2) }, ..Standings::default() };
    share.want(&lane("a"), Wish { count: 10, standings: lowered, ..Wish::default() }, now);
    assert!(!share.may_keep(&lane("a"), false, now), "over a cap that was lowered");
}

#[test]
fn an_idle_function_takes_nothing_from_a_busy_one() {
    let (mut share, now) = share(8);
    assert!((0..4).all(|n| share.may_idle(&lane(&format!("f{n}")), Wish::default(), now)));
    assert!(!share.may_idle(&lane("f4"), Wish::default(), now), "half of all permits stay free");
    share.want(&lane("busy"), Wish { count: 8, brief: true, ..Wish::default() }, now);
    share.grants(now);
    assert!(!share.may_idle(&lane("f5"), Wish::default(), now), "not before somebody who has work");
    assert_eq!(share.idlers().len(), 4, "who only waits is asked to let go");
    assert_eq!(share.idlers().len(), 0, "once");
}

#[test]
fn a_call_could_start_where_a_permit_is_only_waited_with() {
    let (mut share, now) = share(2);
    let busy = |count| Wish { count, brief: true, ..Wish::default() };
    assert!(share.could_start() && share.may_idle(&lane("f"), Wish::default(), now));
    share.want(&lane("busy"), busy(1), now);
    share.grants(now);
    assert!(share.free() == 0 && share.could_start());
    share.want(&lane("busy"), busy(1), now);
    share.grants(now);
    share.idlers();
    share.returned(&lane("f"), 1, now);
    share.grants(now);
    assert_eq!(share.held(&lane("busy")), 2);
    assert!(!share.could_start());
}

#[test]
fn a_cap_holds_for_idle_ones_too() {
    let (mut share, now) = share(64);
    let capped = Standings { queue: Standing { weight: 1, cap: Some(1) }, ..Standings::default() };
    let capped = Wish { standings: capped, ..Wish::default() };
    assert!(share.may_idle(&lane("a"), capped, now));
    assert!(!share.may_idle(&lane("b"), capped, now));
}

#[test]
fn who_is_gone_and_ahead_does_not_begin_anew_at_once_and_who_is_not_is_forgotten() {
    let (mut share, now) = share(2);
    for name in ["a", "b", "c"] {
        share.want(&lane(name), wish(1), now);
    }
    share.grants(now);
    let later = now + Duration::from_secs(10);
    share.returned(&lane("a"), 1, later);
    share.gone(&lane("a"), later);
    assert_eq!(share.grants(later), [(lane("c"), 1)]);
    share.want(&lane("a"), wish(1), later);
    share.want(&lane("d"), wish(1), later);
    share.returned(&lane("c"), 1, later);
    assert_eq!(share.grants(later), [(lane("d"), 1)], "it has had its ten seconds");
    share.gone(&lane("a"), later);
    for name in ["b", "d"] {
        share.returned(&lane(name), 1, later);
        share.gone(&lane(name), later);
    }
    assert_eq!(share.root.count(), 1, "nothing is kept of nobody");
}
