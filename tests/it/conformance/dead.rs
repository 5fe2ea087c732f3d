//! Dead letters are kept, each once.

use actors::port::broker::Stored;
use proto::{CallId, Dead, Timestamp, dead};
use tests::broker::{Fixture, Kind};

behaviours!(a_letter_is_kept_once);

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
    for (id, call, stored) in [
        ("a", Some(&call), Stored::New),
        ("a", Some(&call), Stored::Duplicate),
        ("b", Some(&call), Stored::New),
        ("c", None, Stored::New),
    ] {
        assert_eq!(fixture.broker.bury(letter.clone(), id.into(), call).await.unwrap(), stored, "{id}");
    }
    assert_eq!(fixture.broker.dead_count().await.unwrap(), 3);
    fixture.close().await;
}
