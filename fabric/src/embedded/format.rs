//! The tables of the file, and what their rows look like.
//!
//! | table | key | value |
//! |---|---|---|
//! | `entries` | place in the order | where it lies, its id and its payload, as MessagePack |
//! | `ids` | space and message id | when it was stored |
//! | `records` | function, namespace or queue | its record |
//! | `revisions` | the same | which writing of it that is |
//! | `meta` | `format` | [`FORMAT`] |
//! | `meta` | `revision` | the last writing of any record |
//!
//! Records that a version wrote which knew no revisions are given some when the file is opened.

use actors::memory::{Entry, Kind, Place, Seq, Space};
use bytes::Bytes;
use proto::{CallId, Function, LaneKey, Queue, Timestamp};
use redb::TableDefinition;
use serde::{Deserialize, Serialize};

/// Raised when older versions would misread what is written.
pub(super) const FORMAT: u64 = 2;

pub(super) const ENTRIES: TableDefinition<'_, Seq, &[u8]> = TableDefinition::new("entries");
pub(super) const IDS: TableDefinition<'_, &str, i64> = TableDefinition::new("ids");
pub(super) const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
pub(super) const REVISIONS: TableDefinition<'_, &str, u64> = TableDefinition::new("revisions");
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// A row that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{what} is damaged: {why}")]
pub(super) struct Damaged {
    what: String,
    why: String,
}

impl Damaged {
    pub(super) fn new(what: &dyn std::fmt::Display, why: &dyn std::fmt::Display) -> Self {
        Self { what: what.to_string(), why: why.to_string() }
    }
}

#[derive(Serialize, Deserialize)]
struct Row<'a> {
    place: Lies,
    id: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a serde_bytes::Bytes,
}

#[derive(Serialize, Deserialize)]
enum Lies {
    Ready(Queue, Function),
    Later(Queue, Function, CallId, Timestamp),
    Dead(Queue, Function, Option<CallId>),
    Record(CallId, Timestamp),
    Mark(CallId, Timestamp),
}

pub(super) fn row(entry: &Entry) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let place = match &entry.place {
        Place::Ready(lane) => Lies::Ready(lane.queue.clone(), lane.function.clone()),
        Place::Later { lane, call, due } => Lies::Later(lane.queue.clone(), lane.function.clone(), call.clone(), *due),
        Place::Dead { lane, call } => Lies::Dead(lane.queue.clone(), lane.function.clone(), call.clone()),
        Place::Kept { kind: Kind::Record, call, until } => Lies::Record(call.clone(), *until),
        Place::Kept { kind: Kind::Mark, call, until } => Lies::Mark(call.clone(), *until),
    };
    rmp_serde::to_vec(&Row { place, id: (&entry.id).into(), payload: serde_bytes::Bytes::new(&entry.payload) })
}

pub(super) fn place(seq: Seq, row: &[u8]) -> Result<Place, Damaged> {
    Ok(match read(seq, row)?.place {
        Lies::Ready(queue, function) => Place::Ready(LaneKey::new(queue, function)),
        Lies::Later(queue, function, call, due) => Place::Later { lane: LaneKey::new(queue, function), call, due },
        Lies::Dead(queue, function, call) => Place::Dead { lane: LaneKey::new(queue, function), call },
        Lies::Record(call, until) => Place::Kept { kind: Kind::Record, call, until },
        Lies::Mark(call, until) => Place::Kept { kind: Kind::Mark, call, until },
    })
}

pub(super) fn message(seq: Seq, row: &[u8]) -> Result<(String, Bytes), Damaged> {
    let row = read(seq, row)?;
    Ok((row.id.into_owned(), Bytes::copy_from_slice(row.payload)))
}

fn read(seq: Seq, row: &[u8]) -> Result<Row<'_>, Damaged> {
    rmp_serde::from_slice(row).map_err(|error| Damaged::new(&format_args!("entry {seq}"), &error))
}

/// A space and an id as one key. Queue names contain no `/`, ids may.
pub(super) fn id_key(space: &Space, id: &str) -> String {
    match space {
        Space::Ready(queue) => format!("ready/{queue}/{id}"),
        Space::Later => format!("later/{id}"),
        Space::Dead => format!("dead/{id}"),
        Space::Ends => format!("ends/{id}"),
    }
}

