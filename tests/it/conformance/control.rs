//! Records of functions: what is there, then what changes, in order.

use actors::port::Control;
use actors::port::control::{Change, Changes, Error, Expected, Key, Record};
use futures_util::StreamExt;
use proto::deployment::Deployment;
use proto::key::{Hash, Reach, Scope, Scopes};
use proto::tenant::Tenancy;
use proto::{ApiKey, Function, FunctionSpec, KeyId, Namespace, Timestamp};
use tests::broker::{Fixture, Kind};
use tokio::time::timeout;

use super::steps::WAIT;

behaviours!(
    an_empty_directory_is_current_at_once,
    what_is_there_comes_first_and_changes_follow,
    deleting_tells_whether_it_was_there,
    namespaces_are_records_too,
    api_keys_are_records_too,
    a_record_is_changed_only_as_it_is_expected_to_be,
    of_two_who_change_the_same_at_once_one_is_told
);

fn function(name: &str) -> Function {
    Function::parse(name).unwrap()
}

fn key(name: &str) -> Key {
    Key::Function(function(name))
}

fn deployment(name: &str, url: &str) -> Deployment {
    FunctionSpec::at(&function(name), url).unwrap().deployment.open()
}

async fn put(control: &dyn Control, name: &str, url: &str) -> Change {
    let record = Record::Function(function(name), Box::new(deployment(name, url)));
    let revision = control.put(record.clone(), Expected::Whatever).await.unwrap();
    Change::Put(record, revision)
}

async fn next(changes: &mut Changes) -> Change {
    timeout(WAIT, changes.next()).await.unwrap().unwrap().unwrap()
}

async fn an_empty_directory_is_current_at_once(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let mut changes = fixture.control.watch().await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Current);
    let added = put(&*fixture.control, "f", "http://a").await;
    assert_eq!(next(&mut changes).await, added);
    fixture.close().await;
}

async fn what_is_there_comes_first_and_changes_follow(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let control = &*fixture.control;
    put(control, "f.acme", "http://old").await;
    let there = [put(control, "f.acme", "http://a").await, put(control, "g", "http://b").await];
    let mut changes = control.watch().await.unwrap();
    let mut first = [next(&mut changes).await, next(&mut changes).await];
    first.sort_by_key(|change| format!("{change:?}"));
    assert_eq!(first, there);
    assert_eq!(next(&mut changes).await, Change::Current);
    let changed = put(control, "g", "http://c").await;
    assert_eq!(next(&mut changes).await, changed);
    assert!(control.delete(&key("f.acme"), Expected::Whatever).await.unwrap());
    assert_eq!(next(&mut changes).await, Change::Deleted(key("f.acme")));
    fixture.close().await;
}

async fn deleting_tells_whether_it_was_there(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    assert!(!fixture.control.delete(&key("f"), Expected::Whatever).await.unwrap());
    put(&*fixture.control, "f", "http://a").await;
    assert!(fixture.control.delete(&key("f"), Expected::Whatever).await.unwrap());
    assert!(!fixture.control.delete(&key("f"), Expected::Whatever).await.unwrap());
    fixture.close().await;
}

async fn namespaces_are_records_too(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let namespace = Namespace::parse("acme").unwrap();
    let annotations = [("fabric.weight".to_owned(), "3".to_owned())].into();
    let tenancy = Tenancy { name: "acme".into(), annotations, ..Tenancy::default() };
    let record = Record::Namespace(namespace.clone(), Box::new(tenancy));
    let revision = fixture.control.put(record.clone(), Expected::Whatever).await.unwrap();
    put(&*fixture.control, "acme.acme", "http://a").await;
    let mut changes = fixture.control.watch().await.unwrap();
    let there = [next(&mut changes).await, next(&mut changes).await];
    assert!(there.contains(&Change::Put(record, revision)), "{there:?}");
    assert_eq!(next(&mut changes).await, Change::Current);
    assert!(fixture.control.delete(&Key::Namespace(namespace.clone()), Expected::Whatever).await.unwrap());
    assert_eq!(next(&mut changes).await, Change::Deleted(Key::Namespace(namespace)));
    fixture.close().await;
}

