//! Three broker nodes: what overlaps on its way through a cluster.

use std::sync::Arc;
use std::time::Duration;

use actors::port::broker::Quotas;
use actors::port::{Broker, Records};
use fabric::jetstream::{Access, JetStream, Settings};
use futures_util::{StreamExt, stream};
use proto::record::State;
use proto::subject::Subjects;
use proto::{Call, CallId, Function, LaneKey, Queue, Record, Request, Timestamp};
use tests::cluster::Cluster;
use tests::eventually;

const HOUR: Duration = Duration::from_secs(3600);

async fn connect(cluster: &Cluster) -> Arc<JetStream> {
    let settings = Settings {
        url: cluster.url(),
        access: Access::default(),
        subjects: Subjects::default(),
        replicas: 3,
        shards: None,
        quotas: Quotas::default(),
        payload_len_max: 1024 * 1024,
    };
    Arc::new(JetStream::connect(settings).await.unwrap())
}

fn record(id: usize, state: State) -> Record {
    let (id, function) = (CallId::parse(&format!("c{id}")).unwrap(), Function::parse("f").unwrap());
    let call = Call::new(id, function.clone(), Timestamp::default(), Request::default());
    Record::of(&call, &LaneKey::new(Queue::default(), function), state, Timestamp::default())
}

/// A gateway notes that a call is ready while a worker stores its end already.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_holds_against_a_note_that_it_overlaps_with() {
    const CALLS: usize = 500;
    let cluster = Cluster::start().await;
    let (gateway, worker) = (connect(&cluster).await, connect(&cluster).await);
    let overlap = async |n: usize| {
        let (ready, end) = (record(n, State::Ready), record(n, State::Succeeded));
        let (ended, ()) = tokio::join!(worker.end(&end, end.end_id(), HOUR), gateway.note(&ready, 0, HOUR));
        ended.unwrap();
    };
    stream::iter(0..CALLS).map(overlap).buffer_unordered(32).collect::<()>().await;
    // A last note is behind all others.
    gateway.note(&record(CALLS, State::Ready), 0, HOUR).await;
    let behind = CallId::parse(&format!("c{CALLS}")).unwrap();
    eventually(async || gateway.record(&behind).await.unwrap().map(drop).ok_or("not yet")).await;
    let mut lost = 0;
    for n in 0..CALLS {
        let told = gateway.record(&record(n, State::Ready).id).await.unwrap().unwrap();
        lost += usize::from(told.record.state != State::Succeeded);
    }
    assert_eq!(lost, 0);
    assert!(gateway.payload_len_max() > 0);
}
