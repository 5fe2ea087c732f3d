//! The control plane: functions, namespaces and queues as records that every process follows.

use std::fmt;

use proto::spec::Deployment;
use proto::tenant::Tenancy;
use proto::{Function, FunctionSpec, Namespace, NamespaceSpec, Queue, name, queue};

use super::broker::Error;
use super::{BoxFuture, BoxStream};

/// What the key of a queue begins with: no name of a function or a namespace has a slash.
const QUEUE: &str = "queue/";

/// Keeps records, durably, and tells everybody about changes.
pub trait Control: Send + Sync + 'static {
    /// Every record there is, then [`Change::Current`], then every change as it happens, in order. The stream ends
    /// with an error when it cannot go on; a new watch begins from the start.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn watch(&self) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, Error>>, Error>>;

    /// Writes a record, new or not; answers when it is durable.
    ///
    /// # Errors
    /// As [`Broker::schedule`](super::Broker::schedule).
    fn put(&self, record: Record) -> BoxFuture<'_, Result<(), Error>>;

    /// Removes a record; answers when that is durable, and whether there was one.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    fn delete(&self, key: &Key) -> BoxFuture<'_, Result<bool, Error>>;
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
    /// This is the record now.
    Put(Record),
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
        deployment: impl FnOnce() -> Result<Deployment, E>,
        tenancy: impl FnOnce() -> Result<Tenancy, E>,
        settings: impl FnOnce() -> Result<queue::Settings, E>,
    ) -> Self {
        let record = match key {
            Key::Function(function) => deployment().map(|it| Record::Function(function.clone(), Box::new(it))),
            Key::Namespace(namespace) => tenancy().map(|it| Record::Namespace(namespace.clone(), Box::new(it))),
            Key::Queue(queue) => settings().map(|it| Record::Queue(queue.clone(), Box::new(it))),
        };
        record.map_or_else(|error| Self::Unreadable { key: key.to_string(), why: error.to_string() }, Self::Put)
    }
}
