//! What the machine needs to be durable: changes committed in order, payloads read back.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use proto::{CallId, LaneKey, Timestamp};

use super::window::Space;
use crate::port::broker::Error;
use crate::port::control::Key;

/// The place of an entry in the order of everything ever stored.
pub type Seq = u64;

/// Where an entry lies.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// In its lane.
    Ready(LaneKey),
    /// Until it is due.
    Later {
        /// The lane it then goes to.
        lane: LaneKey,
        /// The call that has this schedule.
        call: CallId,
        /// When.
        due: Timestamp,
    },
    /// Among the dead.
    Dead {
        /// The lane it lay in.
        lane: LaneKey,
        /// The call, if it could be read.
        call: Option<CallId>,
    },
    /// Under the id of a call, in place of what was there before, for a while.
    Kept {
        /// What it is.
        kind: Kind,
        /// Whose.
        call: CallId,
        /// How long.
        until: Timestamp,
    },
}

/// What is kept under the id of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Its record.
    Record,
    /// The mark that it is to be cancelled.
    Mark,
}

/// Something stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its place in the order.
    pub seq: Seq,
    /// Where it lies.
    pub place: Place,
    /// The message's id.
    pub id: String,
    /// When it was stored.
    pub at: Timestamp,
    /// The message's bytes.
    pub payload: Bytes,
}

/// One change of what is stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A new entry; its id is remembered in the space, if there is one, even after it is removed.
    Put(Option<Space>, Entry),
    /// An entry goes.
    Remove(Seq),
    /// A message id is old enough to be forgotten.
    Forget(Space, String),
    /// A record of the control plane is now this, written as this revision, or gone.
    Record(Key, Option<(u64, Bytes)>),
}

/// Why a commit failed. Nothing of it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no room.
    Full(String),
    /// Something else.
    Broken(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full(cause) => Self::StorageFull(cause.into()),
            Failure::Broken(cause) => Self::Away(cause.into()),
        }
    }
}

/// Called once, with how a commit went.
pub type Done = Box<dyn FnOnce(Result<(), Failure>) + Send>;

/// Keeps entries.
pub trait Store: Send + Sync + 'static {
    /// Makes `changes` durable, all or none, and then calls `done`. Commits take effect in the order of the calls,
    /// and so are their `done`s called.
    fn commit(&self, changes: Vec<Change>, done: Done);

    /// The id and the payload of an entry that is stored.
    ///
    /// # Errors
    /// When it cannot be read.
    fn load(&self, seq: Seq) -> Result<(String, Bytes), Failure>;
}

/// What a store found when it was opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// Every entry, in order, without its payload.
    pub entries: Vec<(Seq, Place)>,
    /// Every remembered id, oldest first.
    pub remembered: Vec<(Space, String, Timestamp)>,
    /// Every record of the control plane, and its revision.
    pub records: Vec<(Key, (u64, Bytes))>,
    /// The last revision that a record was written as, whether it is still there or not.
    pub revision: u64,
    /// The first place that was never used.
    pub next: Seq,
}

/// A store that lives as long as the process.
#[derive(Debug, Default)]
pub struct Volatile {
    payloads: Mutex<HashMap<Seq, (String, Bytes)>>,
}

impl Store for Volatile {
    fn commit(&self, changes: Vec<Change>, done: Done) {
        let mut payloads = self.payloads.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                Change::Put(_, entry) => drop(payloads.insert(entry.seq, (entry.id, entry.payload))),
                Change::Remove(seq) => drop(payloads.remove(&seq)),
                Change::Forget(..) | Change::Record(..) => {}
            }
        }
        drop(payloads);
        done(Ok(()));
    }

    fn load(&self, seq: Seq) -> Result<(String, Bytes), Failure> {
        let payloads = self.payloads.lock().unwrap_or_else(PoisonError::into_inner);
        payloads.get(&seq).cloned().ok_or_else(|| Failure::Broken(format!("entry {seq} is not there")))
    }
}
