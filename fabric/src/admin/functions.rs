//! `/admin/v1/functions…`: what is registered, and its changes.

use actors::port::control::{self, Key, Record};
use http::{HeaderMap, StatusCode};
use proto::deployment::{Deployment, Packed, Removal};
use proto::{Function, Namespace, Refusal};
use serde::Serialize;
use serde_json::{Map, Value};

use super::query::{List, Query};
use super::registry::{self, Registry, object, show, status_of};
use crate::gateway::answer::{self, Answer};
use crate::gateway::own;
use crate::identity::Identity;

/// What a body may have.
const FIELDS: [&str; 14] = [
    "name",
    "service",
    "namespace",
    "image",
    "envProcess",
    "envVars",
    "constraints",
    "secrets",
    "labels",
    "annotations",
    "limits",
    "requests",
    "readOnlyRootFilesystem",
    // Told, and not changed.
    "createdAt",
];

/// A function as the API shows it.
#[derive(Serialize)]
struct View<'a> {
    /// With its namespace.
    name: String,
    #[serde(flatten)]
    deployment: &'a Deployment,
}

/// The functions of the fabric.
#[derive(Clone)]
pub(super) struct Functions(pub(super) Registry);

impl Functions {
    pub(super) fn list(&self, query: &str, by: &Identity) -> Result<Answer, Refusal> {
        let query = Query::read(query, &["namespace", "contains", "limit", "cursor"])?;
        let part = query.get("contains").unwrap_or_default().to_lowercase();
        let namespace = query.get("namespace").map(Namespace::parse).transpose()?;
        let directory = self.0.directory()?;
        let wanted = |of: &Namespace| by.sees(of) && namespace.as_ref().is_none_or(|it| of == it);
        let named = directory
            .iter()
            .filter(|spec| wanted(spec.function.namespace()))
            .map(|spec| (spec.function.to_string(), spec));
        let mut specs: Vec<_> = named.filter(|(name, _)| name.contains(&part)).collect();
        specs.sort_by(|(a, _), (b, _)| a.cmp(b));
        let List { items, next } = List::of_names(specs.into_iter(), &query.page()?, |(name, _)| name.clone());
        let opened: Vec<_> = items.iter().map(|(_, spec)| (&spec.function, spec.deployment.open())).collect();
        let items: Vec<_> = opened.iter().map(|(function, deployment)| view(function, deployment)).collect();
        Ok(answer::json(StatusCode::OK, &List { items, next }))
    }

    pub(super) async fn get(&self, name: &str, by: &Identity) -> Result<Answer, Refusal> {
        let function = own(Function::parse(name)?, by)?;
        match self.0.get(&Key::Function(function.clone())).await? {
            Some((Record::Function(_, deployment), revision)) => {
                Ok(show(StatusCode::OK, view(&function, &deployment), Some(revision)))
            }
            _ => Err(Refusal::UnknownFunction(function)),
        }
    }

    pub(super) async fn put(
        &self,
        name: &str,
        headers: &HeaderMap,
        body: &[u8],
        by: &Identity,
    ) -> Result<Answer, Refusal> {
        let function = Function::parse(name)?;
        by.must_see(function.namespace())?;
        let spec = self.0.deploy(asked(&function, object(body, &FIELDS)?)?, by)?;
        let (is_new, revision) = self.0.put(by, (&spec).into(), headers).await?;
        self.registered(&function, &spec.deployment).await;
        Ok(show(status_of(is_new), view(&function, &spec.deployment.open()), Some(revision)))
    }

    /// Changes some of what is set, by a merge patch (RFC 7396).
    pub(super) async fn patch(
        &self,
        name: &str,
        headers: &HeaderMap,
        body: &[u8],
        by: &Identity,
    ) -> Result<Answer, Refusal> {
        let function = own(Function::parse(name)?, by)?;
        let patch = object(body, &FIELDS)?;
        let edit = |found| {
            let Some(Record::Function(_, deployment)) = found else {
                return Err(Refusal::UnknownFunction(function.clone()));
            };
            let mut whole = serde_json::to_value(deployment).map_err(|error| Refusal::Malformed(error.to_string()))?;
            merge(&mut whole, Value::Object(patch.clone()));
            let Value::Object(whole) = whole else { return Err(Refusal::UnknownFunction(function.clone())) };
            Ok((&self.0.deploy(asked(&function, whole)?, by)?).into())
        };
        let (record, revision) = self.0.edit(by, &Key::Function(function.clone()), headers, edit).await?;
        let Record::Function(_, deployment) = record else { return Err(Refusal::UnknownFunction(function)) };
        let shown = show(StatusCode::OK, view(&function, &deployment), Some(revision));
        self.registered(&function, &Packed::of(*deployment)).await;
        Ok(shown)
    }

