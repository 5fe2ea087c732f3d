//! Tokens of an OpenID provider.

use std::time::{SystemTime, UNIX_EPOCH};

use fabric::identity::oidc::{Issuer as Oidc, Settings};
use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use proto::Refusal;
use proto::key::Reach;
use serde_json::{Value, json};
use tests::eventually;
use tests::fabric::Fabric;
use tokio::time::{Duration, advance};

use super::asker::Asker;
use super::issuer::{Issuer, Signer};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What a good token says.
fn claims(issuer: &Issuer) -> Value {
    json!({
        "iss": issuer.url,
        "aud": ["other", "fabric"],
        "sub": "mia",
        "exp": now() + 3600,
        "nbf": now() - 1,
        "scope": "openid fabric:read",
        "fabric_namespaces": ["acme"],
    })
}

fn oidc(issuer: &Issuer) -> Oidc {
    Oidc::new(Settings {
        issuer: issuer.url.parse().unwrap(),
        audiences: vec!["fabric".into()],
        scopes_claim: "scope".into(),
        namespaces_claim: "fabric_namespaces".into(),
    })
    .unwrap()
}

#[tokio::test]
async fn a_tokens_bearer_is_who_the_issuer_says() {
    let signer = Signer::rsa("1");
    let issuer = Issuer::start(&[&signer, &Signer::ed("2", 7)]).await;
    let dir = tempfile::tempdir().unwrap();
    let args = ["serve", "--data-dir", dir.path().to_str().unwrap(), "--oidc-issuer", &issuer.url];
    let fabric = Fabric::start(&[&args[..], &["--oidc-audience", "fabric"]].concat()).await;
    let whoami = format!("{}/admin/v1/whoami", fabric.admin);
    for signer in [&signer, &Signer::ed("2", 7)] {
        let me = Asker::with(&signer.sign(&claims(&issuer))).get(&whoami).await.json();
        assert_eq!((&me["who"], &me["namespaces"]), (&json!("subject mia"), &json!(["acme"])));
    }
    let reads = Asker::with(&signer.sign(&claims(&issuer)));
    assert_eq!(reads.get(&format!("{}/admin/v1/functions", fabric.admin)).await.status, StatusCode::OK);
    assert_eq!(reads.get(&format!("{}/admin/v1/tree", fabric.admin)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(reads.get(&format!("{}/admin/v1/keys", fabric.admin)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(issuer.lookups(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_found() {
    let signer = Signer::ed("1", 7);
    let issuer = Issuer::start(&[&signer]).await;
    let oidc = oidc(&issuer);
    let with = |field: &str, value: Value| {
        let mut claims = claims(&issuer);
        claims[field] = value;
        signer.sign(&claims)
    };
    let without = |field: &str| {
        let mut claims = claims(&issuer);
        claims.as_object_mut().unwrap().remove(field);
        signer.sign(&claims)
    };
    assert!(oidc.rights(&signer.sign(&claims(&issuer))).await.is_ok());
    assert!(oidc.rights(&with("exp", json!(now() - 10))).await.is_ok(), "clocks differ a little");
    let other = Signer::ed("1", 8);
    let good = signer.sign(&claims(&issuer));
    let parts: Vec<&str> = good.split('.').collect();
    let (none, tampered) = (
        // {"alg":"none"}
        format!("eyJhbGciOiJub25lIn0.{}.", parts[1]),
        format!(
            "{}.{}.{}",
            parts[0],
            signer.sign(&json!({"scope": "fabric:admin"})).split('.').nth(1).unwrap(),
            parts[2]
        ),
    );
    let by_secret = |kid: &str, secret: &[u8]| {
        let header = Header { kid: Some(kid.into()), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims(&issuer), &EncodingKey::from_secret(secret)).unwrap()
    };
    for (token, why) in [
        (with("exp", json!(now() - 40)), "it is over"),
        (with("nbf", json!(now() + 100)), "its time has not come"),
        (with("aud", json!("other")), "it is for somebody else"),
        (with("iss", json!("http://127.0.0.1:1")), "it is another issuer's"),
        (without("exp"), "lacks"),
        (without("iss"), "lacks"),
        (without("aud"), "lacks"),
        (other.sign(&claims(&issuer)), "signature"),
        (tampered, "signature"),
        (none, "no token"),
        (
            signer.sign_as(Header { crit: Some(vec!["exp".into()]), ..Header::default() }, &claims(&issuer)),
            "critical headers",
        ),
        // The public key as the secret of a symmetric one, and a secret that was published.
        (by_secret("1", signer.public().as_bytes()), "not the issuer's"),
        (by_secret("secret", b"secret"), "not the issuer's"),
        (Signer::rsa("1").sign(&claims(&issuer)), "not the issuer's"),
        ("a.b.c".into(), "no token"),
    ] {
        let refusal = oidc.rights(&token).await.unwrap_err();
        assert!(matches!(&refusal, Refusal::Unauthenticated(told) if told.contains(why)), "{why}: {refusal}");
    }
    for field in ["scope", "fabric_namespaces"] {
        let refusal = oidc.rights(&without(field)).await.unwrap_err();
        assert!(matches!(&refusal, Refusal::Forbidden(told) if told.contains(field)), "{refusal}");
    }
    let all = oidc.rights(&with("fabric_namespaces", json!("*"))).await.unwrap();
    assert_eq!(all.namespaces, Reach::Everything);
}

#[tokio::test]
async fn keys_are_followed_as_they_change_and_hold_while_the_issuer_is_away() {
    let (old, new) = (Signer::ed("old", 1), Signer::ed("new", 2));
    let issuer = Issuer::start(&[&old]).await;
    let oidc = oidc(&issuer);
    let (by_old, by_new) = (old.sign(&claims(&issuer)), new.sign(&claims(&issuer)));
    assert!(oidc.rights(&by_old).await.is_ok());
    // The clock stands still between the requests, and goes on by what is said here.
    tokio::time::pause();
    for _ in 0..20 {
        assert!(oidc.rights(&by_new).await.is_err());
    }
    assert_eq!(issuer.lookups(), 1, "whoever makes up names of keys does not have the issuer asked each time");
    issuer.publish(&[&old, &new]);
    advance(Duration::from_secs(6)).await;
    tokio::time::resume();
    assert!(oidc.rights(&by_new).await.is_ok(), "a new key is looked up when it is named");
    assert_eq!(issuer.lookups(), 2);

    issuer.publish(&[&new]);
    assert!(oidc.rights(&by_old).await.is_ok(), "for a while");
    tokio::time::pause();
    advance(Duration::from_secs(6 * 60)).await;
    tokio::time::resume();
    eventually(async || match oidc.rights(&by_old).await {
        Ok(_) => Err("a key that is withdrawn is withdrawn here too, though nobody sends anything but known tokens"),
        Err(_) => Ok(()),
    })
    .await;
    assert!(oidc.rights(&by_new).await.is_ok());

    issuer.set_away(true);
    tokio::time::pause();
    advance(Duration::from_secs(60 * 60)).await;
    tokio::time::resume();
    let other = json!({"sub": "leo"});
    let mut fresh = claims(&issuer);
    fresh.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    assert_eq!(oidc.rights(&new.sign(&fresh)).await.unwrap().who, "subject leo", "keys hold for a day");
    tokio::time::pause();
    advance(Duration::from_secs(24 * 60 * 60)).await;
    tokio::time::resume();
    fresh["sub"] = json!("mia");
    assert!(matches!(oidc.rights(&new.sign(&fresh)).await, Err(Refusal::IssuerAway)), "and no longer");
    issuer.set_away(false);
    tokio::time::pause();
    advance(Duration::from_secs(6)).await;
    tokio::time::resume();
    assert!(oidc.rights(&new.sign(&fresh)).await.is_ok());
}
