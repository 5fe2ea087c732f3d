//! The control plane: functions, namespaces, queues and API keys as records that every process follows.

use std::fmt;

use proto::deployment::Deployment;
use proto::tenant::{Kept, Tenancy};
use proto::{ApiKey, Function, FunctionSpec, KeyId, Namespace, NamespaceSpec, Queue, key, name, queue};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use super::{BoxFuture, BoxStream, broker};

/// What the key of a queue begins with: no name of a function or a namespace has a slash.
const QUEUE: &str = "queue/";
/// What the key of an API key's record begins with.
const API_KEY: &str = "key/";

/// Keeps records, durably, and tells everybody about changes. Each writing of a record has a revision: a number that no
/// other writing of it has had before, so that whoever has read it can tell whether it is still the same.
pub trait Control: Send + Sync + 'static {
    /// Every record there is, then [`Change::Current`], then every change as it happens, in order. The stream ends
    /// with an error when it cannot go on; a new watch begins from the start.
    ///
    /// # Errors
    /// [`Away`](broker::Error::Away), [`Refused`](broker::Error::Refused).
    fn watch(&self) -> BoxFuture<'_, Result<Changes, broker::Error>>;

    /// The record as it is now, if there is one, and its revision.
    ///
    /// # Errors
    /// [`Error::Unreadable`]; otherwise as [`watch`](Self::watch).
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<(Record, u64)>, Error>>;

    /// Writes a record if what is there is as `expected`; answers its revision when it is durable. Of two who expect the
    /// same at once, one is told [`Error::Conflict`].
    ///
    /// # Errors
    /// [`Error::Conflict`]: nothing was written. Otherwise as [`Broker::schedule`](super::Broker::schedule).
    fn put(&self, record: Record, expected: Expected) -> BoxFuture<'_, Result<u64, Error>>;

    /// Removes a record if what is there is as `expected`; answers when that is durable, and whether there was one.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    fn delete(&self, key: &Key, expected: Expected) -> BoxFuture<'_, Result<bool, Error>>;
}

/// What a watch tells.
pub type Changes = BoxStream<'static, Result<Change, broker::Error>>;

/// What whoever changes a record expects to be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Whatever there is, or nothing: the last one wins.
    #[default]
    Whatever,
    /// Nothing.
    Absent,
    /// What was written as this revision, and nothing since.
    Revision(u64),
}

impl Expected {
    /// Whether it is so, where `present` is the revision of the record that is there.
    ///
    /// # Errors
    /// [`Error::Conflict`] if not.
    pub fn check(self, key: &Key, present: Option<u64>) -> Result<(), Error> {
        match self {
            Self::Whatever => Ok(()),
            Self::Absent if present.is_none() => Ok(()),
            Self::Revision(revision) if present == Some(revision) => Ok(()),
            Self::Absent | Self::Revision(_) => Err(Error::Conflict { key: key.clone(), present }),
        }
    }
}

/// Why a record was not read, or not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something else is there than was expected.
    #[error("{key} is not as it was expected: {}", describe(*.present))]
    Conflict {
        /// Whose record.
        key: Key,
        /// The revision of what is there; nothing, if nothing is.
        present: Option<u64>,
    },
    /// What is there is no such record. It can be replaced, and deleted.
    #[error("the record of {key} cannot be read: {why}")]
    Unreadable {
        /// Whose record.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// The broker did not do it, or did not say that it has.
    #[error(transparent)]
    Broker(#[from] broker::Error),
}

fn describe(present: Option<u64>) -> String {
    present.map_or_else(|| "there is no such record".into(), |revision| format!("revision {revision} is there"))
}

/// Whose record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A function's.
    Function(Function),
    /// A namespace's.
    Namespace(Namespace),
    /// A queue's.
    Queue(Queue),
    /// An API key's.
    ApiKey(KeyId),
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A function's.
    Function(Function, Box<Deployment>),
    /// A namespace's.
    Namespace(Namespace, Box<Tenancy>),
    /// A queue's.
    Queue(Queue, Box<queue::Settings>),
    /// An API key's.
    ApiKey(KeyId, Box<ApiKey>),
}

