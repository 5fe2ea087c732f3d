//! `/admin/v1/keys…`: API keys. Their texts are told once, to whoever makes them.

use std::time::Duration;

use actors::port::control::{Expected, Key, Record};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use proto::key::{Reach, Scopes};
use proto::{ApiKey, KeyId, Refusal, Timestamp, key};
use serde::{Deserialize, Serialize};

use super::query::{List, Query};
use super::registry::{self, Registry, object, show};
use crate::gateway::answer::{self, Answer};
use crate::gateway::system::unchanged;
use crate::identity::{Identity, secret};

/// What a body may have.
const FIELDS: [&str; 4] = ["name", "scopes", "namespaces", "expires_in"];

#[derive(Deserialize)]
struct Asked {
    name: String,
    scopes: Vec<key::Scope>,
    namespaces: Vec<String>,
    #[serde(default)]
    expires_in: Option<String>,
}

/// A key as the API shows it.
#[derive(Serialize)]
struct View<'a> {
    id: &'a KeyId,
    name: &'a str,
    scopes: &'a Scopes,
    namespaces: &'a Reach,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
    /// The text: only where the key was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// Who somebody is, by his own key.
#[derive(Serialize)]
struct Whoami<'a> {
    who: String,
    scopes: &'a Scopes,
    namespaces: &'a Reach,
}

/// The keys of the fabric.
#[derive(Clone)]
pub(super) struct Keys(pub(super) Registry);

impl Keys {
    /// Those that whoever asks could have made.
    pub(super) fn list(&self, query: &str, by: &Identity) -> Result<Answer, Refusal> {
        let query = Query::read(query, &["limit", "cursor"])?;
        let directory = self.0.directory()?;
        let mut keys: Vec<_> = directory.keys().filter(|(_, key)| is_his(key, by)).collect();
        keys.sort_by_key(|(id, _)| *id);
        let views = keys.into_iter().map(|(id, key)| view(id, key, None));
        Ok(answer::json(StatusCode::OK, &List::of_names(views, &query.page()?, |it| it.id.to_string())))
    }

    pub(super) async fn get(&self, id: &str, by: &Identity) -> Result<Answer, Refusal> {
        let (id, key, revision) = self.find(id, by).await?;
        Ok(show(StatusCode::OK, view(&id, &key, None), Some(revision)))
    }

    /// Makes one that may do no more than whoever asks for it.
    pub(super) async fn create(&self, body: &[u8], by: &Identity) -> Result<Answer, Refusal> {
        let Asked { name, scopes, namespaces, expires_in } = registry::read(object(body, &FIELDS)?)?;
        let malformed = |error: key::Error| Refusal::Malformed(error.to_string());
        ApiKey::check_name(&name).map_err(malformed)?;
        let scopes = Scopes::of(scopes).map_err(malformed)?;
        let namespaces = Reach::of(namespaces.iter().map(String::as_str)).map_err(malformed)?;
        let lasts = expires_in.as_deref().map(lasts).transpose()?;
        if !by.scopes().include(&scopes) || !by.namespaces().includes(&namespaces) {
            return Err(Refusal::Forbidden(format!("{} may make no key that may do more than its own", by.who())));
        }
        let created_at = self.0.clock.now();
        let expires_at = lasts.map(|lasts| created_at.after(lasts));
        let (id, text, hash) = secret::new();
        let key = ApiKey { name, hash, scopes, namespaces, created_at, expires_at, revoked_at: None };
        let record = Record::ApiKey(id.clone(), Box::new(key.clone()));
        let revision = self.0.records.put(by, record, Expected::Absent).await.map_err(unchanged)?;
        self.0.seen(|it| it.key(&id).is_some()).await;
        let mut answer = show(StatusCode::CREATED, view(&id, &key, Some(text)), Some(revision));
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(answer)
    }

    /// Has it be of no use from now on. It stays in the list, so that it is known what it was.
    pub(super) async fn revoke(&self, id: &str, headers: &HeaderMap, by: &Identity) -> Result<Answer, Refusal> {
        let (id, ..) = self.find(id, by).await?;
        let now = self.0.clock.now();
        let edit = |found| match found {
            // Whoever revokes it a second time changes nothing.
            Some(Record::ApiKey(id, key)) => {
                let revoked_at = Some(key.revoked_at.unwrap_or(now));
                Ok(Record::ApiKey(id, Box::new(ApiKey { revoked_at, ..*key })))
            }
            _ => Err(Refusal::UnknownKey(id.clone())),
        };
        let (record, revision) = self.0.edit(by, &Key::ApiKey(id.clone()), headers, edit).await?;
        let Record::ApiKey(_, key) = record else { return Err(Refusal::UnknownKey(id)) };
        self.0.seen(|it| it.key(&id).is_none_or(|key| key.revoked_at.is_some())).await;
        Ok(show(StatusCode::OK, view(&id, &key, None), Some(revision)))
    }

    /// The same, and nothing is known of it any more.
    pub(super) async fn delete(&self, id: &str, headers: &HeaderMap, by: &Identity) -> Result<Answer, Refusal> {
        let (id, ..) = self.find(id, by).await?;
        if !self.0.delete(by, &Key::ApiKey(id.clone()), headers).await? {
            return Err(Refusal::UnknownKey(id));
        }
        self.0.seen(|it| it.key(&id).is_none()).await;
        Ok(answer::empty(StatusCode::NO_CONTENT))
    }

    async fn find(&self, id: &str, by: &Identity) -> Result<(KeyId, ApiKey, u64), Refusal> {
        let id = KeyId::parse(id).map_err(|error| Refusal::Malformed(error.to_string()))?;
        match self.0.get(&Key::ApiKey(id.clone())).await? {
            Some((Record::ApiKey(_, key), revision)) if is_his(&key, by) => Ok((id, *key, revision)),
            _ => Err(Refusal::UnknownKey(id)),
        }
    }
}

/// Who asks.
pub(super) fn whoami(by: &Identity) -> Answer {
    answer::json(StatusCode::OK, &Whoami { who: by.who(), scopes: by.scopes(), namespaces: by.namespaces() })
}

/// Whether it is for nothing that whoever asks may not know of.
fn is_his(key: &ApiKey, by: &Identity) -> bool {
    by.namespaces().includes(&key.namespaces)
}

fn lasts(text: &str) -> Result<Duration, Refusal> {
    let malformed = |why: &dyn std::fmt::Display| Refusal::Malformed(format!("expires_in is {text:?}: {why}"));
    let lasts = humantime::parse_duration(text).map_err(|error| malformed(&error))?;
    if lasts.is_zero() { Err(malformed(&"a key that is over at once is of no use")) } else { Ok(lasts) }
}

fn view<'a>(id: &'a KeyId, key: &'a ApiKey, text: Option<String>) -> View<'a> {
    View {
        id,
        name: &key.name,
        scopes: &key.scopes,
        namespaces: &key.namespaces,
        created_at: key.created_at.to_string(),
        expires_at: key.expires_at.map(|at: Timestamp| at.to_string()),
        revoked_at: key.revoked_at.map(|at| at.to_string()),
        key: text,
    }
}
