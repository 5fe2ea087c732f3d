//! The annotations of a deployment that mean something here.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use crate::fault::{Fault, Faults};
use crate::host::Hosts;
use crate::limit::{Rate, Throttle};
use crate::record::Keep;
use crate::retry::{self, Jitter};
use crate::trace::Across;
use crate::upstream::{Template, Upstream};
use crate::{Function, Queue};

/// Where the function answers: a URL, several separated by commas, or `dns+http://name:port`.
pub const UPSTREAM: &str = "fabric.upstream";
/// Calls that each upstream takes at once.
pub const SLOTS: &str = "fabric.slots";
/// Calls that may run at once in the whole cluster.
pub const CONCURRENCY: &str = "fabric.concurrency";
/// Calls that may start in a time, such as `100/s`.
pub const RATE: &str = "fabric.rate";
/// How many of them at once.
pub const BURST: &str = "fabric.burst";
/// Calls that gateways accept in a time; more are refused.
pub const ACCEPT_RATE: &str = "fabric.accept-rate";
/// How many of them at once.
pub const ACCEPT_BURST: &str = "fabric.accept-burst";
/// The hosts and networks to which callbacks of a namespace may go, of those to which any may.
pub const CALLBACK_HOSTS: &str = "fabric.callback-hosts";
/// Calls of a namespace that may wait or run; more are refused.
pub const BACKLOG: &str = "fabric.backlog";
/// The largest body of a namespace's calls, such as `256KiB`.
pub const MAX_BODY: &str = "fabric.max-body";
/// The queues that functions of a namespace may name, beside the default one: `slow, fast`.
pub const QUEUES: &str = "fabric.queues";
/// Whether no call starts for now: `true` or `false`.
pub const PAUSED: &str = "fabric.paused";
/// How long a call may run, such as `90s`.
pub const TIMEOUT: &str = "fabric.timeout";
/// The share among the functions of a namespace.
pub const WEIGHT: &str = "fabric.weight";
/// How much of a wait is chance: `full`, `equal` or `none`.
pub const RETRY_JITTER: &str = "fabric.retry.jitter";
/// How old a call may get, such as `24h`.
pub const RETRY_MAX_AGE: &str = "fabric.retry.max-age";
/// How often whoever runs a call may be gone before it is dead.
pub const RETRY_CRASHES: &str = "fabric.retry.crashes";
/// What is kept of calls: `none`, `status`, or how much of a result, such as `64KiB`.
pub const RESULT: &str = "fabric.result";
/// How attempts are joined to their caller's trace: `parent` or `link`.
pub const TRACE: &str = "fabric.trace";
/// The queue.
pub const QUEUE: &str = "com.openfaas.queue";
/// Attempts before a call is dead.
pub const RETRY_ATTEMPTS: &str = "com.openfaas.retry.attempts";
/// Statuses that are retried.
pub const RETRY_CODES: &str = "com.openfaas.retry.codes";
/// Upper bound of the first wait.
pub const RETRY_MIN_WAIT: &str = "com.openfaas.retry.min_wait";
/// Upper bound of every wait.
pub const RETRY_MAX_WAIT: &str = "com.openfaas.retry.max_wait";

/// All that begin with `fabric.`.
const KNOWN: [&str; 15] = [
    UPSTREAM,
    SLOTS,
    CONCURRENCY,
    RATE,
    BURST,
    ACCEPT_RATE,
    ACCEPT_BURST,
    PAUSED,
    TIMEOUT,
    WEIGHT,
    RESULT,
    TRACE,
    RETRY_JITTER,
    RETRY_MAX_AGE,
    RETRY_CRASHES,
];
/// The most that is kept of a result, in bytes: it must fit into a message of any NATS server.
const KEEP_MAX: u64 = 512 * 1024;
/// Those that a queue has too.
const OF_QUEUES: [&str; 4] = [PAUSED, RETRY_JITTER, RETRY_MAX_AGE, RETRY_CRASHES];
/// Those that a namespace has too.
const OF_NAMESPACES: [&str; 10] =
    [WEIGHT, CONCURRENCY, RATE, BURST, ACCEPT_RATE, ACCEPT_BURST, BACKLOG, MAX_BODY, CALLBACK_HOSTS, QUEUES];
/// Those that only a namespace has.
const OF_NAMESPACES_ONLY: [&str; 4] = [BACKLOG, MAX_BODY, CALLBACK_HOSTS, QUEUES];