/// Something a watch tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// This is the record now, and its revision.
    Put(Record, u64),
    /// There is no such record any more.
    Deleted(Key),
    /// Everything that was there when the watch began has been told.
    Current,
    /// A record that cannot be read; the ones around it still count.
    Unreadable {
        /// Its key.
        key: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Why something is nobody's key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misnamed {
    /// A name in it is none.
    #[error(transparent)]
    Name(#[from] name::Error),
    /// The id of an API key in it is none.
    #[error(transparent)]
    Key(#[from] key::Error),
}

impl Key {
    /// Reads what [`Display`](fmt::Display) writes: a function always has its namespace, and so a dot.
    ///
    /// # Errors
    /// If it is neither a function's name nor a namespace nor a queue nor an API key.
    pub fn parse(text: &str) -> Result<Self, Misnamed> {
        Ok(if let Some(queue) = text.strip_prefix(QUEUE) {
            Self::Queue(Queue::parse(queue)?)
        } else if let Some(id) = text.strip_prefix(API_KEY) {
            Self::ApiKey(KeyId::parse(id)?)
        } else if text.contains('.') {
            Self::Function(Function::parse(text)?)
        } else {
            Self::Namespace(Namespace::parse(text)?)
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(function) => function.fmt(f),
            Self::Namespace(namespace) => namespace.fmt(f),
            Self::Queue(queue) => write!(f, "{QUEUE}{queue}"),
            Self::ApiKey(id) => write!(f, "{API_KEY}{id}"),
        }
    }
}

impl Record {
    /// Whose it is.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Function(function, _) => Key::Function(function.clone()),
            Self::Namespace(namespace, _) => Key::Namespace(namespace.clone()),
            Self::Queue(queue, _) => Key::Queue(queue.clone()),
            Self::ApiKey(id, _) => Key::ApiKey(id.clone()),
        }
    }
}

/// A record as adapters keep it, secrets included.
pub struct Stored<'a>(pub &'a Record);

impl Serialize for Stored<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Record::Namespace(_, tenancy) => Kept(tenancy).serialize(serializer),
            record => record.serialize(serializer),
        }
    }
}

/// What it says, as it may be shown, without whose it is: that is in its key.
impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Function(_, deployment) => deployment.serialize(serializer),
            Self::Namespace(_, tenancy) => tenancy.serialize(serializer),
            Self::Queue(_, settings) => settings.serialize(serializer),
            Self::ApiKey(_, key) => key.serialize(serializer),
        }
    }
}

/// Bytes in whatever form an adapter keeps records.
pub trait Form {
    /// What is wrong with them.
    type Error: fmt::Display;

    /// What they say.
    ///
    /// # Errors
    /// If that is not it.
    fn read<T: DeserializeOwned>(&self) -> Result<T, Self::Error>;
}

impl From<&FunctionSpec> for Record {
    fn from(spec: &FunctionSpec) -> Self {
        Self::Function(spec.function.clone(), Box::new(spec.deployment.open()))
    }
}

impl From<&NamespaceSpec> for Record {
    fn from(spec: &NamespaceSpec) -> Self {
        Self::Namespace(spec.namespace.clone(), Box::new(spec.tenancy.clone()))
    }
}

impl Change {
    /// What an adapter read of a record.
    pub fn read<F: Form>(key: &Key, revision: u64, form: &F) -> Self {
        let record = match key.clone() {
            Key::Function(function) => form.read().map(|it| Record::Function(function, Box::new(it))),
            Key::Namespace(namespace) => form.read().map(|it| Record::Namespace(namespace, Box::new(it))),
            Key::Queue(queue) => form.read().map(|it| Record::Queue(queue, Box::new(it))),
            Key::ApiKey(id) => form.read().map(|it| Record::ApiKey(id, Box::new(it))),
        };
        let unreadable = |error: F::Error| Self::Unreadable { key: key.to_string(), why: error.to_string() };
        record.map_or_else(unreadable, |record| Self::Put(record, revision))
    }

    /// The same as an answer: what is there, if anything is.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn into_found(self) -> Result<Option<(Record, u64)>, Error> {
        match self {
            Self::Put(record, revision) => Ok(Some((record, revision))),
            Self::Deleted(_) | Self::Current => Ok(None),
            Self::Unreadable { key, why } => Err(Error::Unreadable { key, why }),
        }
    }
}
