//! A fabric with something going on, and a browser that looks at it.

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::browser::Browser;
use tests::client::Client;
use tests::eventually;
use tests::fabric::Fabric;
use tests::function::Server;

pub(super) struct Place {
    pub(super) fabric: Fabric,
    pub(super) server: Server,
    pub(super) browser: Browser,
    dir: TempDir,
}

impl Place {
    /// Nothing if there is no browser and that was said.
    pub(super) async fn start() -> Option<Self> {
        let browser = Browser::start().await?;
        let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
        let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap(), "--pre-stop", "0s"]).await;
        Some(Self { fabric, server, browser, dir })
    }

    /// Ends the process without a word, and starts it again where it was.
    pub(super) async fn kill9(&mut self) {
        self.fabric.process.kill9();
    }

    pub(super) async fn start_again(&mut self) {
        let admin = self.fabric.admin.trim_start_matches("http://").to_owned();
        let args = ["serve", "--data-dir", self.dir.path().to_str().unwrap(), "--pre-stop", "0s"];
        self.fabric = Fabric::start_at(&args, &admin).await;
    }

    pub(super) async fn open(&self, page: &str) {
        self.browser.open(&format!("{}/ui/#/{page}", self.fabric.admin)).await;
    }

    /// Goes on to a page as a link does.
    pub(super) async fn go(&self, page: &str) {
        self.browser.run("location.hash = arguments[0]", json!([format!("#/{page}")])).await;
    }

    pub(super) async fn api(&self, path: &str) -> Value {
        Client::default().get(&format!("{}/admin/v1{path}", self.fabric.admin)).await.unwrap().json()
    }

    /// A function that keeps its calls until the server lets them go.
    pub(super) async fn holding(&self, name: &str, more: Value) {
        let mut annotations = json!({"fabric.upstream": self.server.url("/hold")});
        annotations.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.fabric.register(name, annotations).await;
    }

    /// So many dead letters of a function that always fails.
    pub(super) async fn dead(&self, name: &str, count: usize) {
        let upstream = self.server.url("/status/500");
        let annotations = json!({"fabric.upstream": upstream, "com.openfaas.retry.attempts": "1"});
        self.fabric.register(name, annotations).await;
        for _ in 0..count {
            self.fabric.accepted(name, &[("x-mine", "a value")], "the body").await;
        }
        eventually(async || {
            let letters = self.api(&format!("/dead-letters?function={name}")).await;
            let found = letters["items"].as_array().unwrap().len();
            if found == count { Ok(()) } else { Err(format!("{found} letters")) }
        })
        .await;
    }

    /// Nothing was complained of in the console.
    pub(super) async fn is_quiet(&self) {
        let told = self.browser.console().await;
        assert!(told.is_empty(), "{told:#?}");
    }
}
