//! The annotations of a deployment that mean something here.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use crate::limit::Rate;
use crate::{Queue, retry};

/// Where the function answers: a URL, several separated by commas, or `dns+http://name:port`.
pub const UPSTREAM: &str = "fabric.upstream";
/// Calls that each upstream takes at once.
pub const SLOTS: &str = "fabric.slots";
/// Calls that may run at once in the whole cluster.
pub const CONCURRENCY: &str = "fabric.concurrency";
/// Calls that may start in a time, such as `100/s`.
pub const RATE: &str = "fabric.rate";
/// How long a call may run, such as `90s`.
pub const TIMEOUT: &str = "fabric.timeout";
/// The share among the functions of a namespace.
pub const WEIGHT: &str = "fabric.weight";
/// What is kept of a result.
pub const RESULT: &str = "fabric.result";
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
const KNOWN: [&str; 7] = [UPSTREAM, SLOTS, CONCURRENCY, RATE, TIMEOUT, WEIGHT, RESULT];

/// Why an annotation cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An annotation that begins with `fabric.` and means nothing.
    #[error("annotation {0} is not known; known are {known}", known = KNOWN.join(", "))]
    Unknown(String),
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
    #[error("annotation fabric.upstream is missing: the URL at which the function answers")]
    NoUpstream,
}

type Annotations = BTreeMap<String, String>;

/// Refuses a `fabric.` annotation that nobody reads: a misspelt limit would otherwise be no limit.
pub(crate) fn check_names(annotations: &Annotations) -> Result<(), Error> {
    match annotations.keys().find(|name| name.starts_with("fabric.") && !KNOWN.contains(&name.as_str())) {
        Some(unknown) => Err(Error::Unknown(unknown.clone())),
        None => Ok(()),
    }
}

/// Reads annotations one by one, naming the one that cannot be read.
pub(crate) struct Reader<'a>(&'a Annotations);

impl<'a> Reader<'a> {
    pub(crate) fn new(annotations: &'a Annotations) -> Self {
        Self(annotations)
    }

    fn read<T>(
        &self,
        annotation: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.0.get(annotation) else { return Ok(None) };
        read(value.trim()).map(Some).map_err(|why| Error::Unreadable { annotation, value: value.clone(), why })
    }

    pub(crate) fn count(&self, annotation: &'static str) -> Result<Option<NonZeroU32>, Error> {
        self.read(annotation, |text| NonZeroU32::from_str(text).map_err(|_| "must be a whole number above 0".into()))
    }

    pub(crate) fn duration(&self, annotation: &'static str) -> Result<Option<Duration>, Error> {
        self.read(annotation, |text| match humantime::parse_duration(text) {
            Ok(duration) if !duration.is_zero() => Ok(duration),
            Ok(_) => Err("must be longer than nothing".into()),
            Err(error) => Err(format!("must be a duration with a unit, such as 90s or 1h30m: {error}")),
        })
    }

    pub(crate) fn rate(&self) -> Result<Option<Rate>, Error> {
        self.read(RATE, |text| Rate::parse(text).ok_or_else(|| "must be a rate such as 100/s, 600/m or 5/h".into()))
    }

    pub(crate) fn queue(&self) -> Result<Queue, Error> {
        let queue = self.read(QUEUE, |text| match Queue::parse(text) {
            Ok(queue) if queue.is_callbacks() => Err("this queue is for callbacks only".into()),
            other => other.map_err(|error| error.to_string()),
        })?;
        Ok(queue.unwrap_or_default())
    }

    pub(crate) fn upstreams(&self) -> Result<Vec<Url>, Error> {
        self.read(UPSTREAM, |text| text.split(',').map(upstream).collect())?.ok_or(Error::NoUpstream)
    }

    pub(crate) fn retry(&self) -> Result<retry::Policy, Error> {
        let default = retry::Policy::default();
        let codes = self.read(RETRY_CODES, |text| text.split(',').map(status).collect())?;
        Ok(retry::Policy {
            attempts: self.count(RETRY_ATTEMPTS)?.map_or(default.attempts, NonZeroU32::get),
            base: self.duration(RETRY_MIN_WAIT)?.unwrap_or(default.base),
            cap: self.duration(RETRY_MAX_WAIT)?.unwrap_or(default.cap),
            codes: codes.unwrap_or(default.codes),
            max_age: default.max_age,
        })
    }
}

fn upstream(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let url = Url::parse(text.strip_prefix("dns+").unwrap_or(text)).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err("must be an http or https URL".into()),
    }
}

fn status(text: &str) -> Result<u16, String> {
    match text.trim().parse() {
        Ok(code @ 300..=599) => Ok(code),
        _ => Err("must be statuses between 300 and 599, separated by commas".into()),
    }
}
