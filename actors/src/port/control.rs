//! The control plane: functions, namespaces and queues as records that every process follows.

use std::fmt;

use proto::spec::Deployment;
use proto::tenant::Tenancy;
use proto::{Function, FunctionSpec, Namespace, NamespaceSpec, Queue, name, queue};

use super::{BoxFuture, BoxStream, broker};

/// What the key of a queue begins with: no name of a function or a namespace has a slash.
const QUEUE: &str = "queue/";

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

impl Key {
    /// Reads what [`Display`](fmt::Display) writes: a function always has its namespace, and so a dot.
    ///
    /// # Errors
    /// If it is neither a function's name nor a namespace nor a queue.
    pub fn parse(text: &str) -> Result<Self, name::Error> {
        if let Some(queue) = text.strip_prefix(QUEUE) {
            Queue::parse(queue).map(Self::Queue)
        } else if text.contains('.') {
            Function::parse(text).map(Self::Function)
        } else {
            Namespace::parse(text).map(Self::Namespace)
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(function) => function.fmt(f),
            Self::Namespace(namespace) => namespace.fmt(f),
            Self::Queue(queue) => write!(f, "{QUEUE}{queue}"),
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
        }
    }
}

impl From<&FunctionSpec> for Record {
    fn from(spec: &FunctionSpec) -> Self {
        Self::Function(spec.function.clone(), Box::new(spec.deployment.clone()))
    }
}

impl From<&NamespaceSpec> for Record {
    fn from(spec: &NamespaceSpec) -> Self {
        Self::Namespace(spec.namespace.clone(), Box::new(spec.tenancy.clone()))
    }
}

impl Change {
    /// What an adapter read of a record, in whatever form it keeps them.
    pub fn read<E: fmt::Display>(
        key: &Key,
        revision: u64,
        deployment: impl FnOnce() -> Result<Deployment, E>,
        tenancy: impl FnOnce() -> Result<Tenancy, E>,
        settings: impl FnOnce() -> Result<queue::Settings, E>,
    ) -> Self {
        let record = match key {
            Key::Function(function) => deployment().map(|it| Record::Function(function.clone(), Box::new(it))),
            Key::Namespace(namespace) => tenancy().map(|it| Record::Namespace(namespace.clone(), Box::new(it))),
            Key::Queue(queue) => settings().map(|it| Record::Queue(queue.clone(), Box::new(it))),
        };
        let unreadable = |error: E| Self::Unreadable { key: key.to_string(), why: error.to_string() };
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