async fn api_keys_are_records_too(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let control = &*fixture.control;
    let id = KeyId::parse("acme").unwrap();
    let key = ApiKey {
        name: "ci".into(),
        hash: Hash([7; 32]),
        scopes: Scopes::of([Scope::Invoke, Scope::Read]).unwrap(),
        namespaces: Reach::of(["acme"]).unwrap(),
        created_at: Timestamp::from_unix_nanos(1),
        expires_at: Some(Timestamp::from_unix_nanos(9)),
        revoked_at: None,
    };
    let record = |key: &ApiKey| Record::ApiKey(id.clone(), Box::new(key.clone()));
    let revision = control.put(record(&key), Expected::Absent).await.unwrap();
    let function = put(control, "acme.acme", "http://a").await;
    let mut changes = control.watch().await.unwrap();
    let there = [next(&mut changes).await, next(&mut changes).await];
    assert!(there.contains(&Change::Put(record(&key), revision)) && there.contains(&function), "{there:?}");
    assert_eq!(next(&mut changes).await, Change::Current, "once, when all of both is told");
    let revoked = ApiKey { revoked_at: Some(Timestamp::from_unix_nanos(5)), ..key.clone() };
    assert_eq!(conflict(control.put(record(&revoked), Expected::Absent).await), Some(revision));
    let second = control.put(record(&revoked), Expected::Revision(revision)).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Put(record(&revoked), second));
    let changed = put(control, "acme.acme", "http://b").await;
    assert_eq!(next(&mut changes).await, changed);
    assert_eq!(control.get(&Key::ApiKey(id.clone())).await.unwrap(), Some((record(&revoked), second)));
    assert!(control.delete(&Key::ApiKey(id.clone()), Expected::Whatever).await.unwrap());
    assert_eq!(next(&mut changes).await, Change::Deleted(Key::ApiKey(id)));
    fixture.close().await;
}

fn record(name: &str, url: &str) -> Record {
    Record::Function(function(name), Box::new(deployment(name, url)))
}

fn conflict<T: std::fmt::Debug>(answer: Result<T, Error>) -> Option<u64> {
    match answer {
        Err(Error::Conflict { present, .. }) => present,
        other => panic!("{other:?}"),
    }
}

async fn a_record_is_changed_only_as_it_is_expected_to_be(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let control = &*fixture.control;
    assert_eq!(control.get(&key("f")).await.unwrap(), None);
    assert_eq!(conflict(control.put(record("f", "http://a"), Expected::Revision(7)).await), None);
    let first = control.put(record("f", "http://a"), Expected::Absent).await.unwrap();
    assert_eq!(control.get(&key("f")).await.unwrap(), Some((record("f", "http://a"), first)));
    assert_eq!(conflict(control.put(record("f", "http://b"), Expected::Absent).await), Some(first));
    let second = control.put(record("f", "http://b"), Expected::Revision(first)).await.unwrap();
    assert!(second > first);
    assert_eq!(conflict(control.put(record("f", "http://c"), Expected::Revision(first)).await), Some(second));
    assert_eq!(conflict(control.delete(&key("f"), Expected::Revision(first)).await), Some(second));
    assert_eq!(conflict(control.delete(&key("f"), Expected::Absent).await), Some(second));
    assert_eq!(control.get(&key("f")).await.unwrap(), Some((record("f", "http://b"), second)));
    assert!(control.delete(&key("f"), Expected::Revision(second)).await.unwrap());
    assert_eq!(conflict(control.delete(&key("f"), Expected::Revision(second)).await), None);
    let again = control.put(record("f", "http://a"), Expected::Absent).await.unwrap();
    assert!(again > second, "the same text written again is another revision");
    fixture.close().await;
}

async fn of_two_who_change_the_same_at_once_one_is_told(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let control = &*fixture.control;
    let mut revision = control.put(record("f", "http://a"), Expected::Absent).await.unwrap();
    for round in 0..20 {
        let writer = |n: u32| {
            let record = record("f", &format!("http://{n}.{round}.example"));
            async move { (n, control.put(record, Expected::Revision(revision)).await) }
        };
        let mut answers = futures_util::future::join_all((0..4).map(writer)).await;
        let (winner, won) = answers.swap_remove(answers.iter().position(|(_, it)| it.is_ok()).unwrap());
        revision = won.unwrap();
        for (_, told) in answers {
            assert_eq!(conflict(told), Some(revision));
        }
        let there = record("f", &format!("http://{winner}.{round}.example"));
        assert_eq!(control.get(&key("f")).await.unwrap(), Some((there, revision)));
    }
    let deleted = [control.delete(&key("f"), Expected::Whatever), control.delete(&key("f"), Expected::Whatever)];
    let deleted: Vec<bool> = futures_util::future::join_all(deleted).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(deleted.iter().filter(|it| **it).count(), 1, "one of them removed it");
    fixture.close().await;
}
