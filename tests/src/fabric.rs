//! The `fabric` binary as a user runs it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use futures_util::{StreamExt, stream};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::eventually;
use crate::process::Process;

/// A running fabric process.
pub struct Fabric {
    /// The process.
    pub process: Process,
    /// The public listener, if it has one.
    pub public: String,
    /// The admin listener.
    pub admin: String,
    client: Client,
}

/// Where the binary is that `./tests/run` has built.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("FABRIC_BIN") {
        return path.into();
    }
    // Next to the test: target/debug/deps/it-… → target/debug/fabric.
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("fabric");
    assert!(path.exists(), "{} is not built: run the tests by ./tests/run", path.display());
    path
}

impl Fabric {
    /// Starts `fabric` with these arguments on free ports, and waits until it is ready.
    pub async fn start(args: &[&str]) -> Self {
        Self::start_at(args, "127.0.0.1:0").await
    }

    /// The same with its admin listener at this address.
    pub async fn start_at(args: &[&str], admin: &str) -> Self {
        Self::start_of(&binary(), args, admin).await
    }

    /// The same with another program than the one that was built, such as an earlier version.
    pub async fn start_of(program: &Path, args: &[&str], admin: &str) -> Self {
        let public = !args.contains(&"worker");
        let mut command = Command::new(program);
        command.args(args).args(["--admin-listen", admin, "--log", "info"]);
        if public {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let mut process = Process::start(args.first().unwrap(), &mut command).unwrap();
        let admin = process.line_after("listening: admin ").await.unwrap();
        let public = if public { process.line_after("listening: public ").await.unwrap() } else { String::new() };
        let fabric = Self { process, public, admin, client: Client::default() };
        eventually(async || fabric.is_ready().await).await;
        fabric
    }

    async fn is_ready(&self) -> anyhow::Result<()> {
        let answer = self.client.get(&format!("{}/readyz", self.admin)).await?;
        anyhow::ensure!(answer.status == StatusCode::OK, "readyz says {}", answer.status);
        Ok(())
    }

    /// Registers a function, `name` or `name.namespace`.
    pub async fn register(&self, name: &str, annotations: Value) {
        let (service, namespace) = name.split_once('.').unwrap_or((name, ""));
        let deployment = json!({"service": service, "namespace": namespace, "annotations": annotations});
        let url = format!("{}/system/functions", self.public);
        let answer = self.client.send(Method::PUT, &url, &[], deployment.to_string()).await.unwrap();
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{:?}", answer.body);
    }

    /// Posts an asynchronous call.
    pub async fn call(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let url = format!("{}/async-function/{path}", self.public);
        self.client.post(&url, headers, body.to_owned()).await.unwrap()
    }

    /// Posts an asynchronous call that must be accepted; its id.
    pub async fn accepted(&self, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let answer = self.call(path, headers, body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{:?}", answer.body);
        answer.header("x-call-id").to_owned()
    }

    /// Posts `count` calls that must be accepted, 64 at a time; their ids.
    pub async fn accepted_many(&self, path: &str, headers: &[(&str, &str)], count: usize) -> HashSet<String> {
        let posts = (0..count).map(|n| self.accepted_one(path, headers, n));
        stream::iter(posts).buffer_unordered(64).collect().await
    }

    async fn accepted_one(&self, path: &str, headers: &[(&str, &str)], n: usize) -> String {
        self.accepted(path, headers, &n.to_string()).await
    }

    /// Sets what is set for a namespace.
    pub async fn set_namespace(&self, name: &str, annotations: Value) {
        let url = format!("{}/system/namespace/{name}", self.public);
        let body = json!({"name": name, "annotations": annotations}).to_string();
        let answer = self.client.send(Method::PUT, &url, &[], body).await.unwrap();
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{:?}", answer.body);
    }

    /// Waits until this process knows of `count` processes, itself included.
    pub async fn knows(&self, count: usize) {
        eventually(async || {
            let known = self.tree().await["members"].as_object().unwrap().len();
            if known == count { Ok(()) } else { Err(format!("{known} processes are known")) }
        })
        .await;
    }

    /// What a function's calls wait for, if its subscriber here says so.
    pub async fn waits_for(&self, function: &str) -> Option<String> {
        let tree = self.tree().await;
        let queues = tree["queues"].as_array().unwrap().clone();
        let mut subscribers = queues.iter().flat_map(|queue| queue["subscribers"].as_array().unwrap());
        let subscriber = subscribers.find(|it| it["function"].as_str().unwrap().starts_with(function))?;
        Some(subscriber["waiting"]["reason"].as_str()?.to_owned())
    }

    /// The supervision tree.
    pub async fn tree(&self) -> Value {
        self.client.get(&format!("{}/admin/v1/tree", self.admin)).await.unwrap().json()
    }

    /// How many calls it runs now.
    pub async fn in_flight(&self) -> u64 {
        let tree = self.tree().await;
        let queues = tree["queues"].as_array().unwrap();
        let subscribers = queues.iter().flat_map(|queue| queue["subscribers"].as_array().unwrap());
        subscribers.map(|subscriber| subscriber["in_flight"].as_u64().unwrap()).sum()
    }
}
