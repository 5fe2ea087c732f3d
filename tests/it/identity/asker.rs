//! Somebody who sends requests with a key, or with none.

use http::Method;
use serde_json::Value;
use tests::client::{Answer, Client};
use tests::fabric::Fabric;

/// The key that processes of these tests are started with.
pub(crate) const ADMIN: &str = "the key of these tests, which is no secret";

/// Starts a process that wants to know who asks.
pub(crate) async fn locked(args: &[&str]) -> Fabric {
    let args: Vec<&str> = args.iter().copied().chain(["--admin-key", ADMIN]).collect();
    Fabric::start(&args).await
}

#[derive(Clone)]
pub(crate) struct Asker {
    client: Client,
    headers: Vec<(String, String)>,
}

impl Asker {
    pub(crate) fn nobody() -> Self {
        Self { client: Client::default(), headers: Vec::new() }
    }

    pub(crate) fn with(key: &str) -> Self {
        Self::by("authorization", &format!("Bearer {key}"))
    }

    pub(crate) fn by(header: &str, value: &str) -> Self {
        Self { headers: vec![(header.into(), value.into())], ..Self::nobody() }
    }

    pub(crate) fn admin() -> Self {
        Self::with(ADMIN)
    }

    pub(crate) async fn ask(&self, method: Method, url: &str, more: &[(&str, &str)], body: &Value) -> Answer {
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<_> = own.chain(more.iter().copied()).collect();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.client.send(method, url, &headers, body).await.unwrap()
    }

    pub(crate) async fn get(&self, url: &str) -> Answer {
        self.ask(Method::GET, url, &[], &Value::Null).await
    }

    /// What must be done.
    pub(crate) async fn done(&self, method: Method, url: &str, body: &Value) -> Answer {
        let answer = self.ask(method, url, &[], body).await;
        assert!(answer.status.is_success(), "{url}: {} {:?}", answer.status, answer.body);
        answer
    }

    /// A key that may do this there: its id and its text.
    pub(crate) async fn key(&self, fabric: &Fabric, name: &str, scopes: &[&str], namespace: &str) -> (String, String) {
        let body = serde_json::json!({"name": name, "scopes": scopes, "namespaces": [namespace]});
        let made = self.done(Method::POST, &format!("{}/admin/v1/keys", fabric.admin), &body).await.json();
        (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
    }
}
