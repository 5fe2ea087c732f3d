//! A page: what is told of many calls in one message.
//!
//! To store a record by itself costs a broker about as much as to store the call that it is about. A page holds the
//! records of calls whose ids were made at about the same time. That time is in the id (UUID version 7, RFC 9562), so
//! whoever asks for a call knows under which name its pages lie, and nobody keeps an index.

use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;
use uuid::Uuid;

use crate::{CallId, Record};

/// How long a window is, as a power of two milliseconds: 32.
const WINDOW_BITS: u32 = 5;
/// How far apart the making of an id and the acceptance of its call may be, in milliseconds.
const APART_MAX: u64 = 1000;

/// The time at which ids were made whose records share pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window(u64);

impl Window {
    /// The window of an id, if it says when it was made: those that callers choose as a rule do not.
    #[must_use]
    pub fn of(id: &CallId) -> Option<Self> {
        made_at(id).map(Self::at)
    }

    /// The window of a record, if its call's id was made when the call was accepted: one that its caller chose may claim
    /// any time, and many may claim the same.
    #[must_use]
    pub fn of_record(record: &Record) -> Option<Self> {
        let accepted_at = u64::try_from(record.accepted_at.unix_nanos()).ok()? / 1_000_000;
        let made_at = made_at(&record.id)?;
        (made_at.abs_diff(accepted_at) <= APART_MAX).then(|| Self::at(made_at))
    }

    /// The window of ids that were made at this time, in Unix milliseconds.
    fn at(millis: u64) -> Self {
        Self(millis >> WINDOW_BITS)
    }
}

/// When an id was made, in Unix milliseconds, if it says so.
#[must_use]
pub fn made_at(id: &CallId) -> Option<u64> {
    let id = Uuid::try_parse(id.as_str()).ok().filter(|id| id.get_version_num() == 7)?;
    Some(id.as_u64_pair().0 >> 16)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The records of a page, one after the other: MessagePack says itself where each ends. What cannot be read, because
/// somebody newer has written it perhaps, is passed over: it says nothing of the others.
#[must_use]
pub fn read(page: &[u8]) -> Vec<Record> {
    let (mut rest, mut records) = (page, Vec::new());
    while !rest.is_empty() {
        let start = rest;
        match Record::deserialize(&mut rmp_serde::Deserializer::new(&mut rest)) {
            Ok(record) => records.push(record),
            Err(_) => {
                rest = start;
                if IgnoredAny::deserialize(&mut rmp_serde::Deserializer::new(&mut rest)).is_err() {
                    break;
                }
            }
        }
    }
    records
}

/// What holds of all that is told of one call, in the order in which it was told: the youngest call that has had the
/// id, in its latest life, and its first end if it has one.
#[must_use]
pub fn latest(told: impl IntoIterator<Item = Record>) -> Option<Record> {
    let rank = |record: &Record| (record.accepted_at, record.redriven, record.state.is_final());
    told.into_iter().reduce(|one, other| if rank(&other) > rank(&one) { other } else { one })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Kept, State};
    use crate::{Call, Function, LaneKey, Queue, Request, Timestamp};

    fn record(state: State, redriven: u32, accepted_at: i64) -> Record {
        let (id, function) = (CallId::parse("c").unwrap(), Function::parse("f").unwrap());
        let call = Call::new(id, function.clone(), Timestamp::from_unix_nanos(accepted_at), Request::default());
        Record { redriven, ..Record::of(&call, &LaneKey::new(Queue::default(), function), state, call.accepted_at) }
    }

    #[test]
    fn an_id_says_when_it_was_made() {
        let of = |text: &str| Window::of(&CallId::parse(text).unwrap()).map(|window| window.0);
        assert_eq!(of("01a1fb8a-90a9-72c9-9b96-ce5ec40c3cf3"), Some(0x01a1_fb8a_90a9 / 32));
        for chosen in ["order-17", "0190c1a2-7b3c-4def-8abc-0123456789ab", "c"] {
            assert_eq!(of(chosen), None, "{chosen}");
        }
    }

    #[test]
    fn an_id_that_claims_another_time_than_its_calls_shares_no_page() {
        let made_at = 0x01a1_fb8a_90a9_i64 * 1_000_000;
        let id = CallId::parse("01a1fb8a-90a9-72c9-9b96-ce5ec40c3cf3").unwrap();
        let accepted = |at| Window::of_record(&Record { id: id.clone(), ..record(State::Ready, 0, at) });
        assert_eq!(accepted(made_at), Window::of(&id));
        assert_eq!((accepted(made_at + 2_000_000_000), accepted(0)), (None, None));
        assert_eq!(Window::of_record(&record(State::Ready, 0, made_at)), None);
    }

    #[test]
    fn a_page_is_its_records_one_after_the_other() {
        let mut end = record(State::Succeeded, 0, 1);
        end.result = Some(Kept { content_type: None, body: vec![0xff, 0x00].into(), omitted: None });
        let records = [record(State::Ready, 0, 1), end];
        let page: Vec<u8> = records.iter().flat_map(|record| record.encode().to_vec()).collect();
        assert_eq!(read(&page), records);
        assert!(read(&[]).is_empty());
        assert_eq!(read(&page[..page.len() - 1]), &records[..1], "what broke off");
        let foreign = rmp_serde::to_vec_named(&serde_json::json!({"id": "c", "state": "dreaming"})).unwrap();
        assert_eq!(read(&[&foreign, &*page].concat()), records, "what is not known here");
        assert!(read(b"\xc1noise").is_empty());
    }

    #[test]
    fn the_first_end_of_the_latest_life_holds() {
        let latest = |told: &[(State, u32, i64)]| {
            let told = told.iter().map(|&(state, redriven, at)| record(state, redriven, at));
            latest(told).map(|it| (it.state, it.redriven, it.accepted_at.unix_nanos()))
        };
        use State::{Cancelled, Dead, Ready, Running, Succeeded};
        assert_eq!(latest(&[]), None);
        assert_eq!(
            latest(&[(Running, 0, 1), (Ready, 0, 1)]),
            Some((Running, 0, 1)),
            "what is told by itself comes first"
        );
        assert_eq!(latest(&[(Running, 0, 1), (Ready, 0, 1), (Succeeded, 0, 1)]), Some((Succeeded, 0, 1)));
        assert_eq!(latest(&[(Cancelled, 0, 1), (Succeeded, 0, 1)]), Some((Cancelled, 0, 1)));
        assert_eq!(latest(&[(Ready, 1, 1), (Dead, 0, 1)]), Some((Ready, 1, 1)), "it was redriven");
        assert_eq!(latest(&[(Succeeded, 0, 1), (Ready, 0, 2)]), Some((Ready, 0, 2)), "the id is used again");
    }
}
