//! A headless Chromium, driven by WebDriver.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::client::Client;
use crate::eventually;
use crate::process::Process;

/// Browsers at once: each is several processes that draw.
static PLACES: Semaphore = Semaphore::const_new(2);
/// How long a browser may take to start. Generous: a slow machine is not a failure.
const STARTS_WITHIN: Duration = Duration::from_secs(240);
/// What the driver says before its port, once it listens there.
const LISTENS: &str = "ChromeDriver was started successfully on port ";
/// What it says, and ends, if something else has its port in one of the two families of addresses.
const NO_PORT: &str = "port not available";

/// A browser with one window; it ends when this is dropped.
pub struct Browser {
    driver: Process,
    base: String,
    session: String,
    client: Client,
    _profile: TempDir,
    _place: SemaphorePermit<'static>,
}

/// Keys as WebDriver names them.
pub mod key {
    /// Tab.
    pub const TAB: &str = "\u{e004}";
    /// Enter.
    pub const ENTER: &str = "\u{e007}";
    /// Escape.
    pub const ESCAPE: &str = "\u{e00c}";
    /// The space bar.
    pub const SPACE: &str = " ";
}

impl Browser {
    /// Starts one; nothing where `FABRIC_UI_TESTS=skip` says that there is none to be had.
    ///
    /// # Panics
    /// When there is none and nobody said so.
    pub async fn start() -> Option<Self> {
        if std::env::var("FABRIC_UI_TESTS").is_ok_and(|it| it == "skip") {
            eprintln!("NOT RUN: FABRIC_UI_TESTS=skip, there is no browser");
            return None;
        }
        Some(Self::launch().await.unwrap())
    }

    async fn launch() -> anyhow::Result<Self> {
        let place = PLACES.acquire().await?;
        let program = std::env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".into());
        let (driver, base) = driver(&program, &[]).await?;
        let profile = tempfile::tempdir()?;
        let folder = format!("--user-data-dir={}", profile.path().display());
        let startup = STARTS_WITHIN.as_millis() as u64;
        let mut options = json!({"browserStartupTimeout": startup, "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--force-color-profile=srgb", folder]});
        if let Ok(binary) = std::env::var("CHROMIUM") {
            options["binary"] = binary.into();
        }
        let wanted = json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
        let client = Client::default();
        let mut browser = Self { driver, base, session: String::new(), client, _profile: profile, _place: place };
        let made = browser.ask(Method::POST, "", &json!({"capabilities": {"alwaysMatch": wanted}})).await;
        let made = made.with_context(|| format!("no browser was started; {program} said:\n{}", browser.said()))?;
        browser.session = format!("/{}", made["sessionId"].as_str().context("no session")?);
        Ok(browser)
    }

    /// What the driver and the browser have said of themselves.
    fn said(&self) -> String {
        self.driver.lines().join("\n")
    }

    /// A command of the session.
    async fn ask(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/session{}{path}", self.base, self.session);
        let body = if method == Method::POST { body.to_string() } else { String::new() };
        let answer = self.client.send(method, &url, &[("content-type", "application/json")], body).await?;
        let told = answer.json()["value"].take();
        if !answer.status.is_success() {
            bail!("{path}: {}", told["message"].as_str().unwrap_or_default().lines().next().unwrap_or_default());
        }
        Ok(told)
    }

    async fn done(&self, path: &str, body: Value) -> Value {
        self.ask(Method::POST, path, &body).await.unwrap()
    }

    /// Goes to an address.
    pub async fn open(&self, url: &str) {
        self.done("/url", json!({"url": url})).await;
    }

    /// Runs a script; what it returns.
    pub async fn run(&self, script: &str, arguments: Value) -> Value {
        self.done("/execute/sync", json!({"script": script, "args": arguments})).await
    }

    /// Runs the body of an `async` function.
    pub async fn run_async(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async () => {{ {script} }})().then(done, (error) => done({{ error: String(error) }}));"
        );
        self.done("/execute/async", json!({"script": script, "args": []})).await
    }

    /// Waits until an expression is true in the page.
    pub async fn until(&self, expression: &str) -> Value {
        eventually(async || {
            // A page that is just being replaced cannot be asked.
            let asked = json!({"script": format!("return {expression}"), "args": []});
            let told = self.ask(Method::POST, "/execute/sync", &asked).await.map_err(|error| error.to_string())?;
            if told.is_null() || told == false || told == "" {
                Err(format!("{expression} is {told}"))
            } else {
                Ok(told)
            }
        })
        .await
    }

    /// Waits until the page's main part says this.
    pub async fn says(&self, text: &str) {
        self.until(&format!("document.querySelector('main').innerText.includes({})", json!(text))).await;
    }

    /// Clicks what a selector finds, once it is there.
    pub async fn click(&self, selector: &str) {
        let found = json!(selector);
        self.until(&format!("!!document.querySelector({found})")).await;
        self.run("document.querySelector(arguments[0]).click()", json!([selector])).await;
    }

    /// Replaces what stands in a field.
    pub async fn fill(&self, selector: &str, text: &str) {
        let found = json!(selector);
        self.until(&format!("!!document.querySelector({found})")).await;
        let script = "const field = document.querySelector(arguments[0]);
            field.value = arguments[1];
            field.dispatchEvent(new Event('input', { bubbles: true }))";
        self.run(script, json!([selector, text])).await;
    }

    /// Presses keys, one after the other.
    pub async fn press(&self, keys: &str) {
        let pressed = keys.chars().flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})));
        let source = json!({"type": "key", "id": "keyboard", "actions": pressed.collect::<Vec<_>>()});
        self.done("/actions", json!({"actions": [source]})).await;
    }

    /// Makes the window so wide and high.
    pub async fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// What the system is said to prefer, such as `prefers-color-scheme: dark`.
    pub async fn prefer(&self, features: &[(&str, &str)]) {
        let features: Vec<_> = features.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        self.done("/goog/cdp/execute", json!({"cmd": command, "params": parameters})).await;
    }

    /// What the console was told since it was last asked: errors, warnings, breaches of the policy.
    pub async fn console(&self) -> Vec<String> {
        let told = self.done("/se/log", json!({"type": "browser"})).await;
        let lines = told.as_array().unwrap().iter();
        lines.map(|it| format!("{} {}", it["level"].as_str().unwrap(), it["message"].as_str().unwrap())).collect()
    }
}

