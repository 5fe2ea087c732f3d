//! Signatures of callbacks as [Standard Webhooks](https://www.standardwebhooks.com) have them, and the secrets that they
//! are made with.
//!
//! A namespace has several secrets while one takes over from another: every callback is signed with all of them, so that
//! its receivers may change theirs at any time in between.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use ring::{digest, hmac};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Timestamp;
use crate::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};

/// What a secret begins with where it is written out.
const PREFIX: &str = "whsec_";
/// What a fingerprint begins with.
const FINGERPRINT: &str = "sha256:";
/// How many bytes of the digest a fingerprint shows: enough to tell secrets apart, too few to be worth guessing at.
const FINGERPRINT_LEN: usize = 8;
/// How many bytes a secret may have; as Standard Webhooks has it.
const LEN: std::ops::RangeInclusive<usize> = 24..=64;
/// How many secrets a namespace may have at once: each is a signature in every callback.
pub const SECRETS_MAX: usize = 4;

/// Why something is no secret. What it is instead is not said: it may be one, and a mistake in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not of the form.
    #[error("a signing secret is whsec_ and 24 to 64 bytes in Base64: echo whsec_$(openssl rand -base64 32) makes one")]
    Secret,
    /// Not a fingerprint either.
    #[error("a fingerprint is sha256: and 16 hexadecimal digits")]
    Fingerprint,
}

/// A secret. It shows its fingerprint wherever it is shown or written; only [`Secret::reveal`] tells it.
#[derive(Clone)]
pub struct Secret {
    bytes: Box<[u8]>,
    key: hmac::Key,
}

/// A secret, or the name of one that is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// This secret.
    Secret(Secret),
    /// The one with this fingerprint.
    Known(String),
}

impl Secret {
    /// Reads `whsec_` and Base64.
    ///
    /// # Errors
    /// [`Error::Secret`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bytes = STANDARD.decode(text.trim().strip_prefix(PREFIX).ok_or(Error::Secret)?);
        let bytes = bytes.ok().filter(|bytes| LEN.contains(&bytes.len())).ok_or(Error::Secret)?;
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &bytes), bytes: bytes.into() })
    }

    /// The secret written out: for where it is kept, and nowhere else.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.bytes))
    }

    /// What it is called where it must not be shown: the beginning of its SHA-256 digest.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = digest::digest(&digest::SHA256, &self.bytes);
        let shown = digest.as_ref().iter().take(FINGERPRINT_LEN);
        shown.fold(FINGERPRINT.to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// One signature: `v1,` and the Base64 of an HMAC over id, time and body.
    fn sign(&self, id: &str, at: &str, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [id.as_bytes(), b".", at.as_bytes(), b".", body] {
            context.update(part);
        }
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

/// Puts the three headers of Standard Webhooks into `headers`, signed with every one of `secrets`, and takes out whatever
/// says otherwise: what a receiver trusts comes from nobody else.
pub fn sign(headers: &mut HeaderMap, secrets: &[Secret], id: &str, at: Timestamp, body: &[u8]) {
    for name in [WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE] {
        headers.remove(name);
    }
    if secrets.is_empty() {
        return;
    }
    let at = (at.unix_nanos() / 1_000_000_000).to_string();
    let signatures = secrets.iter().map(|secret| secret.sign(id, &at, body)).collect::<Vec<_>>().join(" ");
    // Ids, numbers and Base64 are visible ASCII, and so always header values.
    let values = [(WEBHOOK_ID, id), (WEBHOOK_TIMESTAMP, &at), (WEBHOOK_SIGNATURE, &signatures)];
    headers.extend(values.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_str(value).ok()?))));
}

