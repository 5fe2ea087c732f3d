//! The keys that a provider publishes (RFC 7517): those that verify signatures, each for what it says that it is for.

use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// What a token may be signed by. None of them works with a secret: whoever can check such a signature can make one.
pub(super) const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// A set of keys as it is published; of some nobody here may know what they are.
#[derive(Deserialize)]
pub(super) struct Published {
    keys: Vec<Value>,
}

/// The keys that are of use.
pub(super) struct KeySet {
    /// As they were published.
    jwks: JwkSet,
    keys: Vec<DecodingKey>,
}

impl PartialEq for KeySet {
    fn eq(&self, other: &Self) -> bool {
        self.jwks == other.jwks
    }
}

impl KeySet {
    pub(super) fn of(published: Published) -> Self {
        let jwks = published.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        let usable = |jwk: Jwk| {
            let verifies = jwk.common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
            let key = DecodingKey::from_jwk(&jwk).ok()?;
            (verifies && key.family() != AlgorithmFamily::Hmac).then_some((jwk, key))
        };
        let (jwks, keys) = jwks.filter_map(usable).unzip();
        Self { jwks: JwkSet { keys: jwks }, keys }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn has(&self, kid: Option<&str>, algorithm: Algorithm) -> bool {
        self.find(kid, algorithm).is_some()
    }

    /// The key of that name, if it is for this algorithm. A token that names none means the only one there is.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        if !ALGORITHMS.contains(&algorithm) {
            return None;
        }
        let fits = |(jwk, key): &(&Jwk, &DecodingKey)| {
            let named = kid.is_none_or(|kid| jwk.common.key_id.as_deref() == Some(kid));
            let says = jwk.common.key_algorithm.is_none_or(|it| is(it, algorithm));
            named && says && key.family().algorithms().contains(&algorithm)
        };
        let mut fitting = self.jwks.keys.iter().zip(&self.keys).filter(fits);
        let (_, found) = fitting.next()?;
        (kid.is_some() || fitting.next().is_none()).then_some(found)
    }
}

/// Whether a key is published for this algorithm: both have the names of RFC 7518.
fn is(published: KeyAlgorithm, algorithm: Algorithm) -> bool {
    published.to_string() == format!("{algorithm:?}")
}
