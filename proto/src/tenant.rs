//! What is known about a namespace: OpenFaaS's record of it, and what its annotations mean.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize, Serializer};

use crate::annotation::{self, Whose};
use crate::fault::{Fault, Faults};
use crate::host::Hosts;
use crate::limit::Throttle;
use crate::signing::{Entry, SECRETS_MAX, Secret};
use crate::{Namespace, Queue, signing};

/// OpenFaaS's `FunctionNamespace`, the body of `POST` and `PUT /system/namespace/{name}`, kept as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "OpenFaaS's own names, documented there")]
pub struct Tenancy {
    pub name: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Ours: what callbacks are signed with. Shown by fingerprints, see [`Kept`]. Absent means that nothing is said of it.
    #[serde(default, deserialize_with = "signing::entries", skip_serializing_if = "Option::is_none")]
    pub signing: Option<Vec<Entry>>,
}

impl Tenancy {
    /// The same, with what it leaves unsaid or only names taken from what is set now: so a record that was read can be
    /// written again, and who knows nothing of secrets leaves them alone.
    ///
    /// # Errors
    /// [`Faults`] if it names a secret that is not set.
    pub fn over(mut self, now: Option<&Self>) -> Result<Self, Faults> {
        let known = now.and_then(|it| it.signing.as_deref()).unwrap_or_default();
        let Some(said) = &mut self.signing else {
            self.signing = Some(known.to_vec()).filter(|known| !known.is_empty());
            return Ok(self);
        };
        let mut faults = Faults::default();
        for (n, entry) in said.iter_mut().enumerate() {
            if let Entry::Known(fingerprint) = entry {
                match known.iter().find(|it| it.fingerprint() == *fingerprint) {
                    Some(secret) => *entry = secret.clone(),
                    None => {
                        let why = format!("no signing secret with fingerprint {fingerprint} is set");
                        faults.add(Fault::new(format!("/signing/{n}"), why));
                    }
                }
            }
        }
        faults.check()?;
        self.signing = self.signing.filter(|said| !said.is_empty());
        Ok(self)
    }
}

/// A record as it is kept, with its secrets written out. For stores, and never for people.
pub struct Kept<'a>(pub &'a Tenancy);

impl Serialize for Kept<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            shown: &'a Tenancy,
            #[serde(skip_serializing_if = "Option::is_none")]
            signing: Option<Vec<String>>,
        }
        let reveal = |entry: &Entry| match entry {
            Entry::Secret(secret) => secret.reveal(),
            Entry::Known(fingerprint) => fingerprint.clone(),
        };
        let signing = self.0.signing.as_ref().map(|all| all.iter().map(reveal).collect());
        Whole { shown: &Tenancy { signing: None, ..self.0.clone() }, signing }.serialize(serializer)
    }
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
    /// How many calls of all its functions may run at once in the whole cluster, in each queue.
    pub concurrency: Option<NonZeroU32>,
    /// How many calls of all its functions may wait, be it for their time, or run.
    pub backlog: Option<NonZeroU32>,
    /// The largest body of an asynchronous call, in bytes.
    pub body_len_max: Option<u64>,
    /// Where callbacks of its functions may go, of all the places where any may; everywhere there, if absent.
    pub callback_hosts: Option<Hosts>,
    /// Which queues its functions may name beside the default one, if whoever registers them is limited to it; those that
    /// somebody has set up, if absent.
    pub queues: Option<BTreeSet<Queue>>,
    /// What callbacks of its functions are signed with.
    pub secrets: Vec<Secret>,
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
        let callback_hosts = read.hosts(annotation::CALLBACK_HOSTS);
        let (concurrency, backlog) = (read.count(annotation::CONCURRENCY), read.count(annotation::BACKLOG));
        let (body_len_max, queues) = (read.size(annotation::MAX_BODY), read.queues());
        let mut faults = read.faults;
        let secrets = faults.take("/signing", secrets(tenancy.signing.as_deref().unwrap_or_default()));
        let Some(namespace) = faults.take("/name", Namespace::parse(&tenancy.name)) else { return Err(faults) };
        faults.check()?;
        let secrets = secrets.unwrap_or_default();
        Ok(Self {
            namespace,
            weight,
            rate,
            accept,
            concurrency,
            backlog,
            body_len_max,
            callback_hosts,
            queues,
            secrets,
            tenancy,
        })
    }
}

