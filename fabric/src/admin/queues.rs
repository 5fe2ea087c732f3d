//! `/admin/v1/queues…`: what is set for each queue.

use std::sync::Arc;
use std::time::Duration;

use actors::directory::Directory;
use actors::port::Control;
use actors::port::control::{Expected, Key, Record};
use bytes::Bytes;
use http::{Method, StatusCode};
use proto::queue::{QueueSpec, Settings};
use proto::{Queue, Refusal};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::gateway::answer::{self, Answer};
use crate::gateway::system::unchanged;

/// How long a change may take to reach this process before it is answered all the same.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

/// The queues of the fabric.
#[derive(Clone)]
pub(super) struct Queues {
    control: Arc<dyn Control>,
    directory: watch::Receiver<Arc<Directory>>,
}

impl Queues {
    pub(super) fn new(control: Arc<dyn Control>, directory: watch::Receiver<Arc<Directory>>) -> Self {
        Self { control, directory }
    }

    /// A request for what comes after `/admin/v1/queues`.
    pub(super) async fn handle(&self, method: &Method, path: &str, body: Bytes) -> Result<Answer, Refusal> {
        let name = path.trim_start_matches('/');
        match *method {
            Method::GET if name.is_empty() => Ok(self.list()),
            Method::GET => self.show(&Queue::parse(name)?),
            Method::PUT => self.set(name, &body).await,
            Method::DELETE => self.reset(Queue::parse(name)?).await,
            _ => Err(Refusal::Method { allow: "GET, PUT, DELETE" }),
        }
    }

    /// Every queue that a function names or that something is set for.
    fn list(&self) -> Answer {
        let directory = self.directory.borrow().clone();
        let mut queues = directory.queues();
        queues.extend([Queue::default(), Queue::callbacks()]);
        queues.extend(directory.set_queues().map(|spec| spec.queue.clone()));
        let settings: Vec<Settings> = queues.iter().map(|queue| settings(&directory, queue)).collect();
        answer::json(StatusCode::OK, &settings)
    }

    fn show(&self, queue: &Queue) -> Result<Answer, Refusal> {
        Ok(answer::json(StatusCode::OK, &settings(&self.directory.borrow().clone(), queue)))
    }

    async fn set(&self, name: &str, body: &[u8]) -> Result<Answer, Refusal> {
        let mut settings: Settings = serde_json::from_slice(body)
            .map_err(|error| Refusal::Malformed(format!("the body is not what is set for a queue: {error}")))?;
        if !settings.name.is_empty() && settings.name != name {
            return Err(Refusal::Malformed(format!("the path names {name}, the body {}", settings.name)));
        }
        settings.name = name.into();
        let spec = QueueSpec::compile(settings)?;
        let record = Record::Queue(spec.queue.clone(), Box::new(spec.settings.clone()));
        self.control.put(record, Expected::Whatever).await.map_err(unchanged)?;
        let mut directory = self.directory.clone();
        // A script that goes on at once should find what it has just written; other processes follow by themselves.
        let seen = directory.wait_for(|it| settings_of(it, &spec.queue) == Some(&spec.settings));
        drop(timeout(SEEN_WITHIN, seen).await);
        Ok(answer::empty(StatusCode::ACCEPTED))
    }

    async fn reset(&self, queue: Queue) -> Result<Answer, Refusal> {
        self.control.delete(&Key::Queue(queue.clone()), Expected::Whatever).await.map_err(unchanged)?;
        let mut directory = self.directory.clone();
        drop(timeout(SEEN_WITHIN, directory.wait_for(|it| settings_of(it, &queue).is_none())).await);
        Ok(answer::empty(StatusCode::ACCEPTED))
    }
}

fn settings_of<'a>(directory: &'a Directory, queue: &Queue) -> Option<&'a Settings> {
    directory.queue(queue).map(|spec| &spec.settings)
}

fn settings(directory: &Directory, queue: &Queue) -> Settings {
    let bare = || Settings { name: queue.to_string(), ..Settings::default() };
    settings_of(directory, queue).cloned().unwrap_or_else(bare)
}
