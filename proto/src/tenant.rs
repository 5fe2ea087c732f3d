//! What is known about a namespace: OpenFaaS's record of it, and what its annotations mean.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::Namespace;
use crate::annotation::{self, Whose};
use crate::fault::Faults;
use crate::limit::Throttle;

/// OpenFaaS's `FunctionNamespace`, the body of `POST` and `PUT /system/namespace/{name}`, kept as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "OpenFaaS's own names, documented there")]
pub struct Tenancy {
    pub name: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A namespace, as its functions share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceSpec {
    /// Its name.
    pub namespace: Namespace,
    /// Its share of a worker's capacity.
    pub weight: NonZeroU32,
    /// How many calls of all its functions may start in a time in the whole cluster.
    pub rate: Option<Throttle>,
    /// How many calls of all its functions all gateways together accept in a time.
    pub accept: Option<Throttle>,
    /// The record it was read from.
    pub tenancy: Tenancy,
}

impl NamespaceSpec {
    /// Reads a record.
    ///
    /// # Errors
    /// [`Faults`] names every field that cannot be used.
    pub fn compile(tenancy: Tenancy) -> Result<Self, Faults> {
        let mut read = annotation::Reader::new(&tenancy.annotations, Whose::Namespace);
        let weight = read.count(annotation::WEIGHT).unwrap_or(NonZeroU32::MIN);
        let rate = read.throttle(annotation::RATE, annotation::BURST);
        let accept = read.throttle(annotation::ACCEPT_RATE, annotation::ACCEPT_BURST);
        let mut faults = read.faults;
        let Some(namespace) = faults.take("/name", Namespace::parse(&tenancy.name)) else { return Err(faults) };
        faults.check()?;
        Ok(Self { namespace, weight, rate, accept, tenancy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(annotations: &[(&str, &str)]) -> Result<NamespaceSpec, Faults> {
        let annotations = annotations.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        NamespaceSpec::compile(Tenancy { name: "acme".into(), annotations, ..Tenancy::default() })
    }

    #[test]
    fn what_a_namespace_may_have_is_read() {
        let spec = compile(&[("fabric.weight", "3"), ("fabric.rate", "50/s"), ("other", "theirs")]).unwrap();
        assert_eq!((spec.weight.get(), spec.rate.unwrap().burst.get(), spec.accept), (3, 5, None));
    }

    #[test]
    fn what_means_nothing_for_a_namespace_is_refused() {
        for (name, value) in [("fabric.upstream", "http://x"), ("fabric.wait", "3"), ("fabric.weight", "0")] {
            let error = compile(&[(name, value)]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
