//! What is told about a call: where it is in its life, how it got there, and what came of it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::call::Counts;
use crate::{Call, CallId, Function, History, LaneKey, Queue, Timestamp};

/// Where a call is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It may start.
    Ready,
    /// It runs.
    Running,
    /// It may start at a time that is known: a retry, or a call that was delayed.
    Waiting,
    /// The function did it.
    Succeeded,
    /// The function said no; that is its result.
    Failed,
    /// It lies among the dead letters, from where it can be redriven.
    Dead,
    /// Its caller did not want it any more.
    Cancelled,
    /// Nobody started it in time.
    Expired,
}

impl State {
    /// Whether it is at an end.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Ready | Self::Running | Self::Waiting => false,
            Self::Succeeded | Self::Failed | Self::Dead | Self::Cancelled | Self::Expired => true,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

/// What is told about one call. It changes as the call goes on; once it is at an end it does not, unless the call is
/// redriven.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Whose it is.
    pub id: CallId,
    /// The queue.
    pub queue: Queue,
    /// The function.
    pub function: Function,
    /// Where it is.
    pub state: State,
    /// Since when.
    pub at: Timestamp,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Until when it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// When it is no longer worth starting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The four numbers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub counts: Counts,
    /// How often it was taken back from the dead letters.
    #[serde(default, skip_serializing_if = "is_default")]
    pub redriven: u32,
    /// How often this turn of it was given back by a worker that was drained: handed out, but no crash.
    #[serde(default, skip_serializing_if = "is_default")]
    pub returned: u32,
    /// What the function answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long the last attempt took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub millis: Option<u64>,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Where the result goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
    /// Where the broker has it, while it waits in its lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u64>,
    /// The result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Kept>,
    /// What it has been through.
    #[serde(default, skip_serializing_if = "History::is_empty")]
    pub history: History,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What is kept of a function's calls, for those who ask about one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: nobody can ask.
    Nothing,
    /// How it is, without its result.
    Status,
    /// The result as well, if it has no more than so many bytes.
    Result(u64),
}

impl Default for Keep {
    fn default() -> Self {
        Self::Result(64 * 1024)
    }
}

/// What is kept of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its `Content-Type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Its body.
    pub body: Bytes,
    /// How long the body was, in bytes, if it was too long to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub omitted: Option<u64>,
}

/// Why bytes are not a record.
#[derive(Debug, thiserror::Error)]
#[error("not a call record: {0}")]
pub struct Error(#[from] rmp_serde::decode::Error);

impl Record {
    /// A call of `lane` that is in `state` since `at`.
    #[must_use]
    pub fn of(call: &Call, lane: &LaneKey, state: State, at: Timestamp) -> Self {
        Self {
            id: call.id.clone(),
            queue: lane.queue.clone(),
            function: call.function.clone(),
            state,
            at,
            accepted_at: call.accepted_at,
            due: None,
            expires_at: call.expires_at,
            counts: call.counts,
            redriven: call.redriven,
            returned: 0,
            status: None,
            millis: None,
            detail: None,
            callback: call.callback.clone(),
            place: None,
            result: None,
            history: call.history.clone(),
        }
    }

    /// Whether it is this call's: an id may have been another's before, or another function's.
    #[must_use]
    pub fn is_of(&self, call: &Call) -> bool {
        self.id == call.id && self.function == call.function && self.accepted_at == call.accepted_at
    }

    /// Whether it tells of the turn that `call` has: a retry is another one.
    #[must_use]
    pub fn is_of_turn(&self, call: &Call) -> bool {
        let turn = |redriven, counts: Counts| (redriven, counts.attempts, counts.throttles);
        self.is_of(call) && turn(self.redriven, self.counts) == turn(call.redriven, call.counts)
    }

    /// The lane it belongs to.
    #[must_use]
    pub fn lane(&self) -> LaneKey {
        LaneKey::new(self.queue.clone(), self.function.clone())
    }

    /// Where it is `now`: a call that waited is ready once it is due, whoever has noticed.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> State {
        match self.state {
            State::Waiting if self.due.is_none_or(|due| due <= now) => State::Ready,
            state => state,
        }
    }

    /// What makes the end of a call the same end, however often it is stored: it has one for each time it is redriven.
    #[must_use]
    pub fn end_id(&self) -> String {
        format!("end/{}/{}/{}", self.function, self.id, self.redriven)
    }

    /// With no more of its result than how long it was.
    #[must_use]
    pub fn without_body(mut self) -> Self {
        if let Some(kept) = &mut self.result {
            let body = std::mem::take(&mut kept.body);
            kept.omitted.get_or_insert(body.len() as u64);
        }
        self
    }

    /// As MessagePack, fields named.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        // Room for the result and the usual fields: one allocation for nearly every record.
        let mut bytes = Vec::with_capacity(self.result.as_ref().map_or(0, |kept| kept.body.len()) + 512);
        #[expect(clippy::expect_used, reason = "writing to memory cannot fail and every field is serialisable")]
        rmp_serde::encode::write_named(&mut bytes, self).expect("a record is serialisable");
        bytes.into()
    }

    /// The record in `bytes`.
    ///
    /// # Errors
    /// [`Error`] if they are not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Ok(rmp_serde::from_slice(bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;

    fn record() -> Record {
        let (id, function) = (CallId::parse("c").unwrap(), Function::parse("f").unwrap());
        let call = Call::new(id, function.clone(), Timestamp::from_unix_nanos(5), Request::default());
        let lane = LaneKey::new(Queue::default(), function);
        Record::of(&call, &lane, State::Waiting, Timestamp::from_unix_nanos(7))
    }

    #[test]
    fn reads_what_it_writes_and_what_others_add() {
        let mut record = record();
        assert_eq!(Record::decode(&record.encode()).unwrap(), record);
        let body = Bytes::from_static(b"\xff\x00");
        record.result = Some(Kept { content_type: Some("image/png".into()), body, omitted: None });
        record.history.push(record.at, std::time::Duration::ZERO, crate::history::What::Busy, None, "refused");
        assert_eq!(Record::decode(&record.encode()).unwrap(), record);
        let more = serde_json::json!({"id": "c", "queue": "q", "function": "f", "state": "ready", "at": 1,
            "accepted_at": 1, "counts": {"hiccups": 3}, "colour": "blue"});
        assert_eq!(Record::decode(&rmp_serde::to_vec_named(&more).unwrap()).unwrap().counts, Counts::default());
        assert!(Record::decode(b"\xff").is_err());
    }

    #[test]
    fn what_is_due_is_ready() {
        let record = Record { due: Some(Timestamp::from_unix_nanos(10)), ..record() };
        assert_eq!(record.state_at(Timestamp::from_unix_nanos(9)), State::Waiting);
        assert_eq!(record.state_at(Timestamp::from_unix_nanos(10)), State::Ready);
    }
}