pub(super) fn parse_id_key(key: &str) -> Option<(Space, String)> {
    let (kind, rest) = key.split_once('/')?;
    match kind {
        "later" => Some((Space::Later, rest.into())),
        "dead" => Some((Space::Dead, rest.into())),
        "ends" => Some((Space::Ends, rest.into())),
        "ready" => {
            let (queue, id) = rest.split_once('/')?;
            Some((Space::Ready(Queue::parse(queue).ok()?), id.into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_keys_read_back() {
        let lane = LaneKey::new(Queue::default(), Function::parse("f.ns").unwrap());
        let (call, due) = (CallId::parse("c").unwrap(), Timestamp::from_unix_nanos(9));
        let kept = |kind| Place::Kept { kind, call: call.clone(), until: due };
        for place_of in [
            Place::Ready(lane.clone()),
            Place::Later { lane: lane.clone(), call: call.clone(), due },
            Place::Dead { lane: lane.clone(), call: None },
            Place::Dead { lane, call: Some(call.clone()) },
            kept(Kind::Record),
            kept(Kind::Mark),
        ] {
            let payload = Bytes::from_static(b"\x00\xff");
            let entry = Entry { seq: 7, place: place_of.clone(), id: "a/b".into(), at: due, payload: payload.clone() };
            let bytes = row(&entry).unwrap();
            assert_eq!(place(7, &bytes).unwrap(), place_of);
            assert_eq!(message(7, &bytes).unwrap(), ("a/b".into(), payload));
        }
        for space in [Space::Ready(Queue::default()), Space::Later, Space::Dead, Space::Ends] {
            assert_eq!(parse_id_key(&id_key(&space, "a/b/0.0")), Some((space, "a/b/0.0".into())));
        }
    }

    /// Something of each kind, and its name.
    type Named<T> = Vec<(&'static str, T)>;

    /// One of each kind of row and key.
    fn kinds() -> (Named<Entry>, Named<Space>) {
        let lane = LaneKey::new(Queue::parse("slow").unwrap(), Function::parse("f.ns").unwrap());
        let call = CallId::parse("order-17").unwrap();
        let (due, until) = (Timestamp::from_unix_nanos(1_790_000_000_123_456_789), Timestamp::from_unix_nanos(9));
        let kept = |kind| Place::Kept { kind, call: call.clone(), until };
        let places = [
            ("ready", Place::Ready(lane.clone())),
            ("later", Place::Later { lane: lane.clone(), call: call.clone(), due }),
            ("dead", Place::Dead { lane: lane.clone(), call: Some(call.clone()) }),
            ("dead-unreadable", Place::Dead { lane: lane.clone(), call: None }),
            ("record", kept(Kind::Record)),
            ("mark", kept(Kind::Mark)),
        ];
        let entry =
            |place| Entry { seq: 7, place, id: "a/b/0.0".into(), at: due, payload: Bytes::from_static(b"\x00\xff") };
        let spaces = [
            ("id-ready", Space::Ready(lane.queue)),
            ("id-later", Space::Later),
            ("id-dead", Space::Dead),
            ("id-ends", Space::Ends),
        ];
        (places.map(|(name, place)| (name, entry(place))).into(), spaces.into())
    }

    /// What a file of format 2 holds, for ever: a line for each kind, in hexadecimal. Whoever writes something else raises
    /// [`FORMAT`], keeps reading this one, and writes the file of the new one by running with `FABRIC_WRITE_GOLDEN=1`.
    #[test]
    fn reads_what_format_2_holds_and_writes_the_same() {
        let (entries, spaces) = kinds();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let rows = entries.iter().map(|(name, entry)| (*name, row(entry).unwrap()));
        let keys = spaces.iter().map(|(name, space)| (*name, id_key(space, "a/b/0.0").into_bytes()));
        let written: Vec<_> = rows.chain(keys).map(|(name, bytes)| format!("{name} {}\n", hex(&bytes))).collect();
        let path = format!("{}/golden/embedded-{FORMAT}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("FABRIC_WRITE_GOLDEN").is_some() {
            std::fs::write(&path, written.concat()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), written.concat(), "what is written of format {FORMAT}");

        let text = include_str!("../../golden/embedded-2.txt");
        let golden = |name: &str| {
            let digits = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
            let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
            (0..digits.len()).step_by(2).map(byte).collect::<Vec<_>>()
        };
        for (name, entry) in entries {
            let bytes = golden(name);
            assert_eq!(place(7, &bytes).unwrap(), entry.place, "{name}");
            assert_eq!(message(7, &bytes).unwrap(), (entry.id, entry.payload), "{name}");
        }
        for (name, space) in spaces {
            let key = String::from_utf8(golden(name)).unwrap();
            assert_eq!(parse_id_key(&key), Some((space, "a/b/0.0".into())), "{name}");
        }
    }
}
