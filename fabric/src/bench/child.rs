//! Processes of this program, each measured from outside.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

use super::place::Server;
use crate::http_client;

/// How long a process may take to say where it listens, and then to be ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long one may take to end that was asked to.
const END_WITHIN: Duration = Duration::from_secs(30);

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// CPU time.
    pub(super) cpu: Duration,
    /// Resident memory now, in bytes.
    pub(super) resident: u64,
}

#[cfg(target_os = "linux")]
fn usage(pid: i32) -> anyhow::Result<Option<Usage>> {
    let stat = procfs::process::Process::new(pid)?.stat()?;
    let cpu = Duration::from_secs_f64((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64);
    Ok(Some(Usage { cpu, resident: stat.rss * procfs::page_size() }))
}

#[cfg(not(target_os = "linux"))]
fn usage(_: i32) -> anyhow::Result<Option<Usage>> {
    Ok(None)
}

/// A running process, killed when dropped.
pub(super) struct Child {
    name: String,
    process: tokio::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Where it takes calls, if it does.
    pub(super) public: String,
    /// Where it tells of itself.
    admin: String,
    /// How long it took until it was ready.
    pub(super) ready_after: Duration,
}

impl Child {
    /// `fabric` with these arguments, on free ports, on `broker` if there is one; answers once it is ready.
    pub(super) async fn fabric(args: &[&str], broker: Option<&Server>) -> anyhow::Result<Self> {
        let began = Instant::now();
        let public = !args.contains(&"worker");
        let mut all = args.to_vec();
        all.extend(["--admin-listen", "127.0.0.1:0", "--log", "error,fabric::audit=off"]);
        if public {
            all.extend(["--listen", "127.0.0.1:0", "--pre-stop", "0s"]);
        }
        let mut child = Self::of_this_program(&all, broker)?;
        if public {
            child.public = child.line_after("listening: public http://").await?;
        }
        child.admin = child.line_after("listening: admin ").await?;
        let client = http_client::buffered();
        let ready = async {
            loop {
                let request = Request::get(format!("{}/readyz", child.admin)).body(Full::<Bytes>::default())?;
                if client.request(request).await.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                    return anyhow::Ok(());
                }
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(READY_WITHIN, ready).await.with_context(|| format!("{} is not ready", child.name))??;
        child.ready_after = began.elapsed();
        Ok(child)
    }

    /// Any command of this program. The broker's URL may hold a password, which arguments would show to everybody.
    pub(super) fn of_this_program(args: &[&str], broker: Option<&Server>) -> anyhow::Result<Self> {
        let name = format!("fabric {}", args.join(" "));
        let mut process = Command::new(std::env::current_exe().context("this program cannot be found")?)
            .args(args)
            .env_remove("FABRIC_BROKER")
            .env_remove("FABRIC_DATA_DIR")
            // Nothing is traced but where a measurement says so.
            .env_remove("FABRIC_OTLP_ENDPOINT")
            .env("OTEL_SDK_DISABLED", "true")
            .envs(broker.map(|server| ("FABRIC_BROKER", &server.url)))
            .envs(broker.map(|server| server.access.variables()).unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let stdout = process.stdout.take().context("a process without stdout")?;
        let lines = BufReader::new(stdout).lines();
        let (public, admin) = (String::new(), String::new());
        Ok(Self { name, process, lines, public, admin, ready_after: Duration::ZERO })
    }

    /// The rest of the next line that begins with `prefix`.
    pub(super) async fn line_after(&mut self, prefix: &str) -> anyhow::Result<String> {
        let wanted = async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(rest) = line.strip_prefix(prefix) {
                    return Ok(rest.to_owned());
                }
            }
            bail!("it ended before it printed {prefix:?}")
        };
        timeout(READY_WITHIN, wanted).await.map_err(anyhow::Error::from).flatten().with_context(|| self.name.clone())
    }

    /// Registers a function that answers at `upstream`.
    pub(super) async fn register(
        &self,
        name: &str,
        upstream: &str,
        annotations: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let mut all = serde_json::Map::new();
        all.insert("fabric.upstream".into(), upstream.into());
        all.extend(annotations.iter().map(|&(name, value)| (name.into(), value.into())));
        let deployment = serde_json::json!({"service": name, "annotations": all}).to_string();
        let url = format!("http://{}/system/functions", self.public);
        let request = Request::put(url).body(Full::<Bytes>::from(deployment))?;
        let answer = http_client::buffered().request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status != StatusCode::ACCEPTED {
            bail!("function {name} cannot be registered: {status} {}", String::from_utf8_lossy(&body));
        }
        Ok(())
    }

    /// Reads its metrics.
    pub(super) async fn scrape(&self) -> anyhow::Result<()> {
        let request = Request::get(format!("{}/metrics", self.admin)).body(Full::<Bytes>::default())?;
        let answer = http_client::buffered().request(request).await?;
        anyhow::ensure!(answer.status() == StatusCode::OK, "{} tells no metrics: {}", self.name, answer.status());
        answer.into_body().collect().await?;
        Ok(())
    }

    fn pid(&self) -> anyhow::Result<i32> {
        let pid = self.process.id().with_context(|| format!("{} has ended", self.name))?;
        Ok(i32::try_from(pid)?)
    }

    /// What it has used so far; nothing where the system does not tell.
    pub(super) fn usage(&self) -> anyhow::Result<Option<Usage>> {
        usage(self.pid()?)
    }

    /// Ends it without a word to it.
    pub(super) async fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill().await.with_context(|| format!("{} cannot be killed", self.name))
    }

    /// Asks it to end, and waits until it has.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.pid()?.to_string()]).status().await?;
        anyhow::ensure!(asked.success(), "{} cannot be asked to end", self.name);
        let ended = timeout(END_WITHIN, self.process.wait()).await;
        let status = ended.with_context(|| format!("{} does not end", self.name))??;
        anyhow::ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }
}
