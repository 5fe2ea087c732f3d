//! Files with the seed of an nkey, alone or with a JWT.

use std::fmt;
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use nkeys::{KeyPair, KeyPairType};
use proto::Timestamp;
use serde::Deserialize;

/// What a file of credentials holds.
pub(super) struct Creds {
    jwt: String,
    claims: Claims,
    key: KeyPair,
}

/// What is read of a JWT. The server is the one who checks it.
#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    exp: Option<i64>,
    #[serde(default)]
    name: String,
    sub: String,
}

impl Creds {
    /// Reads a file as nsc writes it.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = read(path)?;
        let jwt =
            block(&text, "USER JWT").ok_or("it holds no JWT between -----BEGIN NATS USER JWT----- and its end")?;
        let seed =
            block(&text, "NKEY SEED").ok_or("it holds no seed between -----BEGIN USER NKEY SEED----- and its end")?;
        let claims = jwt.split('.').nth(1).and_then(|part| BASE64URL_NOPAD.decode(part.as_bytes()).ok());
        let claims = claims.and_then(|json| serde_json::from_slice::<Claims>(&json).ok());
        let (claims, key) = (claims.ok_or("its JWT cannot be read")?, key(seed)?);
        if claims.sub != key.public_key() {
            return Err("its seed does not belong to its JWT".into());
        }
        Ok(Self { jwt: jwt.to_owned(), claims, key })
    }

    pub(super) fn jwt(&self) -> &str {
        &self.jwt
    }

    pub(super) fn key(&self) -> &KeyPair {
        &self.key
    }

    /// The end of the second in which it expires, if it does.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        let seconds = self.claims.exp.filter(|exp| *exp > 0)?;
        Some(Timestamp::from_unix_nanos(seconds.checked_mul(1_000_000_000)?))
    }
}

impl fmt::Display for Creds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.claims.name.as_str() {
            "" => write!(f, "user {}", self.claims.sub)?,
            name => write!(f, "user {name}")?,
        }
        self.expires().map_or(Ok(()), |at| write!(f, " (until {at})"))
    }
}

/// The key of a file that holds a seed, on a line of its own.
pub(super) fn seed(path: &Path) -> Result<KeyPair, String> {
    let text = read(path)?;
    let line = text.lines().map(str::trim).find(|line| line.starts_with('S'));
    key(line.ok_or("it holds no line with a seed (SU…)")?)
}

fn key(seed: &str) -> Result<KeyPair, String> {
    // Its errors may repeat what they were given.
    let key = KeyPair::from_seed(seed).map_err(|_| "its seed is none: it is longer, shorter or other than it was")?;
    match key.key_pair_type() {
        KeyPairType::User => Ok(key),
        _ => Err("its seed is not a user's (SU…)".into()),
    }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// What stands on the line after the one that begins a block of this name.
fn block<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("---") && line.contains("BEGIN") && line.contains(name))?;
    lines.find(|line| !line.is_empty()).filter(|line| !line.starts_with("---"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<Creds, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Creds::read(file.path())
    }

    fn file(claims: &str, seed: &str) -> String {
        let jwt = format!("e30.{}.x", BASE64URL_NOPAD.encode(claims.as_bytes()));
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n****\n\n-----BEGIN USER NKEY \
             SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }

    #[test]
    fn credentials_say_who_until_when() {
        let key = KeyPair::new_user();
        let (seed, sub) = (key.seed().unwrap(), key.public_key());
        let creds = written(&file(&format!(r#"{{"sub":"{sub}","name":"worker","exp":1800000000}}"#), &seed)).unwrap();
        assert_eq!(creds.to_string(), "user worker (until 2027-01-15T08:00:00.000000000Z)");
        let creds = written(&file(&format!(r#"{{"sub":"{sub}","exp":0}}"#), &seed)).unwrap();
        assert_eq!((creds.to_string(), creds.expires()), (format!("user {sub}"), None));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_and_no_seed_is() {
        let key = KeyPair::new_user();
        let (seed, claims) = (key.seed().unwrap(), format!(r#"{{"sub":"{}"}}"#, key.public_key()));
        let (other, account) = (KeyPair::new_user().seed().unwrap(), KeyPair::new_account().seed().unwrap());
        for (text, what) in [
            (String::new(), "no JWT"),
            (file(&claims, ""), "no seed"),
            (file("{", &seed), "cannot be read"),
            (file(&claims, &other), "does not belong"),
            (file(&claims, &account), "not a user's"),
            (file(&claims, &seed[..20]), "is none"),
        ] {
            let error = written(&text).err().unwrap();
            assert!(error.contains(what) && !error.contains(&seed[..20]), "{what}: {error}");
        }
    }
}
