//! Who waits for a connection, who gets it, and which ones are closed.

use super::*;

const LONG: Duration = Duration::from_secs(3600);
const MS: Duration = Duration::from_millis(1);
/// So few are kept that one is many.
const CROWDED: usize = 2;

/// One that is open, or has been closed by the other side.
struct Open(bool);

impl Reused for Open {
    fn is_free(&mut self) -> bool {
        self.0
    }
}

fn shelf(keep_max: usize) -> Arc<Shelf<Open>> {
    Arc::new(Shelf::new(LONG, keep_max))
}

fn origin(port: usize) -> Origin {
    (Scheme::HTTP, format!("f:{port}").parse().unwrap())
}

/// What must be made.
fn made(shelf: &Arc<Shelf<Open>>, port: usize) -> Use<Open> {
    match shelf.find(&origin(port), true) {
        Found::Nothing(used) => used,
        Found::Kept(..) | Found::Soon(_) => panic!("there should be none"),
    }
}

/// One for somebody who does not wait.
fn made_at_once(shelf: &Arc<Shelf<Open>>) -> Use<Open> {
    match shelf.find(&origin(0), false) {
        Found::Nothing(used) => used,
        Found::Kept(..) | Found::Soon(_) => panic!("there should be none"),
    }
}

fn soon(shelf: &Arc<Shelf<Open>>) -> Line<Open> {
    match shelf.find(&origin(0), true) {
        Found::Soon(line) => line,
        Found::Kept(..) | Found::Nothing(_) => panic!("there should be one soon"),
    }
}

fn is_kept(shelf: &Arc<Shelf<Open>>, port: usize) -> bool {
    matches!(shelf.find(&origin(port), false), Found::Kept(..))
}

#[tokio::test(start_paused = true)]
async fn so_many_take_turns_and_in_order() {
    let shelf = shelf(CROWDED);
    let mut used = made(&shelf, 0);
    let lines: Vec<_> = (1..TURNS).map(|_| soon(&shelf)).collect();
    let another = made(&shelf, 0);
    for line in lines {
        used.keep(Open(true));
        used = line.wait(LONG).await.expect("its turn").1;
    }
    used.keep(Open(true));
    another.keep(Open(true));
    assert_eq!(shelf.idle(), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_while_there_is_room() {
    let shelf = shelf(6);
    let all: Vec<_> = (0..3).map(|_| made(&shelf, 0)).collect();
    soon(&shelf);
    all.into_iter().for_each(|used| used.keep(Open(true)));
    assert_eq!(shelf.idle(), 3);
    assert!((0..3).all(|_| is_kept(&shelf, 0)), "to have many is no reason to wait for one");
}

#[tokio::test(start_paused = true)]
async fn who_has_no_patience_or_none_left_makes_one() {
    let shelf = shelf(CROWDED);
    let used = made(&shelf, 0);
    let _at_once = made_at_once(&shelf);
    let (impatient, patient) = (soon(&shelf), soon(&shelf));
    assert!(impatient.wait(MS).await.is_none());
    used.keep(Open(true));
    assert!(patient.wait(MS).await.is_some(), "whoever has left the line is passed over");
}

#[tokio::test(start_paused = true)]
async fn what_comes_at_the_last_moment_is_not_lost() {
    let shelf = shelf(CROWDED);
    let (used, line) = (made(&shelf, 0), soon(&shelf));
    used.keep(Open(true));
    assert!(line.leave().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_comes_to_one_who_is_cancelled_is_closed_and_the_next_makes_one() {
    let shelf = shelf(CROWDED);
    let (used, cancelled, next) = (made(&shelf, 0), soon(&shelf), soon(&shelf));
    used.keep(Open(true));
    drop(cancelled);
    assert!(next.wait(LONG).await.is_none());
    assert_eq!(shelf.idle(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_where_connections_are_closed() {
    let shelf = shelf(CROWDED);
    let (used, lines) = (made(&shelf, 0), [(); TURNS - 1].map(|()| soon(&shelf)));
    let another = made(&shelf, 0);
    drop(used);
    for line in lines {
        assert!(line.wait(LONG).await.is_none());
    }
    let third = made(&shelf, 0);
    another.keep(Open(true));
    third.keep(Open(true));
    assert_eq!(shelf.idle(), 2, "once one is kept they are worth waiting for again");
    drop([(); 2].map(|()| shelf.find(&origin(0), true)));
    assert_eq!(shelf.kept().to.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_those_who_would_not_wait() {
    let shelf = shelf(CROWDED);
    let slow = [(); 3].map(|()| made_at_once(&shelf));
    let quick = made(&shelf, 0);
    let lines = [(); TURNS - 1].map(|()| soon(&shelf));
    let another = made(&shelf, 0);
    // It is one of those that others take turns with from now on.
    let [slow, ..] = slow;
    slow.keep(Open(true));
    soon(&shelf);
    drop((quick, another, lines));
}

#[tokio::test(start_paused = true)]
async fn one_that_was_closed_meanwhile_is_not_found() {
    let shelf = shelf(CROWDED);
    let (one, other) = (made(&shelf, 0), made(&shelf, 1));
    one.keep(Open(false));
    other.keep(Open(true));
    assert!(!is_kept(&shelf, 0) && is_kept(&shelf, 1));
}

#[tokio::test(start_paused = true)]
async fn where_too_many_are_kept_each_origin_loses_some_but_not_its_last() {
    let shelf = shelf(9);
    let keep = |port: usize, count: usize| {
        let used: Vec<_> = (0..count).map(|_| shelf.find(&origin(port), false)).collect();
        for found in used {
            match found {
                Found::Nothing(used) | Found::Kept((_, used)) => used.keep(Open(true)),
                Found::Soon(_) => panic!("nobody waits"),
            }
        }
    };
    (0..5).for_each(|port| keep(port, 2));
    assert_eq!(shelf.idle(), 5);
    assert!((0..5).all(|port| is_kept(&shelf, port)));
}

#[tokio::test(start_paused = true)]
async fn where_each_has_one_the_older_half_goes() {
    let shelf = shelf(4);
    for port in 0..5 {
        made(&shelf, port).keep(Open(true));
        tokio::time::advance(MS).await;
    }
    assert_eq!(shelf.idle(), 3);
    assert_eq!([0, 1, 2, 3, 4].map(|port| is_kept(&shelf, port)), [false, false, true, true, true]);
}
