//! Dead letters are kept, each once, and found again.

use bytes::Bytes;
use proto::dead::Filter;
use proto::{CallId, Dead, Function, Namespace, Queue, Timestamp, dead};
use tests::broker::{Fixture, Kind};

behaviours!(
    a_letter_is_kept_once,
    letters_are_found_by_whose_they_are_and_why,
    a_page_goes_on_where_the_last_one_ended,
    a_letter_that_is_removed_is_gone,
);

fn letter(function: &str, reason: dead::Reason) -> Dead {
    let (lane, at) = (super::steps::lane(function), Timestamp::from_unix_nanos(1));
    Dead { lane, reason, detail: "status 500".into(), at, payload: Bytes::from(function.to_owned()) }
}

async fn bury(fixture: &Fixture, function: &str, reason: dead::Reason, call: &str) {
    let call = CallId::parse(call).unwrap();
    fixture.broker.bury(letter(function, reason), format!("{function}/{call}"), Some(&call)).await.unwrap();
}

async fn letters_are_found_by_whose_they_are_and_why(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    bury(&fixture, "a.acme", dead::Reason::Exhausted, "1").await;
    bury(&fixture, "a.acme", dead::Reason::Poison, "2").await;
    bury(&fixture, "b.acme", dead::Reason::Exhausted, "3").await;
    bury(&fixture, "a.other", dead::Reason::Exhausted, "4").await;
    fixture.broker.bury(letter("a.acme", dead::Reason::Undecodable), "x".into(), None).await.unwrap();
    let found = async |filter: Filter| {
        let letters = fixture.broker.letters(&filter, 0, 10).await.unwrap();
        letters.iter().map(|it| (it.dead.lane.function.to_string(), it.dead.reason.as_str())).collect::<Vec<_>>()
    };
    let (a, b, other) = ("a.acme".to_owned(), "b.acme".to_owned(), "a.other".to_owned());
    let all = found(Filter::default()).await;
    assert_eq!((all.len(), &all[0]), (5, &(a.clone(), "exhausted")), "oldest first");
    let function = Function::parse("a.acme").ok();
    let of_function = found(Filter { function: function.clone(), ..Filter::default() }).await;
    assert_eq!(of_function, [(a.clone(), "exhausted"), (a.clone(), "poison"), (a.clone(), "undecodable")]);
    let reason = Some(dead::Reason::Poison);
    assert_eq!(found(Filter { function, reason, ..Filter::default() }).await, [(a.clone(), "poison")]);
    let namespace = Namespace::parse("acme").ok();
    let reason = Some(dead::Reason::Exhausted);
    let of_namespace = found(Filter { namespace, reason, ..Filter::default() }).await;
    assert_eq!(of_namespace, [(a, "exhausted"), (b, "exhausted")]);
    let call = CallId::parse("4").ok();
    assert_eq!(found(Filter { call, ..Filter::default() }).await, [(other, "exhausted")]);
    let queue = Queue::parse("elsewhere").ok();
    assert_eq!(found(Filter { queue, ..Filter::default() }).await, []);
    fixture.close().await;
}

async fn a_page_goes_on_where_the_last_one_ended(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    for n in 0..30 {
        let reason = if n % 10 == 9 { dead::Reason::Poison } else { dead::Reason::Exhausted };
        bury(&fixture, "f", reason, &n.to_string()).await;
    }
    for (filter, count) in
        [(Filter::default(), 30), (Filter { reason: Some(dead::Reason::Poison), ..Filter::default() }, 3)]
    {
        let mut numbers = Vec::new();
        loop {
            let after = numbers.last().copied().unwrap_or_default();
            let page = fixture.broker.letters(&filter, after, 7).await.unwrap();
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= 7);
            numbers.extend(page.iter().map(|it| it.number));
        }
        assert!(numbers.is_sorted() && numbers.len() == count, "{numbers:?}");
    }
    fixture.close().await;
}

async fn a_letter_that_is_removed_is_gone(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    bury(&fixture, "f", dead::Reason::Exhausted, "1").await;
    bury(&fixture, "f", dead::Reason::Exhausted, "2").await;
    let letters = fixture.broker.letters(&Filter::default(), 0, 10).await.unwrap();
    let number = letters[0].number;
    assert_eq!(fixture.broker.letter(number).await.unwrap().as_ref(), letters.first());
    assert!(fixture.broker.remove_letter(number).await.unwrap());
    assert!(!fixture.broker.remove_letter(number).await.unwrap());
    assert_eq!(fixture.broker.letter(number).await.unwrap(), None);
    assert_eq!(fixture.broker.letter(number + 100).await.unwrap(), None);
    assert_eq!(fixture.broker.letters(&Filter::default(), 0, 10).await.unwrap(), letters[1..]);
    assert_eq!(fixture.broker.dead_count().await.unwrap(), 1);
    fixture.close().await;
}

async fn a_letter_is_kept_once(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let letter = Dead {
        lane: super::steps::lane("f"),
        reason: dead::Reason::Exhausted,
        detail: "status 500".into(),
        at: Timestamp::from_unix_nanos(1),
        payload: "the call".into(),
    };
    let call = CallId::parse("c").unwrap();
    assert_eq!(fixture.broker.dead_count().await.unwrap(), 0);
    for (id, call, stored) in
        [("a", Some(&call), true), ("a", Some(&call), false), ("b", Some(&call), true), ("c", None, true)]
    {
        assert_eq!(fixture.broker.bury(letter.clone(), id.into(), call).await.unwrap().is_new(), stored, "{id}");
    }
    assert_eq!(fixture.broker.dead_count().await.unwrap(), 3);
    fixture.close().await;
}
