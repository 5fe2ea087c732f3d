//! Names, parsed once: a value of these types cannot hold a name that would break a subject, a URL or a file.
//!
//! Namespaces, functions and queues are DNS labels (RFC 1123: 1–63 of `a-z`, `0-9` and `-`, no `-` at either end),
//! as in OpenFaaS and Kubernetes. A label contains no `.`, `*`, `>` or space, which is why no name can escape its
//! token in a NATS subject.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The namespace a function lives in when none is named: OpenFaaS's, which `faas-cli` always appends.
pub const DEFAULT_NAMESPACE: &str = "openfaas-fn";
/// The queue of every function that names none.
pub const DEFAULT_QUEUE: &str = "default";
/// The queue that callbacks wait in.
pub const CALLBACK_QUEUE: &str = "callbacks";

const LABEL_LEN_MAX: usize = 63;
const CALL_ID_LEN_MAX: usize = 64;

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a DNS label.
    #[error("{what} name {name:?} must be 1 to 63 of a-z, 0-9 and '-', and neither begin nor end with '-'")]
    Label {
        /// `function`, `namespace` or `queue`.
        what: &'static str,
        /// The name as given, shortened if it is long.
        name: String,
    },
    /// Not usable as the id of a call.
    #[error("call id {0:?} must be 1 to 64 of A-Z, a-z, 0-9, '-' and '_'")]
    CallId(String),
}

/// At most 80 characters of what somebody sent, for an error text.
fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

fn is_label(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=LABEL_LEN_MAX).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn label(what: &'static str, text: &str) -> Result<Arc<str>, Error> {
    if is_label(text) { Ok(text.into()) } else { Err(Error::Label { what, name: shorten(text) }) }
}

/// The same 64 bits for the same text in every version and on every machine (RFC 9562 name-based UUID, SHA-1).
fn stable_hash(text: &str) -> u64 {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes()).as_u64_pair().0
}

macro_rules! label_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads a DNS label.
            ///
            /// # Errors
            /// [`Error::Label`] if it is not one.
            pub fn parse(text: &str) -> Result<Self, Error> {
                label($what, text).map(Self)
            }

            /// The label.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            fn with_text<T>(&self, act: impl FnOnce(&str) -> T) -> T {
                act(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        text_type!($name);
    };
}

/// Serde and [`FromStr`] by way of `parse` and `Display`.
macro_rules! text_type {
    ($name:ident) => {
        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.with_text(|text| serializer.serialize_str(text))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a string")
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(E::custom)
                    }
                }

                // Not by way of a string of its own: names are read several times for every call.
                deserializer.deserialize_str(Text)
            }
        }
    };
}

label_type!(
    /// Whose function it is: the tenant.
    Namespace,
    "namespace"
);
label_type!(
    /// A queue: what a group of workers serves.
    Queue,
    "queue"
);

impl Default for Namespace {
    fn default() -> Self {
        Self(DEFAULT_NAMESPACE.into())
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self(DEFAULT_QUEUE.into())
    }
}

impl Queue {
    /// The queue that callbacks wait in.
    #[must_use]
    pub fn callbacks() -> Self {
        Self(CALLBACK_QUEUE.into())
    }

    /// Whether this is the queue that callbacks wait in.
    #[must_use]
    pub fn is_callbacks(&self) -> bool {
        &*self.0 == CALLBACK_QUEUE
    }
}

/// A function and the namespace it lives in, written `name.namespace`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Function {
    name: Arc<str>,
    namespace: Namespace,
}

impl Function {
    /// A function by its two names.
    ///
    /// # Errors
    /// [`Error::Label`] if `name` is not a DNS label.
    pub fn new(name: &str, namespace: Namespace) -> Result<Self, Error> {
        Ok(Self { name: label("function", name)?, namespace })
    }

