//! What is set for a queue: whether its calls start, and how those of its functions are retried that do not say so
//! themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::annotation::{self, Whose};
use crate::fault::Faults;
use crate::{Queue, retry};

/// The record of a queue, kept as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The queue.
    #[serde(default)]
    pub name: String,
    /// The annotations that a function would have for the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A queue, as its functions share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSpec {
    /// Its name.
    pub queue: Queue,
    /// Whether none of its calls starts for now.
    pub paused: bool,
    /// How calls are retried, as far as it differs from the default.
    pub retry: retry::Overrides,
    /// The record it was read from.
    pub settings: Settings,
}

impl QueueSpec {
    /// Reads a record.
    ///
    /// # Errors
    /// [`Faults`] names every field that cannot be used.
    pub fn compile(settings: Settings) -> Result<Self, Faults> {
        let mut read = annotation::Reader::new(&settings.annotations, Whose::Queue);
        let (paused, retry, mut faults) = (read.flag(annotation::PAUSED), read.retry(), read.faults);
        let queue = faults.take("/name", Queue::parse(&settings.name));
        let Some(queue) = queue else { return Err(faults) };
        faults.check()?;
        Ok(Self { queue, paused, retry, settings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(annotations: &[(&str, &str)]) -> Result<QueueSpec, Faults> {
        let annotations = annotations.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        QueueSpec::compile(Settings { name: "slow".into(), annotations })
    }

    #[test]
    fn what_is_set_for_retries_is_read() {
        let spec = compile(&[("com.openfaas.retry.attempts", "3"), ("fabric.retry.max-age", "2h")]).unwrap();
        assert!(!spec.paused && compile(&[("fabric.paused", "true")]).unwrap().paused);
        assert_eq!((spec.retry.attempts, spec.retry.max_age.map(|age| age.as_secs())), (Some(3), Some(7200)));
        assert_eq!(spec.retry.codes, None);
    }

    #[test]
    fn what_means_nothing_for_a_queue_is_refused() {
        for (name, value) in [("fabric.upstream", "http://x"), ("fabric.weight", "3"), ("fabric.retry.jitter", "some")]
        {
            let error = compile(&[(name, value)]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
