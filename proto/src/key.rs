//! API keys: who may ask for what, and in which namespaces.
//!
//! A key reads `fab_<id>_<secret>`. The id says which record it is, the secret is 256 random bits; only a hash of it is
//! ever stored. A hash that is quick to compute is right for it: nobody can guess 256 bits, however quickly.

mod scope;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::scope::{Scope, Scopes};
use crate::{Namespace, Timestamp, name};

/// What the text of every key begins with.
const PREFIX: &str = "fab_";
/// What stands for all namespaces in a list of them: no namespace has such a name.
const ALL: &str = "*";
const ID_LEN_MAX: usize = 32;
const NAME_LEN_MAX: usize = 100;

/// Bytes of a secret, and of its hash.
pub const SECRET_LEN: usize = 32;

/// Why something is no key, or no part of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not that of a key. It is not repeated: it may be one with a mistake in it.
    #[error("this is no key: a key reads fab_<id>_<secret>")]
    Text,
    /// Not the id of one.
    #[error("key id {0:?} must be 1 to {ID_LEN_MAX} of a-z and 0-9")]
    Id(String),
    /// Not a scope.
    #[error("{0:?} is no scope; known are invoke, read, operate, admin")]
    Scope(String),
    /// A key that may do nothing.
    #[error("scopes is empty: say what the key is for")]
    NoScope,
    /// A key that is for nothing.
    #[error("namespaces is empty: name some, or all of them by \"{ALL}\"")]
    NoNamespace,
    /// Not a namespace.
    #[error("{0}")]
    Namespace(#[from] name::Error),
    /// Not a hash.
    #[error("a hash must be {} hexadecimal digits", 2 * SECRET_LEN)]
    Hash,
    /// Not a name that people can tell it by.
    #[error("name must be 1 to {NAME_LEN_MAX} characters")]
    Name,
}

/// Which key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(Arc<str>);

/// The secret of a key. It has no `Debug` that would show it, and is no part of any record.
#[derive(Clone)]
pub struct Secret(pub [u8; SECRET_LEN]);

/// The hash of a secret: SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub [u8; SECRET_LEN]);

/// Which namespaces something is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub enum Reach {
    /// All of them, and what belongs to none.
    Everything,
    /// These.
    Namespaces(BTreeSet<Namespace>),
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// What people call it.
    pub name: String,
    /// The hash of its secret.
    pub hash: Hash,
    /// What it is for.
    pub scopes: Scopes,
    /// In which namespaces.
    pub namespaces: Reach,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is of no use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Since when it is of no use, because somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it is of use.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }

    /// A name that people can tell a key by.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn check_name(name: &str) -> Result<(), Error> {
        let is_usable = (1..=NAME_LEN_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        if is_usable { Ok(()) } else { Err(Error::Name) }
    }
}

impl KeyId {
    /// Reads an id.
    ///
    /// # Errors
    /// [`Error::Id`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if (1..=ID_LEN_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.into()));
        }
        Err(Error::Id(text.chars().take(80).collect()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text of a key: the only thing that its secret is ever in.
#[must_use]
pub fn write(id: &KeyId, secret: &Secret) -> String {
    format!("{PREFIX}{id}_{}", hex(&secret.0))
}

/// Reads the text of a key.
///
/// # Errors
/// [`Error::Text`].
pub fn read(text: &str) -> Result<(KeyId, Secret), Error> {
    let (id, secret) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(Error::Text)?;
    let secret = unhex(secret).ok_or(Error::Text)?;
    Ok((KeyId::parse(id).map_err(|_| Error::Text)?, Secret(secret)))
}

impl Reach {
    /// Reads names of namespaces, or `*`.
    ///
    /// # Errors
    /// [`Error::NoNamespace`], [`Error::Namespace`].
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let names: Vec<&str> = names.into_iter().collect();
        if names == [ALL] {
            return Ok(Self::Everything);
        }
        let names = names.into_iter().map(Namespace::parse).collect::<Result<BTreeSet<_>, _>>()?;
        if names.is_empty() { Err(Error::NoNamespace) } else { Ok(Self::Namespaces(names)) }
    }

    /// Whether what is in `namespace` is within it.
    #[must_use]
    pub fn covers(&self, namespace: &Namespace) -> bool {
        match self {
            Self::Everything => true,
            Self::Namespaces(names) => names.contains(namespace),
        }
    }

    /// Whether all of another one is within it.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everything, _) => true,
            (Self::Namespaces(_), Self::Everything) => false,
            (Self::Namespaces(own), Self::Namespaces(others)) => others.is_subset(own),
        }
    }

    /// The namespaces, if it does not reach all.
    #[must_use]
    pub fn namespaces(&self) -> Option<&BTreeSet<Namespace>> {
        match self {
            Self::Everything => None,
            Self::Namespaces(names) => Some(names),
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A hash is no secret, and of no use to whoever reads a log.
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(…)")
    }
}