    /// Begins to delete a function; workers finish it.
    pub(super) async fn delete(
        &self,
        name: &str,
        headers: &HeaderMap,
        query: &str,
        by: &Identity,
    ) -> Result<Answer, Refusal> {
        let function = own(Function::parse(name)?, by)?;
        let query = Query::read(query, &["backlog"])?;
        let removal = query.parse("backlog", "drain or dead-letter", Removal::parse)?.unwrap_or_default();
        let key = Key::Function(function.clone());
        let edit = |found| match found {
            Some(Record::Function(function, deployment)) => {
                Ok(Record::Function(function, Box::new(Deployment { deleting: Some(removal), ..*deployment })))
            }
            _ => Err(Refusal::UnknownFunction(function.clone())),
        };
        let (record, revision) = match self.0.records.control().get(&key).await {
            // What nobody can read is deleted all the same.
            Err(control::Error::Unreadable { .. }) => {
                let record = Record::Function(function.clone(), Box::new(Deployment::leaving(&function, removal)));
                self.0.put(by, record.clone(), headers).await.map(|(_, revision)| (record, revision))?
            }
            _ => self.0.edit(by, &key, headers, edit).await?,
        };
        let Record::Function(_, deployment) = record else { return Err(Refusal::UnknownFunction(function)) };
        self.0.seen(|it| it.get(&function).is_none() || it.leaving().get(&function) == Some(&removal)).await;
        Ok(show(StatusCode::ACCEPTED, view(&function, &deployment), Some(revision)))
    }

    async fn registered(&self, function: &Function, deployment: &Packed) {
        self.0.seen(|it| it.get(function).is_some_and(|seen| seen.deployment == *deployment)).await;
    }
}

fn view<'a>(function: &Function, deployment: &'a Deployment) -> View<'a> {
    View { name: function.to_string(), deployment }
}

/// What a body says of the function of the path.
fn asked(function: &Function, mut body: Map<String, Value>) -> Result<Deployment, Refusal> {
    registry::named(&mut body, "name", &function.to_string())?;
    registry::named(&mut body, "service", function.name())?;
    registry::named(&mut body, "namespace", function.namespace().as_str())?;
    body.remove("name");
    registry::read(body)
}

/// RFC 7396.
fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (name, value) in patch {
                if value.is_null() {
                    target.remove(&name);
                } else {
                    merge(target.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        (target, patch) => {
            *target = patch;
            // What is not there cannot be taken away.
            if let Value::Object(fields) = target {
                fields.retain(|_, value| !value.is_null());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_changes_what_it_names_and_takes_away_what_it_nulls() {
        let mut whole = json!({"a": {"b": "1", "c": "2"}, "d": [1, 2]});
        merge(&mut whole, json!({"a": {"b": "3", "c": null}, "d": [3], "e": {"f": "4"}}));
        assert_eq!(whole, json!({"a": {"b": "3"}, "d": [3], "e": {"f": "4"}}));
    }

    #[test]
    fn a_body_is_for_the_function_of_the_path() {
        let function = Function::parse("f.acme").unwrap();
        let body = |more: &str| {
            let text = format!(r#"{{"revision": 7, "annotations": {{"fabric.upstream": "http://a"}}{more}}}"#);
            asked(&function, object(text.as_bytes(), &FIELDS)?)
        };
        for good in ["", r#", "name": "f.acme""#, r#", "service": "f", "namespace": "acme""#] {
            assert_eq!(body(good).unwrap().function(), Ok(function.clone()), "{good}");
        }
        for bad in
            [r#", "name": "f""#, r#", "namespace": "other""#, r#", "anotations": {}"#, r#", "deleting": "drain""#]
        {
            assert!(matches!(body(bad), Err(Refusal::Spec(_))), "{bad}");
        }
        let number = object(br#"{"annotations": {"fabric.upstream": "http://a", "fabric.concurrency": 5}}"#, &FIELDS);
        let Err(Refusal::Spec(faults)) = asked(&function, number.unwrap()) else { panic!("a number is no text") };
        assert_eq!(faults.all()[0].field, "/annotations/fabric.concurrency");
    }
}