/// A driver that listens, and where.
///
/// It has the kernel choose a port for IPv6, then wants the same one for IPv4, and ends if something listens there
/// already: one in a few hundred does where dozens of servers run. It is started again until it has got both.
async fn driver(program: &str, args: &[&str]) -> anyhow::Result<(Process, String)> {
    loop {
        let mut command = Command::new(program);
        // A group of its own: what it starts ends with it.
        command.args(args).args(["--port=0", "--enable-chrome-logs"]).process_group(0);
        let mut driver = Process::start("chromedriver", &mut command).with_context(|| {
            format!("{program} is missing: ./tests/run installs it, or says how; FABRIC_UI_TESTS=skip leaves these tests out")
        })?;
        match driver.line_after(LISTENS).await {
            Ok(port) => return Ok((driver, format!("http://127.0.0.1:{}", port.trim_end_matches('.')))),
            Err(_) if driver.lines().iter().any(|line| line.contains(NO_PORT)) => {}
            Err(error) => return Err(error),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver is asked to close the window, which takes its processes along; then whatever is left is ended.
        let closed = TcpStream::connect(self.base.trim_start_matches("http://")).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            let host = self.base.trim_start_matches("http://");
            write!(stream, "DELETE /session{} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", self.session)?;
            stream.read_to_string(&mut String::new())
        });
        drop(closed);
        let group = format!("-{}", self.driver.pid());
        drop(Command::new("kill").args(["-KILL", "--", &group]).status());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_driver_whose_port_was_taken_is_started_again() {
        let dir = tempfile::tempdir().unwrap();
        let script = format!(
            "cd {}; if mkdir once; then echo 'IPv4 port not available. Exiting...'; exit 1; fi
             echo 'ChromeDriver was started successfully on port 4321.'; exec sleep 60",
            dir.path().display()
        );
        let (_driver, base) = driver("sh", &["-c", &script]).await.unwrap();
        assert_eq!(base, "http://127.0.0.1:4321");
    }

    #[tokio::test]
    async fn a_driver_that_cannot_start_says_why() {
        let told = driver("sh", &["-c", "echo 'no library' >&2; exit 127"]).await.err().unwrap().to_string();
        assert!(told.contains("no library") && told.contains("127"), "{told}");
    }
}
