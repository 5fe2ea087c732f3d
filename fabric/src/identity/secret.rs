//! Secrets of keys: made, hashed, compared.

use proto::key::{Hash, SECRET_LEN, Secret};
use proto::{KeyId, key};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Random bytes of an id: enough that no two keys of a fabric have the same.
const ID_LEN: usize = 8;

/// A new key: its id, its text, and what is kept of it.
#[must_use]
pub fn new() -> (KeyId, String, Hash) {
    loop {
        let id = rand::random::<[u8; ID_LEN]>().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        // Hexadecimal digits are an id.
        let Ok(id) = KeyId::parse(&id) else { continue };
        let secret = Secret(rand::random::<[u8; SECRET_LEN]>());
        return (id.clone(), key::write(&id, &secret), hash(&secret.0));
    }
}

/// What is kept of a secret.
#[must_use]
pub fn hash(secret: &[u8]) -> Hash {
    Hash(Sha256::digest(secret).into())
}

/// Whether two are the same, in a time that tells nothing of where they differ.
#[must_use]
pub fn is_same(a: Hash, b: Hash) -> bool {
    a.0.ct_eq(&b.0).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_known_by_its_hash_and_no_two_are_the_same() {
        let ((id, text, kept), (other, ..)) = (new(), new());
        let (read, secret) = key::read(&text).unwrap();
        assert_eq!((&read, is_same(hash(&secret.0), kept)), (&id, true));
        assert_ne!(id, other);
        assert!(!is_same(hash(b"x"), kept));
    }

    /// FIPS 180-2, appendix B.1.
    #[test]
    fn a_hash_is_sha_256() {
        let text = String::from(hash(b"abc"));
        assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