/// Why an annotation cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An annotation that begins with `fabric.` and means nothing.
    #[error("annotation {0} is not known; known are {known}", known = KNOWN.join(", "))]
    Unknown(String),
    /// An annotation that means something for functions only.
    #[error("annotation {0} means nothing for a namespace; known there are {known}", known = OF_NAMESPACES.join(", "))]
    NotForNamespaces(String),
    /// An annotation that means something for namespaces only.
    #[error("annotation {0} means nothing here; it is set for a namespace")]
    OnlyForNamespaces(String),
    /// An annotation that means something for functions only.
    #[error("annotation {0} means nothing for a queue; known there are com.openfaas.retry.*, {known}", known = OF_QUEUES.join(", "))]
    NotForQueues(String),
    /// A burst of no rate.
    #[error("annotation {burst} is given without {rate}")]
    BurstOfNothing {
        /// What is given.
        burst: &'static str,
        /// What is missing.
        rate: &'static str,
    },
    /// An annotation whose value cannot be read.
    #[error("annotation {annotation} is {value:?}: {why}")]
    Unreadable {
        /// Which.
        annotation: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        why: String,
    },
    /// Nothing says where the function is.
    #[error(
        "annotation fabric.upstream is missing: the URL at which the function answers; give it, or start fabric with \
         --upstream-template, such as http://{{name}}.{{namespace}}:8080"
    )]
    NoUpstream,
    /// Nothing but the template says where the function is, and with this name it makes no URL.
    #[error("--upstream-template makes no URL for {function}: {why}; give it annotation fabric.upstream")]
    NotByTemplate {
        /// The function.
        function: Function,
        /// What is wrong with the URL.
        why: String,
    },
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        // As RFC 6901 wants them written.
        let name = error.annotation().replace('~', "~0").replace('/', "~1");
        Self::new(format!("/annotations/{name}"), error)
    }
}

impl Error {
    /// Which annotation it is about.
    #[must_use]
    pub fn annotation(&self) -> &str {
        match self {
            Self::Unknown(name)
            | Self::NotForNamespaces(name)
            | Self::OnlyForNamespaces(name)
            | Self::NotForQueues(name) => name,
            Self::BurstOfNothing { burst, .. } => burst,
            Self::Unreadable { annotation, .. } => annotation,
            Self::NoUpstream | Self::NotByTemplate { .. } => UPSTREAM,
        }
    }
}

type Annotations = BTreeMap<String, String>;

/// Whose annotations are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A function's.
    Function,
    /// A namespace's.
    Namespace,
    /// A queue's.
    Queue,
}

impl Whose {
    /// What is wrong with an annotation's name. One that begins with `fabric.` and that nobody reads is refused: a
    /// misspelt limit would otherwise be no limit.
    fn check(self, name: &str) -> Result<(), Error> {
        if !name.starts_with("fabric.") {
            return Ok(());
        }
        match self {
            Self::Namespace if OF_NAMESPACES_ONLY.contains(&name) => Ok(()),
            _ if OF_NAMESPACES_ONLY.contains(&name) => Err(Error::OnlyForNamespaces(name.into())),
            _ if !KNOWN.contains(&name) => Err(Error::Unknown(name.into())),
            Self::Namespace if !OF_NAMESPACES.contains(&name) => Err(Error::NotForNamespaces(name.into())),
            Self::Queue if !OF_QUEUES.contains(&name) => Err(Error::NotForQueues(name.into())),
            Self::Function | Self::Namespace | Self::Queue => Ok(()),
        }
    }
}

