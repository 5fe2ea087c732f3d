//! A client of the admin API that holds every answer against the OpenAPI document.

use std::collections::BTreeSet;
use std::sync::Mutex;

use fabric::admin::DOCUMENT;
use fabric::admin::route::{BASE, Route, TABLE};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::eventually;
use tests::fabric::Fabric;

pub(super) struct Api {
    client: Client,
    base: String,
    document: Value,
    /// What was asked for and done.
    done: Mutex<BTreeSet<String>>,
}

impl Api {
    pub(super) fn of(fabric: &Fabric) -> Self {
        let document = serde_json::from_str(DOCUMENT).unwrap();
        Self { client: Client::default(), base: format!("{}{BASE}", fabric.admin), document, done: Mutex::default() }
    }

    pub(super) fn document(&self) -> &Value {
        &self.document
    }

    /// The operations that were done, as `METHOD path`.
    pub(super) fn done(&self) -> BTreeSet<String> {
        self.done.lock().unwrap().clone()
    }

    pub(super) async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.client.send(method.clone(), &format!("{}{path}", self.base), headers, body).await.unwrap();
        self.check(&method, path, &answer);
        answer
    }

    /// An answer that must have this status.
    pub(super) async fn asked(&self, status: u16, method: Method, path: &str, body: &Value) -> Answer {
        let answer = self.ask(method, path, &[], body).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {:?}", answer.body);
        answer
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        self.asked(200, Method::GET, path, &Value::Null).await.json()
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Value {
        let answer = self.ask(Method::PUT, path, &[], body).await;
        assert!(answer.status.is_success(), "{path}: {:?}", answer.body);
        answer.json()
    }

    pub(super) async fn post(&self, path: &str) -> Value {
        self.asked(200, Method::POST, path, &Value::Null).await.json()
    }

    /// Waits until a function is gone.
    pub(super) async fn gone(&self, function: &str) {
        eventually(async || {
            let answer = self.ask(Method::GET, &format!("/functions/{function}"), &[], &Value::Null).await;
            if answer.status == StatusCode::NOT_FOUND { Ok(()) } else { Err(answer.json().to_string()) }
        })
        .await;
    }

    fn check(&self, method: &Method, path: &str, answer: &Answer) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let problem = json!({"$ref": "#/components/responses/Problem"});
        let response = match Route::of(method, path) {
            Route::To(operation, _) => {
                let template = TABLE.iter().find(|it| it.2 == operation).unwrap().1;
                let told = &self.document["paths"][template][method.as_str().to_lowercase()];
                assert!(told.is_object(), "{method} {template} is not in the document");
                if answer.status.is_success() {
                    self.check_query(told, query);
                    self.done.lock().unwrap().insert(format!("{method} {template}"));
                }
                let exact = told["responses"].get(answer.status.as_str());
                assert!(exact.is_some() || !answer.status.is_success(), "{method} {template}: {}", answer.status);
                exact.unwrap_or(&told["responses"]["default"]).clone()
            }
            Route::Method(_) | Route::Nowhere => problem,
        };
        let response = self.resolved(&response);
        let Some(content) = response["content"].as_object() else {
            assert!(answer.body.is_empty(), "{path}: a body that the document does not know");
            return;
        };
        let (content_type, content) = content.iter().next().unwrap();
        assert_eq!(answer.header("content-type"), content_type, "{path}: {:?}", answer.body);
        if content_type == "text/event-stream" {
            return;
        }
        let mut schema = content["schema"].clone();
        schema["components"] = self.document["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let body = answer.json();
        let faults: Vec<String> =
            validator.iter_errors(&body).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{method} {path}: {faults:#?}\n{body:#}");
    }

    fn check_query(&self, told: &Value, query: &str) {
        let known: Vec<Value> =
            told["parameters"].as_array().into_iter().flatten().map(|it| self.resolved(it)).collect();
        for name in query.split('&').filter(|it| !it.is_empty()).map(|it| it.split('=').next().unwrap()) {
            let is_known = known.iter().any(|it| it["in"] == "query" && it["name"] == name);
            assert!(is_known, "parameter {name} is not in the document: {known:?}");
        }
    }

    pub(super) fn resolved(&self, value: &Value) -> Value {
        match value["$ref"].as_str() {
            Some(pointer) => self.document.pointer(pointer.trim_start_matches('#')).unwrap().clone(),
            None => value.clone(),
        }
    }
}
