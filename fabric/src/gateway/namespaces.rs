//! `/system/namespace…`: namespaces as OpenFaaS's API knows them, and what is set for each.

use std::collections::BTreeSet;

use actors::port::control::{self, Expected, Key, Record};
use http::{Method, StatusCode};
use hyper::body::Incoming;
use proto::tenant::Tenancy;
use proto::{Namespace, NamespaceSpec, Refusal};
use tokio::time::timeout;

use super::Gateway;
use super::answer::{self, Answer};
use super::system::{SEEN_WITHIN, json, unchanged};
use crate::identity::Identity;

impl Gateway {
    /// The names of all namespaces that whoever asks may know of: those that have functions, and those that something is set for.
    pub(super) fn namespaces(&self, by: &Identity) -> Answer {
        let directory = self.ports.directory.borrow().clone();
        let mut names: BTreeSet<Namespace> = directory.iter().map(|spec| spec.function.namespace().clone()).collect();
        names.extend(directory.namespaces().map(|spec| spec.namespace.clone()));
        names.insert(Namespace::default());
        names.retain(|name| by.sees(name));
        answer::json(StatusCode::OK, &names)
    }

    /// A request for `/system/namespace/{name}`; to create one, OpenFaaS's client leaves the name to the body.
    pub(super) async fn namespace(
        &self,
        method: &Method,
        name: &str,
        body: Incoming,
        by: &Identity,
    ) -> Result<Answer, Refusal> {
        match *method {
            Method::GET => self.describe_namespace(name, by),
            Method::POST | Method::PUT => self.set_namespace(name, json(body).await?, by).await,
            Method::DELETE => self.delete_namespace(name, by).await,
            _ => Err(Refusal::Method { allow: "GET, POST, PUT, DELETE" }),
        }
    }

    fn describe_namespace(&self, name: &str, by: &Identity) -> Result<Answer, Refusal> {
        let namespace = Namespace::parse(name)?;
        if !by.sees(&namespace) {
            return Err(Refusal::UnknownNamespace(namespace));
        }
        let directory = self.ports.directory.borrow().clone();
        let tenancy = directory.namespace(&namespace).map(|spec| spec.tenancy.clone());
        let bare = || directory.iter().any(|spec| *spec.function.namespace() == namespace);
        let tenancy = tenancy.or_else(|| bare().then(|| Tenancy { name: name.into(), ..Tenancy::default() }));
        let tenancy = tenancy.ok_or(Refusal::UnknownNamespace(namespace))?;
        Ok(answer::json(StatusCode::OK, &tenancy))
    }

    async fn set_namespace(&self, name: &str, tenancy: Tenancy, by: &Identity) -> Result<Answer, Refusal> {
        if !name.is_empty() && name != tenancy.name {
            return Err(Refusal::Malformed(format!("the path names {name}, the body {}", tenancy.name)));
        }
        let key = Key::Namespace(Namespace::parse(&tenancy.name)?);
        let spec = loop {
            // What it leaves unsaid of secrets is as it is set now.
            let found = self.ports.records.control().get(&key).await;
            let (now, expected) = match &found {
                Ok(Some((Record::Namespace(_, now), revision))) => (Some(&**now), Expected::Revision(*revision)),
                Ok(_) => (None, Expected::Absent),
                // A record that nobody can read is put anew.
                Err(control::Error::Unreadable { .. }) => (None, Expected::Whatever),
                Err(_) => return found.map_err(unchanged).map(|_| answer::empty(StatusCode::ACCEPTED)),
            };
            let spec = NamespaceSpec::compile(tenancy.clone().over(now)?)?;
            match self.ports.records.put(by, (&spec).into(), expected).await {
                // Somebody has changed it meanwhile: that is what it is set over.
                Err(control::Error::Conflict { .. }) => {}
                put => break put.map(|_| spec).map_err(unchanged)?,
            }
        };
        let mut directory = self.ports.directory.clone();
        // A script that goes on at once should find what it has just written; other processes follow by themselves.
        let seen =
            directory.wait_for(|it| it.namespace(&spec.namespace).is_some_and(|seen| seen.tenancy == spec.tenancy));
        drop(timeout(SEEN_WITHIN, seen).await);
        Ok(answer::empty(StatusCode::ACCEPTED))
    }

    /// Nothing is set for it any more; its functions stay.
    async fn delete_namespace(&self, name: &str, by: &Identity) -> Result<Answer, Refusal> {
        let namespace = Namespace::parse(name)?;
        let deleted = self.ports.records.delete(by, &Key::Namespace(namespace.clone()), Expected::Whatever).await;
        if !deleted.map_err(unchanged)? {
            return Err(Refusal::UnknownNamespace(namespace));
        }
        let mut directory = self.ports.directory.clone();
        drop(timeout(SEEN_WITHIN, directory.wait_for(|it| it.namespace(&namespace).is_none())).await);
        Ok(answer::empty(StatusCode::ACCEPTED))
    }
}
