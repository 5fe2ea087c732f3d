//! Tokens of an OpenID provider: signed by a key that the provider publishes, for this audience, and not over.
//!
//! Keys are looked up by discovery (OpenID Connect Discovery 1.0), kept, and looked up anew every few minutes, at once
//! when a token names one that is not known. While the provider is away its keys hold on for a day. A token that was
//! found good is known by its hash until it is over or the keys change, so that a call costs no signature.

mod claims;
mod fetch;
mod keyset;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jsonwebtoken::{Header, decode_header};
use proto::Refusal;
use proto::key::Hash;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

use self::claims::Checked;
use self::fetch::Provider;
use self::keyset::KeySet;
use super::{Rights, secret};

pub use self::fetch::Error;

/// After how long keys are looked up anew. For so long a key that the provider has withdrawn is still good here.
const FRESH_FOR: Duration = Duration::from_secs(5 * 60);
/// For how long they hold while the provider is away.
const STALE_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How often they are looked up at the most, whatever tokens name.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Tokens that are known to be good, at the most.
const KNOWN_MAX: usize = 10_000;
/// The longest token, in bytes.
const TOKEN_LEN_MAX: usize = 16 * 1024;

/// What is to be known of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What its tokens have as `iss`, and where it is.
    pub issuer: Url,
    /// What they have as `aud`: one of these.
    pub audiences: Vec<String>,
    /// The claim that says what somebody may do: `fabric:read fabric:invoke`, as one text or a list.
    pub scopes_claim: String,
    /// The claim that says in which namespaces, or `*`.
    pub namespaces_claim: String,
}

/// A provider, and what is known of it; clones share that.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    settings: Settings,
    provider: Provider,
    known: Mutex<Known>,
    /// One lookup at a time.
    looking: tokio::sync::Mutex<()>,
    /// A lookup that nobody waits for.
    tasks: Mutex<JoinSet<()>>,
}

/// What was found out.
#[derive(Default)]
struct Known {
    keys: Option<(Arc<KeySet>, Instant)>,
    /// When they were last looked up, found or not.
    looked: Option<Instant>,
    /// Tokens that were good, and until when, in seconds since the epoch.
    tokens: HashMap<[u8; proto::key::SECRET_LEN], (Arc<Rights>, u64)>,
}

/// Whether a text may be a token (RFC 7519: three parts), as opposed to a key.
#[must_use]
pub fn is_token(text: &str) -> bool {
    text.len() <= TOKEN_LEN_MAX && text.split('.').count() == 3
}

impl Issuer {
    /// A provider of which nothing is known yet.
    ///
    /// # Errors
    /// [`Error::Insecure`].
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let provider = Provider::new(settings.issuer.clone())?;
        let (known, looking, tasks) = Default::default();
        Ok(Self(Arc::new(Inner { settings, provider, known, looking, tasks })))
    }

    /// What the bearer of a token may do.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] if it is not good, [`Refusal::Forbidden`] if it is and allows nothing,
    /// [`Refusal::IssuerAway`] if nobody can tell.
    pub async fn rights(&self, token: &str) -> Result<Arc<Rights>, Refusal> {
        let Hash(hash) = secret::hash(token.as_bytes());
        // A token that was good is so for as long as the keys hold, and has them be looked up as any other does.
        // Not in the condition: what is known would stay locked in the body, where it is asked again.
        let good = self.0.known().good(&hash);
        if let Some((_, age)) = self.0.at_hand()
            && let Some(rights) = good
        {
            if age >= FRESH_FOR {
                self.look_soon();
            }
            return Ok(rights);
        }
        let header = decode_header(token).map_err(|_| refused("it is no token"))?;
        // RFC 7515, section 4.1.11: what must be understood is not, here.
        if header.crit.is_some() {
            return Err(refused("it has critical headers, and none is known here"));
        }
        let keys = self.keys(&header).await?;
        let Checked { rights, until } = claims::check(token, &header, &keys, &self.0.settings)?;
        let rights = Arc::new(rights);
        let mut known = self.0.known();
        // Only what these keys say: others may be there by now.
        if known.keys.as_ref().is_some_and(|(now, _)| Arc::ptr_eq(now, &keys)) {
            if known.tokens.len() >= KNOWN_MAX {
                known.tokens.clear();
            }
            known.tokens.insert(hash, (rights.clone(), until));
        }
        Ok(rights)
    }

    /// The provider's keys; with the one that a token names, if there is such a one.
    async fn keys(&self, header: &Header) -> Result<Arc<KeySet>, Refusal> {
        let kid = header.kid.as_deref();
        if let Some((keys, age)) = self.0.at_hand()
            && keys.has(kid, header.alg)
        {
            if age >= FRESH_FOR {
                self.look_soon();
            }
            return Ok(keys);
        }
        self.0.look().await;
        match self.0.at_hand() {
            Some((keys, _)) => Ok(keys),
            None => Err(Refusal::IssuerAway),
        }
    }

    /// Looks the keys up without anybody waiting for it.
    fn look_soon(&self) {
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        if tasks.is_empty() && self.0.may_look() {
            let inner = Arc::downgrade(&self.0);
            tasks.spawn(async move {
                if let Some(inner) = inner.upgrade() {
                    inner.look().await;
                }
            });
        }
    }
}

impl Known {
    /// What the bearer of a token may do that was found good, and is not over.
    fn good(&self, hash: &[u8; proto::key::SECRET_LEN]) -> Option<Arc<Rights>> {
        let (rights, until) = self.tokens.get(hash)?;
        (jsonwebtoken::get_current_timestamp() < *until).then(|| rights.clone())
    }
}

impl Inner {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that still hold, and how old they are.
    fn at_hand(&self) -> Option<(Arc<KeySet>, Duration)> {
        let known = self.known();
        let (keys, at) = known.keys.as_ref()?;
        Some((keys.clone(), at.elapsed())).filter(|(_, age)| *age < STALE_FOR)
    }

    fn may_look(&self) -> bool {
        self.known().looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY)
    }

    /// Looks the keys up, unless that was done a moment ago.
    async fn look(&self) {
        let _looking = self.looking.lock().await;
        if !self.may_look() {
            return;
        }
        self.known().looked = Some(Instant::now());
        match self.provider.keys().await {
            Ok(set) => {
                let mut known = self.known();
                let is_same = known.keys.as_ref().is_some_and(|(keys, _)| **keys == set);
                let keys = match &known.keys {
                    Some((keys, _)) if is_same => keys.clone(),
                    _ => {
                        // A key that is there no more has signed what was good a moment ago.
                        known.tokens.clear();
                        Arc::new(set)
                    }
                };
                known.keys = Some((keys, Instant::now()));
            }
            Err(error) => tracing::warn!(%error, "the keys of the OpenID provider could not be looked up"),
        }
    }
}

fn refused(why: &str) -> Refusal {
    Refusal::Unauthenticated(format!("the token is not good: {why}"))
}