fn secrets(entries: &[Entry]) -> Result<Vec<Secret>, String> {
    if entries.len() > SECRETS_MAX {
        return Err(format!("at most {SECRETS_MAX} signing secrets may be set at once"));
    }
    let secret = |entry: &Entry| match entry {
        Entry::Secret(secret) => Ok(secret.clone()),
        Entry::Known(fingerprint) => Err(format!("no signing secret with fingerprint {fingerprint} is set")),
    };
    entries.iter().map(secret).collect()
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
        let spec = compile(&[
            ("fabric.weight", "3"),
            ("fabric.rate", "50/s"),
            ("other", "theirs"),
            ("fabric.callback-hosts", "*.acme.example"),
        ])
        .unwrap();
        assert_eq!((spec.weight.get(), spec.rate.unwrap().burst.get(), spec.accept), (3, 5, None));
    }

    fn read(json: &str) -> Tenancy {
        serde_json::from_str(json).unwrap()
    }

    const ACME: &str = r#"{"name":"acme","signing":["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}"#;

    #[test]
    fn secrets_are_kept_and_not_shown() {
        let tenancy = read(ACME);
        assert_eq!(serde_json::to_string(&Kept(&tenancy)).unwrap(), ACME);
        let packed = rmp_serde::to_vec_named(&Kept(&tenancy)).unwrap();
        assert_eq!(rmp_serde::from_slice::<Tenancy>(&packed).unwrap(), tenancy);
        let spec = NamespaceSpec::compile(tenancy.clone()).unwrap();
        assert_eq!(spec.secrets.len(), 1);
        for shown in [serde_json::to_string(&tenancy).unwrap(), format!("{spec:?}")] {
            assert!(shown.contains("sha256:") && !shown.contains("MfKQ"), "{shown}");
        }
    }

    #[test]
    fn what_was_read_can_be_written_again_and_silence_changes_nothing() {
        let now = read(ACME);
        let shown = serde_json::to_string(&now).unwrap();
        assert_eq!(read(&shown).over(Some(&now)), Ok(now.clone()));
        assert_eq!(read(r#"{"name":"acme"}"#).over(Some(&now)), Ok(now.clone()));
        assert_eq!(read(r#"{"name":"acme","signing":[]}"#).over(Some(&now)).unwrap().signing, None);
        assert_eq!(read(&shown).over(None).unwrap_err().all()[0].field, "/signing/0");
        assert!(NamespaceSpec::compile(read(&shown)).is_err(), "a fingerprint signs nothing");
        let alone = read(r#"{"name":"acme","signing":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}"#);
        assert_eq!(alone, now);
        assert_eq!(read(r#"{"name":"acme","signing":null}"#).signing, None);
    }

    #[test]
    fn a_namespace_has_quotas() {
        let spec = compile(&[("fabric.backlog", "500"), ("fabric.concurrency", "7"), ("fabric.max-body", "64KiB")]);
        let spec = spec.unwrap();
        let counts = [spec.backlog, spec.concurrency].map(|it| it.map(NonZeroU32::get));
        assert_eq!((counts, spec.body_len_max), ([Some(500), Some(7)], Some(65536)));
        for (name, value) in [("fabric.backlog", "0"), ("fabric.max-body", "0"), ("fabric.max-body", "some")] {
            assert!(compile(&[(name, value)]).is_err(), "{name}={value}");
        }
    }

    #[test]
    fn what_means_nothing_for_a_namespace_is_refused() {
        for (name, value) in [("fabric.upstream", "http://x"), ("fabric.wait", "3"), ("fabric.weight", "0")] {
            let error = compile(&[(name, value)]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