impl Entry {
    fn parse(text: &str) -> Result<Self, Error> {
        match text.trim().strip_prefix(FINGERPRINT) {
            Some(hex) if hex.len() == 2 * FINGERPRINT_LEN && hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Ok(Self::Known(format!("{FINGERPRINT}{}", hex.to_ascii_lowercase())))
            }
            Some(_) => Err(Error::Fingerprint),
            None => Secret::parse(text).map(Self::Secret),
        }
    }

    /// What it is called.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Secret(secret) => secret.fingerprint(),
            Self::Known(fingerprint) => fingerprint.clone(),
        }
    }
}

/// Reads one entry or several. What is neither is not repeated in the error: a secret may be in it.
pub(crate) fn entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Entry>>, D::Error> {
    struct Entries;

    impl<'de> Visitor<'de> for Entries {
        type Value = Option<Vec<Entry>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of signing secrets")
        }

        fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Entry::parse(text).map(|entry| Some(vec![entry])).map_err(E::custom)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = list.next_element()? {
                entries.push(entry);
            }
            Ok(Some(entries))
        }
    }

    deserializer.deserialize_any(Entries)
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        // The digests are compared, so that the time it takes says nothing of the bytes.
        self.fingerprint() == other.fingerprint()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.fingerprint())
    }
}

/// By its fingerprint.
impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.fingerprint())
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn signed(secrets: &[&str]) -> HeaderMap {
        let secrets: Vec<_> = secrets.iter().map(|text| Secret::parse(text).unwrap()).collect();
        let mut headers = HeaderMap::new();
        headers.insert("webhook-signature", HeaderValue::from_static("v1,forged"));
        let at = Timestamp::from_unix_nanos(1_614_265_330_999_999_999);
        sign(&mut headers, &secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#);
        headers
    }

    #[test]
    fn a_signature_is_as_standard_webhooks_has_it() {
        let headers = signed(&[SECRET]);
        assert_eq!(headers["webhook-id"], "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(headers["webhook-timestamp"], "1614265330");
        // The example of its documentation.
        assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn while_secrets_change_all_of_them_sign() {
        let other = format!("{PREFIX}{}", STANDARD.encode([7; 32]));
        let headers = signed(&[&other, SECRET]);
        let signatures: Vec<_> = headers["webhook-signature"].to_str().unwrap().split(' ').collect();
        assert_eq!(signatures.len(), 2);
        assert_eq!(signatures[1], signed(&[SECRET])["webhook-signature"]);
    }

    #[test]
    fn without_a_secret_nothing_is_signed_by_anybody() {
        assert!(signed(&[]).is_empty());
    }

    #[test]
    fn a_secret_is_shown_nowhere() {
        let entry = Entry::parse(SECRET).unwrap();
        let shown = [format!("{entry:?}"), serde_json::to_string(&entry).unwrap(), Error::Secret.to_string()];
        for shown in shown {
            assert!(!shown.contains("MfKQ9r8G"), "{shown}");
        }
        assert_eq!(Entry::parse(&entry.fingerprint()).unwrap(), Entry::Known(entry.fingerprint()));
        let Entry::Secret(secret) = entry else { panic!("{entry:?}") };
        assert_eq!(secret.reveal(), SECRET);
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_repeated() {
        for bad in
            ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_!", "sha256:12", "sha256:xyz"]
        {
            let error = serde_json::from_value::<Entry>(bad.into()).unwrap_err().to_string();
            assert!(bad.len() < 8 || !error.contains(bad), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(whsec_|sha256:)?[ -~]{0,100}") {
            if let Ok(Entry::Secret(secret)) = Entry::parse(&text) {
                prop_assert_eq!(Secret::parse(&secret.reveal()), Ok(secret));
            }
        }

        #[test]
        fn secrets_of_every_allowed_length_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let text = format!("{PREFIX}{}", STANDARD.encode(&bytes));
            prop_assert_eq!(Secret::parse(&text).is_ok(), LEN.contains(&bytes.len()));
            prop_assert!(Secret::parse(&text).map_or(true, |it| it.fingerprint().len() == 23));
        }
    }
}
