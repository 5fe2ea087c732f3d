//! Where it is measured: the broker, and names that nobody else there has.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use async_nats::jetstream;
use async_nats::jetstream::stream::{Info, RetentionPolicy};
use futures_util::TryStreamExt;
use uuid::Uuid;

use super::Plan;
use super::function::Function;
use crate::jetstream::{Access, once};

/// What a measurement needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// A NATS server.
    Nats,
    /// A directory.
    Directory,
}

/// A NATS server, and who one is to it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) url: String,
    pub(super) access: Access,
}

/// Where it is measured.
pub(super) struct Place {
    broker: Option<(Server, jetstream::Context)>,
    data_dir: Option<PathBuf>,
    /// What all names of this run begin with.
    run: String,
    used: AtomicUsize,
    /// The function that is called.
    pub(super) function: Function,
    /// How many calls a rate is measured with.
    pub(super) calls: usize,
    /// How often a call is sent where latency is measured.
    pub(super) every: Duration,
}

impl Place {
    pub(super) async fn new(plan: &Plan) -> anyhow::Result<Self> {
        let broker = match &plan.broker {
            None => None,
            Some((access, url)) => {
                let client = once(url, access, "fabric bench").await?;
                let server = Server { url: url.clone(), access: access.clone() };
                Some((server, jetstream::new(client)))
            }
        };
        Ok(Self {
            broker,
            data_dir: plan.data_dir.clone(),
            run: run_name(),
            used: AtomicUsize::new(0),
            function: Function::start().await?,
            calls: plan.calls,
            every: Duration::from_secs(1) / plan.rate.get(),
        })
    }

    /// Whether it can be measured here.
    pub(super) fn has(&self, needs: Needs) -> bool {
        match needs {
            Needs::Nats => self.broker.is_some(),
            Needs::Directory => self.data_dir.is_some(),
        }
    }

    /// The NATS server.
    pub(super) fn server(&self) -> anyhow::Result<&Server> {
        self.broker.as_ref().map(|(server, _)| server).context("this is measured on a NATS server")
    }

    /// A name, or a prefix of names, that nothing has yet.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.run, self.used.fetch_add(1, Ordering::Relaxed))
    }

    /// A directory that is not there yet.
    pub(super) fn directory(&self) -> anyhow::Result<PathBuf> {
        Ok(self.data_dir.as_deref().context("this is measured in a directory")?.join(self.name()))
    }

    /// How many calls the NATS server has of this run.
    pub(super) async fn stored(&self) -> anyhow::Result<u64> {
        let (_, context) = self.broker.as_ref().context("calls are stored on a NATS server")?;
        let streams: Vec<_> = context.streams().try_collect().await?;
        let of_calls = |stream: &&Info| {
            stream.config.retention == RetentionPolicy::WorkQueue
                && self.marks().iter().any(|mark| stream.config.name.contains(mark))
        };
        Ok(streams.iter().filter(of_calls).map(|stream| stream.state.messages).sum())
    }

    /// By which what this run has made is known.
    fn marks(&self) -> [String; 2] {
        [self.run.clone(), self.run.to_ascii_uppercase()]
    }

    /// Removes what this run has made.
    pub(super) async fn clear(&self) -> anyhow::Result<()> {
        if let Some((_, context)) = &self.broker {
            let marks = self.marks();
            let names: Vec<String> = context.stream_names().try_collect().await?;
            for name in names.iter().filter(|name| marks.iter().any(|mark| name.contains(mark))) {
                context.delete_stream(name).await?;
            }
        }
        if let Some(dir) = &self.data_dir {
            remove_those_of(dir, &self.run)?;
        }
        Ok(())
    }
}

/// The last digits of a version 7 id are chance.
fn run_name() -> String {
    let id = Uuid::now_v7().simple().to_string();
    format!("bench-{}", id.get(id.len() - 8..).unwrap_or_default())
}

fn remove_those_of(dir: &Path, run: &str) -> anyhow::Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(run) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
