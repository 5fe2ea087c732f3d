//! Records of functions: what is there, then what changes, in order.

use actors::port::control::Change;
use actors::port::{BoxStream, Control};
use futures_util::StreamExt;
use proto::spec::Deployment;
use proto::{Function, FunctionSpec};
use tests::broker::{Fixture, Kind};
use tokio::time::timeout;

use super::steps::WAIT;

behaviours!(
    an_empty_directory_is_current_at_once,
    what_is_there_comes_first_and_changes_follow,
    deleting_tells_whether_it_was_there
);

type Changes = BoxStream<'static, Result<Change, actors::port::broker::Error>>;

fn function(name: &str) -> Function {
    Function::parse(name).unwrap()
}

fn deployment(name: &str, url: &str) -> Deployment {
    FunctionSpec::at(&function(name), url).unwrap().deployment
}

async fn put(control: &dyn Control, name: &str, url: &str) -> Change {
    control.put(&function(name), deployment(name, url)).await.unwrap();
    Change::Put(function(name), Box::new(deployment(name, url)))
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
    assert!(control.delete(&function("f.acme")).await.unwrap());
    assert_eq!(next(&mut changes).await, Change::Deleted(function("f.acme")));
    fixture.close().await;
}

async fn deleting_tells_whether_it_was_there(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    assert!(!fixture.control.delete(&function("f")).await.unwrap());
    put(&*fixture.control, "f", "http://a").await;
    assert!(fixture.control.delete(&function("f")).await.unwrap());
    assert!(!fixture.control.delete(&function("f")).await.unwrap());
    fixture.close().await;
}