    /// Reads `name` or `name.namespace`; without a namespace it is [`DEFAULT_NAMESPACE`].
    ///
    /// # Errors
    /// [`Error::Label`] if either part is not a DNS label.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.rsplit_once('.') {
            Some((name, namespace)) => Self::new(name, Namespace::parse(namespace)?),
            None => Self::new(text, Namespace::default()),
        }
    }

    /// The lane of callbacks to one host, within the namespace of the function that was called.
    ///
    /// A host is not a label, so the name is a readable rest of it and a hash of all of it:
    /// `hooks.example.com:8443` becomes `hooks-example-com-8443-` and 16 hexadecimal digits.
    #[must_use]
    pub fn for_callback_host(authority: &str, namespace: Namespace) -> Self {
        Self::for_text(authority, namespace)
    }

    /// What stands, among the dead letters, for the function of a message of which nobody could tell: the subject that
    /// it lay on.
    #[must_use]
    pub fn for_subject(subject: &str) -> Self {
        Self::for_text(subject, Namespace::default())
    }

    fn for_text(text: &str, namespace: Namespace) -> Self {
        let readable: String = text
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .take(LABEL_LEN_MAX - 17)
            .collect();
        let name = format!("{readable}-{:016x}", stable_hash(text));
        Self { name: name.trim_start_matches('-').into(), namespace }
    }

    /// The name within the namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The shard of a queue with `shards` shards that holds this function's calls.
    #[must_use]
    pub fn shard(&self, shards: u16) -> u16 {
        if shards <= 1 {
            return 0;
        }
        let shard = stable_hash(&self.to_string()) % u64::from(shards);
        u16::try_from(shard).unwrap_or(0)
    }
}

impl Function {
    /// Its name and namespace as one text. Written out: this is done for every call, several times.
    fn with_text<T>(&self, act: impl FnOnce(&str) -> T) -> T {
        let (name, namespace) = (&*self.name, self.namespace.as_str());
        let mut text = String::with_capacity(name.len() + 1 + namespace.len());
        text.push_str(name);
        text.push('.');
        text.push_str(namespace);
        act(&text)
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.name, self.namespace)
    }
}

text_type!(Function);

/// Where a call waits: one function's line within one queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LaneKey {
    /// The queue.
    pub queue: Queue,
    /// The function; in the callback queue, the host ([`Function::for_callback_host`]).
    pub function: Function,
}

impl LaneKey {
    /// The lane of `function` in `queue`.
    #[must_use]
    pub fn new(queue: Queue, function: Function) -> Self {
        Self { queue, function }
    }
}

impl fmt::Display for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.queue, self.function)
    }
}

/// The identity of a call, given by the caller or made by the gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(Arc<str>);

