//! An OpenID provider on loopback, whose keys can be changed and which can be away.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What goes before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410, section 7).
const ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// A key of 2048 bits, in PKCS #1.
const RSA: &[u8] = include_bytes!("a-key-that-everybody-knows.der");

/// A key that signs.
#[derive(Clone)]
pub(super) struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    kid: String,
}

impl Signer {
    pub(super) fn ed(kid: &str, seed: u8) -> Self {
        let key = EncodingKey::from_ed_der(&[&ED25519[..], &[seed; 32]].concat());
        Self { key, algorithm: Algorithm::EdDSA, kid: kid.into() }
    }

    pub(super) fn rsa(kid: &str) -> Self {
        Self { key: EncodingKey::from_rsa_der(RSA), algorithm: Algorithm::RS256, kid: kid.into() }
    }

    fn published(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap();
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_as(Header::default(), claims)
    }

    /// With more in its header.
    pub(super) fn sign_as(&self, more: Header, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), alg: self.algorithm, ..more };
        encode(&header, claims, &self.key).unwrap()
    }

    /// The public part as it is published, for whoever would use it as a secret.
    pub(super) fn public(&self) -> String {
        self.published()["x"].as_str().unwrap().to_owned()
    }
}

#[derive(Default)]
struct State {
    keys: Mutex<Vec<Value>>,
    is_away: AtomicBool,
    lookups: AtomicUsize,
}

pub(super) struct Issuer {
    pub(super) url: String,
    state: Arc<State>,
    _task: JoinSet<()>,
}

impl Issuer {
    pub(super) async fn start(keys: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (state, mut task) = (Arc::<State>::default(), JoinSet::new());
        let (shared, base) = (state.clone(), url.clone());
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (state, base) = (shared.clone(), base.clone());
                let service = service_fn(move |request| {
                    let answer = answer(&request, &state, &base);
                    async move { Ok::<_, Infallible>(answer) }
                });
                connections.spawn(async move {
                    // A client that goes away is none of its business.
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        let issuer = Self { url, state, _task: task };
        issuer.publish(keys);
        issuer
    }

    pub(super) fn publish(&self, keys: &[&Signer]) {
        *self.state.keys.lock().unwrap() = keys.iter().map(|key| key.published()).collect();
    }

    pub(super) fn set_away(&self, is_away: bool) {
        self.state.is_away.store(is_away, Ordering::Relaxed);
    }

    /// How often its keys were looked up.
    pub(super) fn lookups(&self) -> usize {
        self.state.lookups.load(Ordering::Relaxed)
    }
}

fn answer(request: &Request<Incoming>, state: &State, base: &str) -> Response<Full<Bytes>> {
    let mut status = StatusCode::OK;
    let body = match request.uri().path() {
        _ if state.is_away.load(Ordering::Relaxed) => {
            status = StatusCode::BAD_GATEWAY;
            json!({})
        }
        "/.well-known/openid-configuration" => json!({"issuer": base, "jwks_uri": format!("{base}/keys"), "more": 1}),
        "/keys" => {
            state.lookups.fetch_add(1, Ordering::Relaxed);
            let mut keys = state.keys.lock().unwrap().clone();
            // What a set may hold as well: what nobody here knows, and a secret that somebody left there.
            keys.push(json!({"kty": "new", "kid": "unknown"}));
            keys.push(json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"}));
            json!({"keys": keys})
        }
        _ => {
            status = StatusCode::NOT_FOUND;
            json!({})
        }
    };
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
    *answer.status_mut() = status;
    answer
}
