//! What a token says, once its signature, issuer, audience and times are good.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation, decode};
use proto::key::{Reach, Scope, Scopes};
use proto::{Refusal, Timestamp};
use serde_json::{Map, Value};

use super::keyset::KeySet;
use super::{Settings, refused};
use crate::identity::Rights;

/// What a scope of ours begins with, among those of other programs.
const PREFIX: &str = "fabric:";
/// By how much clocks may differ, in seconds.
const LEEWAY: u64 = 30;

/// What was found good.
pub(super) struct Checked {
    pub(super) rights: Rights,
    /// Until when, in seconds since the epoch.
    pub(super) until: u64,
}

pub(super) fn check(token: &str, header: &Header, keys: &KeySet, settings: &Settings) -> Result<Checked, Refusal> {
    let key = keys.find(header.kid.as_deref(), header.alg);
    let key = key.ok_or_else(|| refused("it is signed by a key or in a way that is not the issuer's"))?;
    let mut wanted = Validation::new(header.alg);
    let issuer = settings.issuer.as_str();
    wanted.set_required_spec_claims(&["exp", "iss", "aud"]);
    // A URL without a path is the same with and without its slash, and providers write both.
    wanted.set_issuer(&[issuer, issuer.trim_end_matches('/')]);
    wanted.set_audience(&settings.audiences);
    (wanted.leeway, wanted.validate_nbf) = (LEEWAY, true);
    let claims = decode::<Map<String, Value>>(token, key, &wanted).map_err(|error| refused(why(error.kind())))?.claims;
    let rights = rights(&claims, settings)?;
    let until = claims.get("exp").and_then(seconds).unwrap_or_default().saturating_add(LEEWAY);
    let ends_at = i64::try_from(until).ok().and_then(|seconds| seconds.checked_mul(1_000_000_000));
    let rights = Rights { ends_at: ends_at.map(Timestamp::from_unix_nanos), ..rights };
    Ok(Checked { rights, until })
}

fn rights(claims: &Map<String, Value>, settings: &Settings) -> Result<Rights, Refusal> {
    let words = |claim: &str| claims.get(claim).map(words).unwrap_or_default();
    let scopes = words(&settings.scopes_claim);
    let scopes = scopes.iter().filter_map(|it| Scope::parse(it.strip_prefix(PREFIX)?).ok());
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or("without a subject");
    let who = format!("subject {subject}");
    let lacks = |claim: &str, why: &dyn std::fmt::Display| {
        Refusal::Forbidden(format!("{who}: claim {claim} of the token: {why}"))
    };
    let scopes = Scopes::of(scopes).map_err(|_| {
        lacks(&settings.scopes_claim, &"it names none of fabric:invoke, fabric:read, fabric:operate, fabric:admin")
    })?;
    let names = words(&settings.namespaces_claim);
    let namespaces =
        Reach::of(names.iter().map(String::as_str)).map_err(|error| lacks(&settings.namespaces_claim, &error))?;
    Ok(Rights { who, scopes, namespaces, ends_at: None })
}

/// The words of a claim: a list of them, or one text with spaces in between (RFC 8693, section 4.2).
fn words(claim: &Value) -> Vec<String> {
    match claim {
        Value::String(text) => text.split_whitespace().map(Into::into).collect(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(Into::into).collect(),
        _ => Vec::new(),
    }
}

/// A time may have a fraction (RFC 7519, section 2).
fn seconds(time: &Value) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    time.as_u64().or_else(|| time.as_f64().map(|seconds| seconds as u64))
}

fn why(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::ExpiredSignature => "it is over",
        ErrorKind::ImmatureSignature => "its time has not come",
        ErrorKind::InvalidIssuer => "it is another issuer's",
        ErrorKind::InvalidAudience => "it is for somebody else",
        ErrorKind::InvalidSignature => "its signature is not the issuer's",
        ErrorKind::MissingRequiredClaim(_) => "it lacks one of exp, iss and aud",
        _ => "it cannot be read",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rights(claims: &Value) -> Result<Rights, Refusal> {
        let settings = Settings {
            issuer: "https://id.example".parse().unwrap(),
            audiences: vec!["fabric".into()],
            scopes_claim: "scope".into(),
            namespaces_claim: "fabric_namespaces".into(),
        };
        super::rights(claims.as_object().unwrap(), &settings)
    }

    #[test]
    fn a_token_says_who_it_is_and_what_he_may_do() {
        for (scope, namespaces) in [
            (json!("openid fabric:read fabric:invoke"), json!(["a", "b"])),
            (json!(["fabric:invoke", "fabric:read", "admin"]), json!("a b")),
        ] {
            let found = rights(&json!({"sub": "mia", "scope": scope, "fabric_namespaces": namespaces})).unwrap();
            assert_eq!(found.who, "subject mia");
            assert_eq!(found.scopes, Scopes::of([Scope::Invoke, Scope::Read]).unwrap());
            assert_eq!(found.namespaces, Reach::of(["a", "b"]).unwrap());
        }
        let all = rights(&json!({"scope": "fabric:admin", "fabric_namespaces": "*"})).unwrap();
        assert_eq!(all.namespaces, Reach::Everything);
    }

    #[test]
    fn a_token_that_allows_nothing_is_told_what_it_lacks() {
        for (claims, named) in [
            (json!({"fabric_namespaces": "a"}), "scope"),
            (json!({"scope": "read admin", "fabric_namespaces": "a"}), "scope"),
            (json!({"scope": "fabric:read"}), "fabric_namespaces"),
            (json!({"scope": "fabric:read", "fabric_namespaces": []}), "fabric_namespaces"),
            (json!({"scope": "fabric:read", "fabric_namespaces": ["*", "a"]}), "fabric_namespaces"),
            (json!({"scope": "fabric:read", "fabric_namespaces": {"a": true}}), "fabric_namespaces"),
        ] {
            let refusal = rights(&claims).unwrap_err();
            assert!(matches!(&refusal, Refusal::Forbidden(why) if why.contains(named)), "{claims}: {refusal}");
        }
    }
}
