//! Certificates and JWTs, made when they are needed.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair as Key};
use serde_json::{Value, json};

/// Who signs certificates.
pub(super) struct Authority {
    issuer: Issuer<'static, Key>,
    /// Its own.
    pub(super) pem: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let (mut params, key) = (CertificateParams::default(), Key::generate().unwrap());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = pem("CERTIFICATE", params.self_signed(&key).unwrap().der());
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for this host, and its key.
    pub(super) fn signs(&self, host: &str) -> (String, String) {
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let key = Key::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        (pem("CERTIFICATE", signed.der()), pem("PRIVATE KEY", &key.serialize_der()))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// An operator and an account of his, as nsc would make them.
pub(crate) struct Operator {
    operator: KeyPair,
    account: KeyPair,
}

impl Operator {
    pub(crate) fn new() -> Self {
        Self { operator: KeyPair::new_operator(), account: KeyPair::new_account() }
    }

    /// What a server is told of them.
    pub(super) fn config(&self) -> String {
        let system = KeyPair::new_account();
        let limits = json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
            "conn": -1, "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1});
        let without_storage = json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
            "wildcards": true, "conn": -1, "leaf": -1});
        let account = |key: &KeyPair, limits: &Value| {
            let nats = json!({"limits": limits, "type": "account", "version": 2});
            let jwt = signed(&self.operator, json!({"sub": key.public_key(), "name": "account", "nats": nats}));
            format!("{}: {jwt}", key.public_key())
        };
        let operator = json!({"sub": self.operator.public_key(), "name": "operator",
            "nats": {"type": "operator", "version": 2, "system_account": system.public_key()}});
        format!(
            "listen: 127.0.0.1:4222\njetstream {{ store_dir: store }}\noperator: {}\nsystem_account: {}\n\
             resolver: MEMORY\nresolver_preload: {{\n{}\n{}\n}}\n",
            signed(&self.operator, operator),
            system.public_key(),
            account(&self.account, &limits),
            account(&system, &without_storage),
        )
    }

    /// A file of credentials for a user, good until then (seconds since 1970).
    pub(crate) fn creds(&self, name: &str, until: Option<u64>) -> String {
        let user = KeyPair::new_user();
        let nats = json!({"pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2});
        let mut claims = json!({"sub": user.public_key(), "name": name, "nats": nats});
        if let Some(until) = until {
            claims["exp"] = until.into();
        }
        format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n{}\n\
             ------END USER NKEY SEED------\n",
            signed(&self.account, claims),
            user.seed().unwrap()
        )
    }
}

/// A JWT by this key.
fn signed(issuer: &KeyPair, mut claims: Value) -> String {
    claims["iss"] = issuer.public_key().into();
    claims["iat"] = 1_700_000_000.into();
    claims["jti"] = "TEST".into();
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let text = format!("{}.{}", part(&json!({"typ": "JWT", "alg": "ed25519-nkey"})), part(&claims));
    let signature = BASE64URL_NOPAD.encode(&issuer.sign(text.as_bytes()).unwrap());
    format!("{text}.{signature}")
}
