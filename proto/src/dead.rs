//! A dead letter: the whole message, why nobody will try it again, and when that was decided.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{CallId, Function, LaneKey, Namespace, Queue, Timestamp};

/// Why a call is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It used up its attempts.
    Exhausted,
    /// It grew too old.
    TooOld,
    /// Its bytes are not a call.
    Undecodable,
    /// Its bytes were kept aside, and are gone.
    Lost,
    /// Whoever ran it was gone before it ended, time after time: it may be what ends them.
    Poison,
    /// Its function was deleted, and not to be waited for.
    Deleted,
}

impl Reason {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::TooOld => "too_old",
            Self::Undecodable => "undecodable",
            Self::Lost => "lost",
            Self::Poison => "poison",
            Self::Deleted => "deleted",
        }
    }

    /// Reads what [`as_str`](Self::as_str) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Exhausted, Self::TooOld, Self::Undecodable, Self::Lost, Self::Poison, Self::Deleted];
        all.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// Which dead letters: all that match everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this queue.
    pub queue: Option<Queue>,
    /// Of this namespace's functions.
    pub namespace: Option<Namespace>,
    /// Of this function.
    pub function: Option<Function>,
    /// Of this call.
    pub call: Option<CallId>,
    /// Dead for this reason.
    pub reason: Option<Reason>,
    /// Of one of these namespaces' functions: all that whoever asks may know of.
    pub within: Option<BTreeSet<Namespace>>,
}

impl Filter {
    /// Whether letters of `lane` and `call` can match.
    #[must_use]
    pub fn admits(&self, lane: &LaneKey, call: Option<&CallId>) -> bool {
        self.queue.as_ref().is_none_or(|queue| lane.queue == *queue)
            && self.namespace.as_ref().is_none_or(|namespace| lane.function.namespace() == namespace)
            && self.function.as_ref().is_none_or(|function| lane.function == *function)
            && self.call.as_ref().is_none_or(|wanted| call == Some(wanted))
    }

    /// Whether a letter that is [admitted](Self::admits) matches.
    #[must_use]
    pub fn matches(&self, dead: &Dead) -> bool {
        self.reason.is_none_or(|reason| dead.reason == reason)
            && self.within.as_ref().is_none_or(|within| within.contains(dead.lane.function.namespace()))
    }
}

/// A message that was taken out of its lane for good, kept as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Dead {
    /// The lane it lay in.
    pub lane: LaneKey,
    /// Why it is dead.
    pub reason: Reason,
    /// What the last attempt said.
    pub detail: String,
    /// When it was declared dead.
    pub at: Timestamp,
    /// The message, byte for byte.
    pub payload: Bytes,
}

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    queue: Queue,
    function: Function,
    reason: Reason,
    detail: String,
    at: Timestamp,
    #[serde(borrow)]
    payload: &'a serde_bytes::Bytes,
}

/// Why bytes are not a dead letter.
#[derive(Debug, thiserror::Error)]
#[error("not a dead letter: {0}")]
pub struct Error(#[from] rmp_serde::decode::Error);

impl Dead {
    /// The letter as MessagePack, fields named.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let wire = Wire {
            queue: self.lane.queue.clone(),
            function: self.lane.function.clone(),
            reason: self.reason,
            detail: self.detail.clone(),
            at: self.at,
            payload: serde_bytes::Bytes::new(&self.payload),
        };
        #[expect(clippy::expect_used, reason = "writing to memory cannot fail and every field is serialisable")]
        rmp_serde::to_vec_named(&wire).expect("a dead letter is serialisable").into()
    }

    /// The letter in `bytes`; its payload shares their memory.
    ///
    /// # Errors
    /// [`Error`] if they are not one.
    pub fn decode(bytes: &Bytes) -> Result<Self, Error> {
        let wire: Wire<'_> = rmp_serde::from_slice(bytes)?;
        Ok(Self {
            lane: LaneKey::new(wire.queue, wire.function),
            reason: wire.reason,
            detail: wire.detail,
            at: wire.at,
            payload: bytes.slice_ref(wire.payload),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_message_byte_for_byte() {
        let dead = Dead {
            lane: LaneKey::new(Queue::default(), Function::parse("f").unwrap()),
            reason: Reason::Undecodable,
            detail: "not a call".into(),
            at: Timestamp::from_unix_nanos(7),
            payload: Bytes::from_static(b"\xff\x00{"),
        };
        assert_eq!(Dead::decode(&dead.encode()).unwrap(), dead);
        assert!(Dead::decode(&Bytes::from_static(b"\xff")).is_err());
    }
}
