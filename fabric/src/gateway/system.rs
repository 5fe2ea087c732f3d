//! `/system/…`: functions as OpenFaaS's API knows them.

pub mod route;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actors::directory::Directory;
use actors::port::control::{self, Expected, Key, Record};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use proto::deployment::{Deployment, Removal};
use proto::{Function, FunctionSpec, Namespace, Refusal, annotation};
use serde::{Deserialize, Serialize, Serializer};
use tokio::time::timeout;

use super::answer::{self, Answer};
use super::elsewhere;
use super::enqueue::read;
use super::refusal::refusal;
use super::{Gateway, may_queue, own};
use crate::identity::Identity;

pub(super) const BODY_LEN_MAX: usize = 1024 * 1024;
/// How long a change may take to reach this process before it is answered all the same.
pub(super) const SEEN_WITHIN: Duration = Duration::from_secs(1);

/// OpenFaaS's `FunctionStatus`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    name: String,
    replicas: u32,
    available_replicas: u32,
    invocation_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(flatten)]
    deployment: StatusDeployment,
}

/// What a function's containers use. It has none here, and so uses nothing.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    cpu: f64,
    total_memory_bytes: f64,
}

/// The parts of a deployment that a status repeats; `service` is called `name` there.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusDeployment {
    image: String,
    namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    env_process: Option<String>,
    env_vars: BTreeMap<String, String>,
    constraints: Vec<String>,
    secrets: Vec<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    limits: BTreeMap<String, String>,
    requests: BTreeMap<String, String>,
    read_only_root_filesystem: bool,
}

/// Of many functions, one opened after the other: all of them at once take many times the memory that they are kept in.
struct Statuses<'a>(&'a [&'a Arc<FunctionSpec>]);

impl Serialize for Statuses<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|spec| status(spec, None)))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deletion {
    function_name: String,
    #[serde(default)]
    namespace: Option<String>,
}

#[derive(Serialize)]
struct Info {
    provider: Provider,
    version: Version,
    arch: &'static str,
}

#[derive(Serialize)]
struct Provider {
    provider: &'static str,
    orchestration: &'static str,
    version: Version,
}

#[derive(Serialize, Clone)]
struct Version {
    release: &'static str,
    sha: &'static str,
    commit_message: &'static str,
}

impl Gateway {
    /// Answers a request below `/system/`, or `/healthz`.
    pub(crate) async fn system(&self, mut request: Request<Incoming>) -> Result<Answer, Refusal> {
        let path = request.uri().path().to_owned();
        let method = request.method().clone();
        let by = &self.ports.authenticator.admit(&mut request, route::need(&method, &path)).await?;
        if let Some(answer) = elsewhere::answer(&method, &path) {
            return answer;
        }
        let query = request.uri().query().unwrap_or_default().to_owned();
        let namespace = parameter(&query, "namespace").map(|name| Namespace::parse(&name)).transpose()?;
        match (path.as_str(), &method) {
            ("/system/functions", &Method::GET) => Ok(self.list(namespace.as_ref(), by)),
            ("/system/functions", &Method::POST | &Method::PUT) => self.deploy(request.into_body(), by).await,
            ("/system/functions", &Method::DELETE) => self.delete(request.into_body(), by).await,
            ("/system/functions", _) => Err(Refusal::Method { allow: "GET, POST, PUT, DELETE" }),
            ("/system/info", &Method::GET) => Ok(info()),
            ("/system/namespaces", &Method::GET) => Ok(self.namespaces(by)),
            ("/healthz", &Method::GET | &Method::HEAD) => Ok(answer::text("ok\n")),
            ("/system/info" | "/system/namespaces" | "/healthz", _) => Err(Refusal::Method { allow: "GET" }),
            (path, method) => {
                if let Some(name) = path.strip_prefix("/system/namespace/") {
                    return self.namespace(method, name, request.into_body(), by).await;
                }
                match path.strip_prefix("/system/function/") {
                    Some(name) if method == Method::GET => {
                        self.describe(name, namespace, parameter(&query, "usage").is_some(), by)
                    }
                    Some(_) => Err(Refusal::Method { allow: "GET" }),
                    None => Err(Refusal::NoRoute),
                }
            }
        }
    }

    fn list(&self, namespace: Option<&Namespace>, by: &Identity) -> Answer {
        let directory = self.ports.directory.borrow().clone();
        let wanted = |of: &Namespace| by.sees(of) && namespace.is_none_or(|it| of == it);
        // One that is being deleted is gone, for those who know no such state.
        let mut specs: Vec<_> = directory
            .iter()
            .filter(|spec| wanted(spec.function.namespace()) && !directory.leaving().contains_key(&spec.function))
            .collect();
        specs.sort_by(|a, b| a.function.cmp(&b.function));
        answer::json(StatusCode::OK, &Statuses(&specs))
    }

    fn describe(
        &self,
        name: &str,
        namespace: Option<Namespace>,
        with_usage: bool,
        by: &Identity,
    ) -> Result<Answer, Refusal> {
        let function = match namespace {
            Some(namespace) => Function::new(name, namespace)?,
            None => Function::parse(name)?,
        };
        let spec = self.registered(own(function, by)?)?;
        Ok(answer::json(StatusCode::OK, &status(&spec, with_usage.then(Usage::default))))
    }