impl CallId {
    /// Reads an id: 1 to 64 of `A-Z`, `a-z`, `0-9`, `-`, `_`.
    ///
    /// # Errors
    /// [`Error::CallId`] if it is anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if (1..=CALL_ID_LEN_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(Error::CallId(shorten(text)))
        }
    }

    /// The id that stands for an `Idempotency-Key`: the same for the same key and function, whoever asks. It is a UUID of
    /// version 8 (RFC 9562 §5.8), which no caller may choose: whoever guesses a key cannot be there before its owner.
    #[must_use]
    pub fn for_idempotency_key(function: &Function, key: &[u8]) -> Self {
        let space = Uuid::new_v5(&Uuid::NAMESPACE_URL, function.to_string().as_bytes());
        let hash = Uuid::new_v5(&space, key).into_bytes();
        Self::from(uuid::Builder::from_custom_bytes(hash).into_uuid())
    }

    /// Whether it has the form of those that stand for idempotency keys.
    #[must_use]
    pub fn is_of_a_key(&self) -> bool {
        Uuid::try_parse(&self.0).is_ok_and(|uuid| uuid.get_version() == Some(uuid::Version::Custom))
    }

    /// What stands for one turn of a call, where there is to be one thing for each.
    #[must_use]
    pub fn for_turn(message: &str) -> Self {
        Self::from(Uuid::new_v5(&Uuid::NAMESPACE_OID, message.as_bytes()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A UUID in its usual 36 characters is always an id.
impl CallId {
    fn with_text<T>(&self, act: impl FnOnce(&str) -> T) -> T {
        act(&self.0)
    }
}

impl From<Uuid> for CallId {
    fn from(uuid: Uuid) -> Self {
        let mut buffer = Uuid::encode_buffer();
        let text: &str = uuid.as_hyphenated().encode_lower(&mut buffer);
        Self(text.into())
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_type!(CallId);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_function_without_a_namespace_lives_in_the_default_one() {
        let function = Function::parse("env").unwrap();
        assert_eq!((function.name(), function.namespace().as_str()), ("env", DEFAULT_NAMESPACE));
        assert_eq!(Function::parse("env.openfaas-fn").unwrap(), function);
    }

    #[test]
    fn names_that_could_escape_a_subject_are_refused() {
        let long = "a".repeat(64);
        for bad in ["", ".", "a.", ".a", "a.b.c", "a b", "A", "a_b", "-a", "a-", "*", ">", "a.*", "é", "a/b", &long] {
            assert!(Function::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Function::parse(&format!("{}.{}", "a".repeat(63), "b".repeat(63))).is_ok());
    }

    #[test]
    fn a_callers_id_may_be_a_uuid_but_not_a_subject() {
        assert!(CallId::parse("0190c1a2-7b3c-7def-8abc-0123456789ab").is_ok());
        let long = "x".repeat(65);
        for bad in ["", "a.b", "a b", "a/b", "*", ">", "a\n", &long] {
            assert!(CallId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_idempotency_key_is_one_id_per_function() {
        let [a, b] = ["a", "b"].map(|name| Function::parse(name).unwrap());
        assert_eq!(CallId::for_idempotency_key(&a, b"k"), CallId::for_idempotency_key(&a, b"k"));
        assert_ne!(CallId::for_idempotency_key(&a, b"k"), CallId::for_idempotency_key(&b, b"k"));
        assert_ne!(CallId::for_idempotency_key(&a, b"k"), CallId::for_idempotency_key(&a, b"l"));
        assert!(CallId::for_idempotency_key(&a, b"k").is_of_a_key());
        for other in ["k", "d9428888-122b-51e1-b85c-61e84e1c8ea4", "018f3c2e-7b1a-7c3d-9e2f-0123456789ab"] {
            assert!(!CallId::parse(other).unwrap().is_of_a_key(), "{other}");
        }
    }

    #[test]
    fn the_hash_behind_shards_never_changes() {
        // Golden values: a change here would strand calls on the shard that the old hash chose.
        let shard = |name| Function::parse(name).unwrap().shard(16);
        assert_eq!(["echo", "resize.acme", "thumb.acme"].map(shard), [0, 10, 4]);
    }

    proptest! {
        #[test]
        fn a_callback_lane_is_always_a_valid_name(authority in ".{0,300}") {
            let lane = Function::for_callback_host(&authority, Namespace::default());
            prop_assert!(is_label(lane.name()), "{}", lane.name());
            prop_assert_eq!(Function::parse(&lane.to_string()).unwrap(), lane);
        }

        #[test]
        fn what_parses_prints_as_it_was(text in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\\.[a-z0-9]{1,9}") {
            prop_assert_eq!(Function::parse(&text).unwrap().to_string(), text);
        }

        #[test]
        fn anything_may_be_tried_as_a_name(text in "\\PC{0,80}") {
            if let Ok(function) = Function::parse(&text) {
                prop_assert!(is_label(function.name()) && is_label(function.namespace().as_str()));
            }
            drop(CallId::parse(&text));
        }

        #[test]
        fn a_shard_is_below_the_number_of_shards(name in "[a-z]{1,20}", shards in 0u16..100) {
            prop_assert!(Function::parse(&name).unwrap().shard(shards) < shards.max(1));
        }
    }
}