/// Reads annotations one by one, and remembers those that cannot be read.
pub(crate) struct Reader<'a> {
    annotations: &'a Annotations,
    /// What was found to be wrong so far.
    pub(crate) faults: Faults,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(annotations: &'a Annotations, whose: Whose) -> Self {
        let mut faults = Faults::default();
        for name in annotations.keys() {
            faults.read(whose.check(name));
        }
        Self { annotations, faults }
    }

    fn read<T>(&mut self, annotation: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let value = self.annotations.get(annotation)?;
        let read = read(value.trim());
        self.faults.read(read.map_err(|why| Error::Unreadable { annotation, value: value.clone(), why }))
    }

    pub(crate) fn count(&mut self, annotation: &'static str) -> Option<NonZeroU32> {
        self.read(annotation, |text| NonZeroU32::from_str(text).map_err(|_| "must be a whole number above 0".into()))
    }

    pub(crate) fn size(&mut self, annotation: &'static str) -> Option<u64> {
        self.read(annotation, |text| match parse_size::parse_size(text) {
            Ok(bytes) if bytes > 0 => Ok(bytes),
            _ => Err("must be a size above 0, such as 256KiB".into()),
        })
    }

    pub(crate) fn duration(&mut self, annotation: &'static str) -> Option<Duration> {
        self.read(annotation, |text| match humantime::parse_duration(text) {
            Ok(duration) if !duration.is_zero() => Ok(duration),
            Ok(_) => Err("must be longer than nothing".into()),
            Err(error) => Err(format!("must be a duration with a unit, such as 90s or 1h30m: {error}")),
        })
    }

    pub(crate) fn throttle(&mut self, rate: &'static str, burst: &'static str) -> Option<Throttle> {
        let read = |text: &str| Rate::parse(text).ok_or_else(|| "must be a rate such as 100/s, 600/m or 5/h".into());
        match (self.read(rate, read), self.count(burst)) {
            (Some(rate), burst) => Some(Throttle { rate, burst: burst.unwrap_or_else(|| rate.burst()) }),
            (None, None) => None,
            (None, Some(_)) if self.annotations.contains_key(rate) => None,
            (None, Some(_)) => self.faults.read(Err(Error::BurstOfNothing { burst, rate })),
        }
    }

    pub(crate) fn hosts(&mut self, annotation: &'static str) -> Option<Hosts> {
        self.read(annotation, Hosts::parse)
    }

    pub(crate) fn flag(&mut self, annotation: &'static str) -> bool {
        let flag = self.read(annotation, |text| bool::from_str(text).map_err(|_| "must be true or false".into()));
        flag.unwrap_or_default()
    }

    pub(crate) fn queue(&mut self) -> Queue {
        let queue = self.read(QUEUE, |text| match Queue::parse(text) {
            Ok(queue) if queue.is_callbacks() => Err("this queue is for callbacks only".into()),
            other => other.map_err(|error| error.to_string()),
        });
        queue.unwrap_or_default()
    }

    pub(crate) fn queues(&mut self) -> Option<BTreeSet<Queue>> {
        self.read(QUEUES, |text| {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            names.map(|name| Queue::parse(name).map_err(|error| error.to_string())).collect()
        })
    }

    /// What is said here, else what the template makes of the function.
    pub(crate) fn upstreams(&mut self, function: Option<&Function>, template: Option<&Template>) -> Vec<Upstream> {
        if self.annotations.contains_key(UPSTREAM) {
            return self.read(UPSTREAM, Upstream::parse_all).unwrap_or_default();
        }
        let Some(template) = template else {
            self.faults.add(Error::NoUpstream);
            return Vec::new();
        };
        let made = function.map_or(Ok(Vec::new()), |function| {
            template.upstreams(function).map_err(|why| Error::NotByTemplate { function: function.clone(), why })
        });
        made.map_err(|error| self.faults.add(error)).unwrap_or_default()
    }

    pub(crate) fn retry(&mut self) -> retry::Overrides {
        let jitter = |text: &str| Jitter::parse(text).ok_or_else(|| "must be full, equal or none".into());
        retry::Overrides {
            attempts: self.count(RETRY_ATTEMPTS).map(NonZeroU32::get),
            base: self.duration(RETRY_MIN_WAIT),
            cap: self.duration(RETRY_MAX_WAIT),
            jitter: self.read(RETRY_JITTER, jitter),
            max_age: self.duration(RETRY_MAX_AGE),
            codes: self.read(RETRY_CODES, |text| text.split(',').map(status).collect()),
            crashes: self.count(RETRY_CRASHES).map(NonZeroU32::get),
        }
    }

    pub(crate) fn across(&mut self) -> Across {
        let read = |text: &str| Across::parse(text).ok_or_else(|| "must be parent or link".into());
        self.read(TRACE, read).unwrap_or_default()
    }

    pub(crate) fn keep(&mut self) -> Keep {
        let read = |text: &str| match (text, parse_size::parse_size(text)) {
            ("none", _) => Ok(Keep::Nothing),
            ("status", _) => Ok(Keep::Status),
            (_, Ok(bytes)) if bytes <= KEEP_MAX => Ok(Keep::Result(bytes)),
            _ => Err("must be none, status, or a size of at most 512KiB, such as 64KiB".into()),
        };
        self.read(RESULT, read).unwrap_or_default()
    }
}

fn status(text: &str) -> Result<u16, String> {
    match text.trim().parse() {
        Ok(code @ 300..=599) => Ok(code),
        _ => Err("must be statuses between 300 and 599, separated by commas".into()),
    }
}