    async fn deploy(&self, body: Incoming, by: &Identity) -> Result<Answer, Refusal> {
        let mut deployment: Deployment = json(body).await?;
        if let Ok(function) = deployment.function() {
            by.must_see(function.namespace())?;
        }
        self.keep_pause(&mut deployment);
        let directory = self.ports.directory.borrow().clone();
        let spec = directory.deploy(deployment, self.ports.clock.now())?;
        may_queue(&spec, &directory, by)?;
        self.ports.records.put(by, (&spec).into(), Expected::Whatever).await.map_err(unchanged)?;
        let mut directory = self.ports.directory.clone();
        // A script that goes on at once should find what it has just written; other processes follow by themselves.
        let seen = directory
            .wait_for(|directory| directory.get(&spec.function).is_some_and(|seen| seen.deployment == spec.deployment));
        drop(timeout(SEEN_WITHIN, seen).await);
        Ok(answer::empty(StatusCode::ACCEPTED))
    }

    async fn delete(&self, body: Incoming, by: &Identity) -> Result<Answer, Refusal> {
        let Deletion { function_name, namespace } = json(body).await?;
        let function = match namespace.as_deref() {
            None | Some("") => Function::parse(&function_name)?,
            Some(namespace) => Function::new(&function_name, Namespace::parse(namespace)?)?,
        };
        let function = own(function, by)?;
        // Whoever deletes it a second time finds nothing, as if it were gone already.
        if !self.begin_removal(&function, by).await? {
            return Err(Refusal::UnknownFunction(function));
        }
        let mut directory = self.ports.directory.clone();
        let is_gone = |it: &Directory| it.get(&function).is_none() || it.leaving().contains_key(&function);
        let seen = directory.wait_for(|directory| is_gone(directory));
        drop(timeout(SEEN_WITHIN, seen).await);
        Ok(answer::empty(StatusCode::ACCEPTED))
    }

    /// Whoever deploys a function anew and says nothing of a pause leaves that to the operators.
    fn keep_pause(&self, deployment: &mut Deployment) {
        if deployment.annotations.contains_key(annotation::PAUSED) {
            return;
        }
        let directory = self.ports.directory.borrow().clone();
        let Some(spec) = deployment.function().ok().and_then(|function| directory.get(&function)) else { return };
        if let Some(paused) = spec.deployment.open().annotations.remove(annotation::PAUSED) {
            deployment.annotations.insert(annotation::PAUSED.into(), paused);
        }
    }

    /// Has a function be deleted when its calls have run; whether there was one.
    async fn begin_removal(&self, function: &Function, by: &Identity) -> Result<bool, Refusal> {
        let (key, records) = (Key::Function(function.clone()), &self.ports.records);
        loop {
            let found = match records.control().get(&key).await {
                Err(control::Error::Unreadable { .. }) => {
                    let leaving = Deployment::leaving(function, Removal::Drain);
                    let record = Record::Function(function.clone(), Box::new(leaving));
                    return records.put(by, record, Expected::Whatever).await.map(|_| true).map_err(unchanged);
                }
                found => found.map_err(unchanged)?,
            };
            let Some((Record::Function(_, mut deployment), revision)) = found else { return Ok(false) };
            if deployment.deleting.is_some() {
                return Ok(false);
            }
            deployment.deleting = Some(Removal::Drain);
            let leaving = Record::Function(function.clone(), deployment);
            match records.put(by, leaving, Expected::Revision(revision)).await {
                // Somebody has changed it meanwhile: that is what is deleted.
                Err(control::Error::Conflict { .. }) => {}
                put => return put.map(|_| true).map_err(unchanged),
            }
        }
    }
}

/// What is heard by whoever could not change a record.
pub(crate) fn unchanged(error: control::Error) -> Refusal {
    match error {
        control::Error::Conflict { key, present } => Refusal::Changed { what: key.to_string(), present },
        control::Error::Unreadable { .. } => Refusal::Conflict(format!("{error}: put it anew, or delete it")),
        control::Error::Broker(error) => refusal(error, BODY_LEN_MAX),
    }
}

pub(super) async fn json<T: for<'de> Deserialize<'de>>(mut body: Incoming) -> Result<T, Refusal> {
    let bytes = read(&mut body, BODY_LEN_MAX).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::Malformed(format!("the body is not the JSON wanted: {error}")))
}

/// A parameter of a query, if it is not empty; others are other programs' and are passed over.
fn parameter(query: &str, wanted: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, value)| name == wanted && !value.is_empty()).map(|(_, value)| value.into_owned())
}

fn status(spec: &FunctionSpec, usage: Option<Usage>) -> Status {
    let deployment = spec.deployment.open();
    // Whether the endpoint is up is its operator's business: what is registered counts as one replica that is there.
    Status {
        name: deployment.service,
        replicas: 1,
        available_replicas: 1,
        // Each gateway would know its own only.
        invocation_count: 0,
        created_at: deployment.created_at.into(),
        usage,
        deployment: StatusDeployment {
            image: deployment.image,
            namespace: spec.function.namespace().to_string(),
            env_process: deployment.env_process,
            env_vars: deployment.env_vars,
            constraints: deployment.constraints,
            secrets: deployment.secrets,
            labels: deployment.labels,
            annotations: deployment.annotations,
            limits: deployment.limits,
            requests: deployment.requests,
            read_only_root_filesystem: deployment.read_only_root_filesystem,
        },
    }
}

fn info() -> Answer {
    let version = Version { release: env!("CARGO_PKG_VERSION"), sha: "", commit_message: "" };
    let provider = Provider { provider: "fabric", orchestration: "fabric", version: version.clone() };
    answer::json(StatusCode::OK, &Info { provider, version, arch: std::env::consts::ARCH })
}
