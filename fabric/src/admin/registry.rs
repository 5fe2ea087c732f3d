//! The records of the control plane as the admin API changes them: on a condition, or again and again until nobody else
//! was quicker.

use std::sync::Arc;
use std::time::Duration;

use actors::directory::Directory;
use actors::port::Clock;
use actors::port::control::{self, Expected, Key, Record};
use http::{HeaderMap, StatusCode, header};
use proto::deployment::Deployment;
use proto::fault::{Fault, Faults};
use proto::{FunctionSpec, Refusal};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::timeout;

use super::condition::{Condition, etag};
use crate::audit::Audited;
use crate::gateway::answer::{self, Answer};
use crate::gateway::may_queue;
use crate::gateway::system::unchanged;
use crate::identity::Identity;

/// How long a change may take to reach this process before it is answered all the same.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

/// The control plane, and what is known of it here.
#[derive(Clone)]
pub(super) struct Registry {
    pub(super) records: Audited,
    pub(super) directory: watch::Receiver<Arc<Directory>>,
    pub(super) clock: Arc<dyn Clock>,
}

/// A record as the API shows it: its revision beside what is set.
#[derive(Serialize)]
struct Revised<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(flatten)]
    record: T,
}

impl Registry {
    /// What is known here of everything that is set, once it is known at all.
    pub(super) fn directory(&self) -> Result<Arc<Directory>, Refusal> {
        Some(self.directory.borrow().clone()).filter(|directory| directory.current).ok_or(Refusal::BrokerAway)
    }

    /// What a deployment says of a function.
    pub(super) fn deploy(&self, deployment: Deployment, by: &Identity) -> Result<FunctionSpec, Refusal> {
        let directory = self.directory.borrow();
        let spec = directory.deploy(deployment, self.clock.now())?;
        may_queue(&spec, &directory, by)?;
        Ok(spec)
    }

    /// The record, if there is one, and its revision.
    pub(super) async fn get(&self, key: &Key) -> Result<Option<(Record, u64)>, Refusal> {
        self.records.control().get(key).await.map_err(unchanged)
    }

    /// Writes a record, if what is there is as the headers say; whether there was none, and its revision.
    pub(super) async fn put(&self, by: &Identity, record: Record, headers: &HeaderMap) -> Result<(bool, u64), Refusal> {
        let (expected, present) = Condition::read(headers)?.of(self.records.control(), &record.key()).await?;
        let revision = self.records.put(by, record, expected).await.map_err(unchanged)?;
        Ok((present.is_none(), revision))
    }

    /// Changes a record by what is there. Without a condition in the headers it is done anew if somebody else was quicker.
    pub(super) async fn edit(
        &self,
        by: &Identity,
        key: &Key,
        headers: &HeaderMap,
        mut edit: impl FnMut(Option<Record>) -> Result<Record, Refusal>,
    ) -> Result<(Record, u64), Refusal> {
        let condition = Condition::read(headers)?;
        loop {
            let (found, revision) = self.get(key).await?.unzip();
            let here = revision.map_or(Expected::Absent, Expected::Revision);
            let expected = condition.expected(key, revision)?;
            // What was read may be older than what the caller has seen: changing that would undo what came after it.
            if matches!(expected, Expected::Revision(named) if Some(named) != revision) {
                return Err(Refusal::Changed { what: key.to_string(), present: revision });
            }
            let record = edit(found)?;
            let expected = if expected == Expected::Whatever { here } else { expected };
            match self.records.put(by, record.clone(), expected).await {
                Err(control::Error::Conflict { .. }) if condition == Condition::None => {}
                put => return put.map(|revision| (record, revision)).map_err(unchanged),
            }
        }
    }

    /// Removes a record, if what is there is as the headers say; whether there was one.
    pub(super) async fn delete(&self, by: &Identity, key: &Key, headers: &HeaderMap) -> Result<bool, Refusal> {
        let (expected, _) = Condition::read(headers)?.of(self.records.control(), key).await?;
        self.records.delete(by, key, expected).await.map_err(unchanged)
    }

    /// A script that goes on at once should find what it has just written; other processes follow by themselves.
    pub(super) async fn seen(&self, is_there: impl FnMut(&Arc<Directory>) -> bool) {
        drop(timeout(SEEN_WITHIN, self.directory.clone().wait_for(is_there)).await);
    }
}

/// A record as an answer, with its revision as the tag.
pub(super) fn show(status: StatusCode, record: impl Serialize, revision: Option<u64>) -> Answer {
    let mut answer = answer::json(status, &Revised { revision, record });
    answer.headers_mut().extend(revision.map(|revision| (header::ETAG, etag(revision))));
    answer
}

/// 201 for what was not there before.
pub(super) fn status_of(is_new: bool) -> StatusCode {
    if is_new { StatusCode::CREATED } else { StatusCode::OK }
}

/// The object in a body, of which only `fields` mean anything. `revision` is passed over, so that what was read can be
/// written again.
pub(super) fn object(body: &[u8], fields: &[&str]) -> Result<Map<String, Value>, Refusal> {
    let read = serde_json::from_slice::<Map<String, Value>>(body);
    let mut object = read.map_err(|error| Refusal::Malformed(format!("the body is not a JSON object: {error}")))?;
    object.remove("revision");
    let mut faults = Faults::default();
    for name in object.keys().filter(|name| !fields.contains(&name.as_str())) {
        faults
            .add(Fault::new(format!("/{name}"), format!("{name} means nothing here; known are {}", fields.join(", "))));
    }
    faults.check()?;
    Ok(object)
}

/// What an object says, or which of its fields does not.
pub(super) fn read<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, Refusal> {
    serde_path_to_error::deserialize(Value::Object(object)).map_err(|error| {
        let path = error.path().iter().map(ToString::to_string).collect::<Vec<_>>().join("/");
        Refusal::Spec(Fault::new(format!("/{path}"), format!("{path}: {}", error.inner())).into())
    })
}

/// Puts the name of the path into a body that leaves it out, and refuses one that says another.
pub(super) fn named(object: &mut Map<String, Value>, field: &str, name: &str) -> Result<(), Refusal> {
    match object.insert(field.into(), name.into()) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(given)) if given == name || given.is_empty() => Ok(()),
        Some(other) => Err(Refusal::Spec(
            Fault::new(format!("/{field}"), format!("the path names {name}, the body says {other}")).into(),
        )),
    }
}