impl TryFrom<String> for KeyId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0.as_ref().into()
    }
}

impl TryFrom<String> for Hash {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        unhex(&text).map(Self).ok_or(Error::Hash)
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hex(&hash.0)
    }
}

impl TryFrom<Vec<String>> for Reach {
    type Error = Error;
    fn try_from(names: Vec<String>) -> Result<Self, Error> {
        Self::of(names.iter().map(String::as_str))
    }
}

impl From<Reach> for Vec<String> {
    fn from(reach: Reach) -> Self {
        match reach {
            Reach::Everything => vec![ALL.into()],
            Reach::Namespaces(names) => names.iter().map(ToString::to_string).collect(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(nibble.into(), 16));
        }
        text
    })
}

/// Exactly so many bytes, or nothing.
fn unhex(text: &str) -> Option<[u8; SECRET_LEN]> {
    let mut bytes = [0; SECRET_LEN];
    if text.len() != 2 * SECRET_LEN {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        for digit in digits {
            let value = char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok())?;
            *byte = *byte << 4 | value;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(names: &[&str]) -> Reach {
        Reach::of(names.iter().copied()).unwrap()
    }

    #[test]
    fn a_key_reads_as_it_is_written() {
        let (id, secret) = (KeyId::parse("k1").unwrap(), Secret(std::array::from_fn(|n| 7 * u8::try_from(n).unwrap())));
        let text = write(&id, &secret);
        assert_eq!((text.len(), &text[..7]), (71, "fab_k1_"));
        let (read_id, read_secret) = read(&text).unwrap();
        assert_eq!((read_id, read_secret.0), (id, secret.0));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn what_is_nearly_a_key_is_none() {
        let good = format!("fab_k1_{}", "0f".repeat(32));
        assert!(read(&good).is_ok());
        let long = "0f".repeat(33);
        for bad in [
            "".into(),
            "fab_".into(),
            "fab_k1".into(),
            "fab_k1_".into(),
            format!("fab__{}", "0f".repeat(32)),
            format!("fab_K1_{}", "0f".repeat(32)),
            format!("fab_k1_{long}"),
            format!("fab_k1_{}", "0g".repeat(32)),
            format!("fab_k1_{}é", "0f".repeat(31)),
            format!("{good} "),
            good.replace("fab", "FAB"),
        ] {
            assert_eq!(read(&bad).err(), Some(Error::Text), "{bad}");
        }
    }

    #[test]
    fn a_reach_is_all_or_what_is_named() {
        let (a, b) = (Namespace::parse("a").unwrap(), Namespace::parse("b").unwrap());
        assert!(reach(&["*"]).covers(&a) && reach(&["a"]).covers(&a) && !reach(&["a"]).covers(&b));
        assert!(reach(&["*"]).includes(&reach(&["*"])) && reach(&["a", "b"]).includes(&reach(&["b"])));
        assert!(!reach(&["a"]).includes(&reach(&["*"])) && !reach(&["a"]).includes(&reach(&["a", "b"])));
        for bad in [&[][..], &["*", "a"], &["A"]] {
            assert!(Reach::of(bad.iter().copied()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_record_that_leaves_out_what_a_key_is_for_is_none() {
        let whole = serde_json::json!({
            "name": "ci", "hash": "00".repeat(32), "scopes": ["read"], "namespaces": ["a"], "created_at": 7,
        });
        let key: ApiKey = serde_json::from_value(whole.clone()).unwrap();
        assert_eq!(serde_json::to_value(&key).unwrap(), whole);
        for field in ["name", "hash", "scopes", "namespaces", "created_at"] {
            let mut part = whole.clone();
            part.as_object_mut().unwrap().remove(field);
            assert!(serde_json::from_value::<ApiKey>(part).is_err(), "{field}");
        }
        for (field, value) in [("scopes", "[]"), ("namespaces", "[]"), ("hash", "\"00\""), ("scopes", "[\"root\"]")] {
            let mut bad = whole.clone();
            bad[field] = serde_json::from_str(value).unwrap();
            assert!(serde_json::from_value::<ApiKey>(bad).is_err(), "{field}: {value}");
        }
    }

    #[test]
    fn a_key_holds_until_it_is_over_or_revoked() {
        let at = Timestamp::from_unix_nanos;
        let key = ApiKey {
            name: "ci".into(),
            hash: Hash([0; SECRET_LEN]),
            scopes: Scopes::all(),
            namespaces: Reach::Everything,
            created_at: at(0),
            expires_at: Some(at(10)),
            revoked_at: None,
        };
        assert!(key.holds(at(9)) && !key.holds(at(10)));
        let revoked = ApiKey { revoked_at: Some(at(5)), ..key };
        assert!(!revoked.holds(at(4)), "clocks differ: revoked is revoked");
    }
}
