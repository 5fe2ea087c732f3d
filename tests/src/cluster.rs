//! Three real nats-servers that keep everything three times.

use async_nats::jetstream;
use futures_util::StreamExt;
use tempfile::TempDir;

use crate::eventually;
use crate::nats::{free_port, server};
use crate::process::Process;

/// A cluster with JetStream.
pub struct Cluster {
    nodes: Vec<Node>,
    routes: String,
}

struct Node {
    process: Option<Process>,
    port: u16,
    route: u16,
    store: TempDir,
}

impl Cluster {
    /// Starts one, and waits until it can make streams.
    pub async fn start() -> Self {
        let node =
            || Node { process: None, port: free_port(), route: free_port(), store: tempfile::tempdir().unwrap() };
        let nodes: Vec<Node> = (0..3).map(|_| node()).collect();
        let routes = nodes.iter().map(|it| format!("nats://127.0.0.1:{}", it.route)).collect::<Vec<_>>().join(",");
        let mut cluster = Self { nodes, routes };
        (0..3).for_each(|index| cluster.restart(index));
        eventually(async || {
            let context = cluster.connect().await.map_err(|error| error.to_string())?;
            let config = jetstream::stream::Config { name: "PROBE".into(), num_replicas: 3, ..Default::default() };
            context.create_stream(config).await.map_err(|error| error.to_string())?;
            context.delete_stream("PROBE").await.map_err(|error| error.to_string())
        })
        .await;
        cluster
    }

    /// Where all of them listen.
    #[must_use]
    pub fn url(&self) -> String {
        self.nodes.iter().map(|it| format!("nats://127.0.0.1:{}", it.port)).collect::<Vec<_>>().join(",")
    }

    /// A connection of the test's own.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn connect(&self) -> Result<jetstream::Context, async_nats::ConnectError> {
        let url = self.url();
        Ok(jetstream::new(async_nats::connect(url.split(',').collect::<Vec<_>>()).await?))
    }

    /// What each node holds as the last message of a subject, and what the leader does: number and size.
    pub async fn last(&self, stream: &str, subject: &str) -> String {
        let mut lines = Vec::new();
        for node in &self.nodes {
            let context = jetstream::new(async_nats::connect(format!("127.0.0.1:{}", node.port)).await.unwrap());
            let stream = context.get_stream(stream).await.unwrap();
            let local = stream.direct_get_last_for_subject(subject).await.map(|it| (it.sequence, it.payload.len()));
            let leaders =
                stream.get_last_raw_message_by_subject(subject).await.map(|it| (it.sequence, it.payload.len()));
            let info = stream.cached_info().state.clone();
            lines.push(format!("{}: {local:?}, leader {leaders:?}, {info:?}", node.port));
        }
        lines.join("\n")
    }

    /// What its streams and consumers hold, for whoever has to find out what went wrong.
    pub async fn describe(&self) -> String {
        let context = self.connect().await.unwrap();
        let mut lines = Vec::new();
        let mut streams = context.streams();
        while let Some(info) = streams.next().await {
            let info = info.unwrap();
            lines.push(format!("{}: {} messages, {:?}", info.config.name, info.state.messages, info.cluster));
            let mut consumers = context.get_stream(&info.config.name).await.unwrap().consumers();
            while let Some(Ok(consumer)) = consumers.next().await {
                if consumer.num_pending > 0 || consumer.num_ack_pending > 0 {
                    lines.push(format!("  {consumer:?}"));
                }
            }
        }
        lines.join("\n")
    }

    /// Kills a node at once.
    pub fn kill9(&mut self, index: usize) {
        self.nodes[index].process.take().unwrap().kill9();
    }

    /// Starts a node, again perhaps, with the store it had.
    pub fn restart(&mut self, index: usize) {
        let Node { process, port, route, store } = &mut self.nodes[index];
        let mut command = server().unwrap();
        command.args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"]).arg(store.path());
        command.args(["--cluster_name", "tests", "--cluster", &format!("nats://127.0.0.1:{route}")]);
        command.args(["--routes", &self.routes, "--name", &format!("node-{index}")]);
        *process = Some(Process::start("nats-server", &mut command).unwrap());
    }

    /// Where this node listens.
    #[must_use]
    pub fn port(&self, index: usize) -> u16 {
        self.nodes[index].port
    }

    /// Sends a node a signal: `STOP` cuts it off without a word, `CONT` lets it return.
    pub fn signal(&self, index: usize, signal: &str) {
        self.nodes[index].process.as_ref().unwrap().signal(signal);
    }
}
