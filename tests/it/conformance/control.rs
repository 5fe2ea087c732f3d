//! Records of functions: what is there, then what changes, in order.

use actors::port::control::{Change, Key, Record};
use actors::port::{BoxStream, Control};
use futures_util::StreamExt;
use proto::spec::Deployment;
use proto::tenant::Tenancy;
use proto::{Function, FunctionSpec, Namespace};
use tests::broker::{Fixture, Kind};
use tokio::time::timeout;

use super::steps::WAIT;

behaviours!(
    an_empty_directory_is_current_at_once,
    what_is_there_comes_first_and_changes_follow,
    deleting_tells_whether_it_was_there,
    namespaces_are_records_too
);

type Changes = BoxStream<'static, Result<Change, actors::port::broker::Error>>;

fn function(name: &str) -> Function {
    Function::parse(name).unwrap()
}

fn key(name: &str) -> Key {
    Key::Function(function(name))
}

fn deployment(name: &str, url: &str) -> Deployment {
    FunctionSpec::at(&function(name), url).unwrap().deployment
}

async fn put(control: &dyn Control, name: &str, url: &str) -> Change {
    let record = Record::Function(function(name), Box::new(deployment(name, url)));
    control.put(record.clone()).await.unwrap();
    Change::Put(record)
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
    assert!(control.delete(&key("f.acme")).await.unwrap());
    assert_eq!(next(&mut changes).await, Change::Deleted(key("f.acme")));
    fixture.close().await;
}

async fn deleting_tells_whether_it_was_there(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    assert!(!fixture.control.delete(&key("f")).await.unwrap());
    put(&*fixture.control, "f", "http://a").await;
    assert!(fixture.control.delete(&key("f")).await.unwrap());
    assert!(!fixture.control.delete(&key("f")).await.unwrap());
    fixture.close().await;
}

async fn namespaces_are_records_too(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let namespace = Namespace::parse("acme").unwrap();
    let annotations = [("fabric.weight".to_owned(), "3".to_owned())].into();
    let tenancy = Tenancy { name: "acme".into(), annotations, ..Tenancy::default() };
    let record = Record::Namespace(namespace.clone(), Box::new(tenancy));
    fixture.control.put(record.clone()).await.unwrap();
    put(&*fixture.control, "acme.acme", "http://a").await;
    let mut changes = fixture.control.watch().await.unwrap();
    let there = [next(&mut changes).await, next(&mut changes).await];
    assert!(there.contains(&Change::Put(record)), "{there:?}");
    assert_eq!(next(&mut changes).await, Change::Current);
    assert!(fixture.control.delete(&Key::Namespace(namespace.clone())).await.unwrap());
    assert_eq!(next(&mut changes).await, Change::Deleted(Key::Namespace(namespace)));
    fixture.close().await;
}
