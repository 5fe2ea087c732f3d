//! A function as OpenFaaS's API takes it, as it came and as it is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Function, Namespace, Timestamp, name};

/// OpenFaaS's `FunctionDeployment`, the body of `POST` and `PUT /system/functions`. It is kept as it came; fields
/// that mean nothing here (the image, the limits of a container) are given back when the function is described.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "OpenFaaS's own names, documented there")]
pub struct Deployment {
    pub service: String,
    #[serde(default, deserialize_with = "or_nothing", skip_serializing_if = "String::is_empty")]
    pub image: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_process: Option<String>,
    #[serde(default, deserialize_with = "or_nothing", skip_serializing_if = "BTreeMap::is_empty")]
    pub env_vars: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_nothing", skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    #[serde(default, deserialize_with = "or_nothing", skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    #[serde(default, deserialize_with = "or_nothing", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_nothing", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_nothing", skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_nothing", skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub read_only_root_filesystem: bool,
    /// Ours: set while the function is being deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleting: Option<Removal>,
    #[serde(default, skip_serializing_if = "CreatedAt::is_unknown")]
    pub created_at: CreatedAt,
}

/// `null` is nothing said, as it is to Go.
fn or_nothing<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// What becomes of the calls that a function still has when it is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Removal {
    /// They run as before; the function is gone when none is left.
    #[default]
    Drain,
    /// They go to the dead letters, but for those that run.
    DeadLetter,
}

impl Removal {
    /// Reads the word for it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "drain" => Some(Self::Drain),
            "dead-letter" => Some(Self::DeadLetter),
            _ => None,
        }
    }
}

/// When a function was first deployed: told in OpenFaaS's status of it, and no part of what it is. Two deployments are
/// the same whenever they were made.
#[derive(Clone, Copy, Debug, Default, Eq, Serialize, Deserialize)]
#[serde(from = "Option<String>", into = "Option<String>")]
pub struct CreatedAt(pub Option<Timestamp>);

impl CreatedAt {
    fn is_unknown(&self) -> bool {
        self.0.is_none()
    }
}

impl PartialEq for CreatedAt {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl From<Option<String>> for CreatedAt {
    /// What is no time is no reason to refuse a deployment: it is set anew.
    fn from(text: Option<String>) -> Self {
        Self(text.as_deref().and_then(Timestamp::parse_rfc3339))
    }
}

impl From<CreatedAt> for Option<String> {
    fn from(at: CreatedAt) -> Self {
        at.0.map(|at| at.to_string())
    }
}

impl Deployment {
    /// One of a function that is being deleted, and of which nothing else is known.
    #[must_use]
    pub fn leaving(function: &Function, removal: Removal) -> Self {
        let (service, namespace) = (function.name().into(), Some(function.namespace().to_string()));
        Self { service, namespace, deleting: Some(removal), ..Self::default() }
    }

    /// The function that is deployed.
    ///
    /// # Errors
    /// [`name::Error`] if `service` or `namespace` is not a DNS label.
    pub fn function(&self) -> Result<Function, name::Error> {
        Function::new(&self.service, self.namespace()?)
    }

    pub(crate) fn namespace(&self) -> Result<Namespace, name::Error> {
        match self.namespace.as_deref() {
            None | Some("") => Ok(Namespace::default()),
            Some(namespace) => Namespace::parse(namespace),
        }
    }
}

/// A deployment that is put away: a fraction of the memory, where there may be a hundred thousand and few are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// Everything else, as JSON; nothing at all, if nobody deployed anything.
    json: Box<str>,
    /// Set while the function is being deleted.
    pub deleting: Option<Removal>,
    /// When the function was first deployed.
    pub created_at: CreatedAt,
}

impl Packed {
    /// Puts a deployment away.
    #[must_use]
    pub fn of(mut deployment: Deployment) -> Self {
        let (deleting, created_at) = (deployment.deleting.take(), std::mem::take(&mut deployment.created_at));
        #[expect(clippy::expect_used, reason = "writing to memory cannot fail and every key is a string")]
        let json = serde_json::to_string(&deployment).expect("a deployment is serialisable");
        Self { json: json.into(), deleting, created_at }
    }

    /// The deployment.
    #[must_use]
    pub fn open(&self) -> Deployment {
        let Self { json, deleting, created_at } = self;
        let deployment = if json.is_empty() {
            Deployment::default()
        } else {
            #[expect(clippy::expect_used, reason = "a deployment wrote it, and nothing else can")]
            serde_json::from_str(json).expect("a deployment can be read again")
        };
        Deployment { deleting: *deleting, created_at: *created_at, ..deployment }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Deployment {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn when_it_was_made_is_told_and_changes_nothing() {
        let at = read(r#"{"service":"env","createdAt":"2026-11-21T10:00:00Z"}"#);
        assert_eq!(serde_json::to_value(&at).unwrap()["createdAt"], "2026-11-21T10:00:00.000000000Z");
        assert_eq!(at, read(r#"{"service":"env","createdAt":null}"#));
        assert!(serde_json::to_value(read(r#"{"service":"env","createdAt":"x"}"#)).unwrap().get("createdAt").is_none());
    }

    #[test]
    fn what_is_put_away_is_the_same_again() {
        let full = read(
            r#"{"service":"env","image":"i","namespace":"acme","envProcess":"p","envVars":{"A":"1"},"constraints":["c"],
            "secrets":["s"],"labels":{"x":"y"},"annotations":{"fabric.upstream":"http://a"},"limits":{"memory":"1"},
            "requests":{"cpu":"2"},"readOnlyRootFilesystem":true,"deleting":"dead-letter",
            "createdAt":"2026-11-21T10:00:00Z"}"#,
        );
        let json = |deployment: &Deployment| serde_json::to_string(deployment).unwrap();
        for deployment in [full, read(r#"{"service":"env"}"#), Deployment::default()] {
            let packed = Packed::of(deployment.clone());
            assert_eq!(json(&packed.open()), json(&deployment), "when it was made included");
            assert_eq!((packed.deleting, packed.created_at.0), (deployment.deleting, deployment.created_at.0));
        }
        assert_eq!(Packed::default().open(), Deployment::default());
        let (early, late) = (read(r#"{"service":"a","createdAt":"2026-11-21T10:00:00Z"}"#), read(r#"{"service":"a"}"#));
        assert_eq!(Packed::of(early.clone()), Packed::of(late), "the same whenever they were made");
        let leaving = Deployment { deleting: Some(Removal::Drain), ..early.clone() };
        assert_ne!(Packed::of(early), Packed::of(leaving));
    }
}
