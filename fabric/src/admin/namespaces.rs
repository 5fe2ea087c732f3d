//! `/admin/v1/namespaces…`: what is set for all functions of a namespace together.

use std::collections::BTreeSet;

use actors::port::control::{self, Key, Record};
use http::{HeaderMap, StatusCode};
use proto::tenant::Tenancy;
use proto::{Namespace, NamespaceSpec, Refusal};

use super::query::{List, Query};
use super::registry::{self, Registry, object, show, status_of};
use crate::gateway::answer::{self, Answer};
use crate::identity::Identity;

/// The namespaces of the fabric.
#[derive(Clone)]
pub(super) struct Namespaces(pub(super) Registry);

impl Namespaces {
    /// Those that have functions, and those that something is set for.
    pub(super) fn list(&self, query: &str, by: &Identity) -> Result<Answer, Refusal> {
        let query = Query::read(query, &["limit", "cursor"])?;
        let directory = self.0.directory()?;
        let mut names: BTreeSet<Namespace> = directory.iter().map(|spec| spec.function.namespace().clone()).collect();
        names.extend(directory.namespaces().map(|spec| spec.namespace.clone()));
        names.insert(Namespace::default());
        names.retain(|name| by.sees(name));
        let set = |name: &Namespace| directory.namespace(name).map(|spec| spec.tenancy.clone());
        let all = names.iter().map(|name| set(name).unwrap_or_else(|| bare(name)));
        Ok(answer::json(StatusCode::OK, &List::of_names(all, &query.page()?, |it| it.name.clone())))
    }

    pub(super) async fn get(&self, name: &str, by: &Identity) -> Result<Answer, Refusal> {
        let namespace = Namespace::parse(name)?;
        if !by.sees(&namespace) {
            return Err(Refusal::UnknownNamespace(namespace));
        }
        if let Some((Record::Namespace(_, tenancy), revision)) = self.0.get(&Key::Namespace(namespace.clone())).await? {
            return Ok(show(StatusCode::OK, tenancy, Some(revision)));
        }
        let has_functions = self.0.directory()?.iter().any(|spec| *spec.function.namespace() == namespace);
        if has_functions || namespace == Namespace::default() {
            return Ok(show(StatusCode::OK, bare(&namespace), None));
        }
        Err(Refusal::UnknownNamespace(namespace))
    }

    pub(super) async fn put(
        &self,
        name: &str,
        headers: &HeaderMap,
        body: &[u8],
        by: &Identity,
    ) -> Result<Answer, Refusal> {
        let mut body = object(body, &["name", "labels", "annotations", "signing"])?;
        registry::named(&mut body, "name", name)?;
        let wanted: Tenancy = registry::read(body)?;
        let key = Key::Namespace(Namespace::parse(name)?);
        // A record that nobody can read is put anew.
        if let Err(control::Error::Unreadable { .. }) = self.0.records.control().get(&key).await {
            let spec = NamespaceSpec::compile(wanted.over(None)?)?;
            let (is_new, revision) = self.0.put(by, (&spec).into(), headers).await?;
            return Ok(show(status_of(is_new), &spec.tenancy, Some(revision)));
        }
        let (mut is_new, mut specs) = (true, None);
        // What it says of secrets depends on those that are set.
        let written = self.0.edit(by, &key, headers, |found| {
            let now = match &found {
                Some(Record::Namespace(_, now)) => Some(&**now),
                _ => None,
            };
            let spec = NamespaceSpec::compile(wanted.clone().over(now)?)?;
            let record = Record::from(&spec);
            (is_new, specs) = (found.is_none(), Some(spec));
            Ok(record)
        });
        let (_, revision) = written.await?;
        let Some(spec) = specs else { return Err(Refusal::BrokerAway) };
        self.0.seen(|it| it.namespace(&spec.namespace).is_some_and(|seen| seen.tenancy == spec.tenancy)).await;
        Ok(show(status_of(is_new), &spec.tenancy, Some(revision)))
    }

    /// Nothing is set for it any more; its functions stay.
    pub(super) async fn delete(&self, name: &str, headers: &HeaderMap, by: &Identity) -> Result<Answer, Refusal> {
        let namespace = Namespace::parse(name)?;
        if !self.0.delete(by, &Key::Namespace(namespace.clone()), headers).await? {
            return Err(Refusal::UnknownNamespace(namespace));
        }
        self.0.seen(|it| it.namespace(&namespace).is_none()).await;
        Ok(answer::empty(StatusCode::NO_CONTENT))
    }
}

fn bare(namespace: &Namespace) -> Tenancy {
    Tenancy { name: namespace.to_string(), ..Tenancy::default() }
}
