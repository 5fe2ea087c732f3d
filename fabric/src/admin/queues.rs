//! `/admin/v1/queues…`: what is set for each queue, its pause, and its purge.

use actors::port::control::{Key, Record};
use actors::purge::{Order, Purger};
use http::{HeaderMap, StatusCode};
use proto::queue::{QueueSpec, Settings};
use proto::{Function, Queue, Refusal, annotation};
use serde::Serialize;
use serde_json::{Value, json};

use super::query::{List, Query};
use super::registry::{self, Registry, object, show, status_of};
use crate::gateway::answer::{self, Answer};
use crate::gateway::refusal::refusal;
use crate::identity::Identity;

/// How many calls a purge cancels at the most, unless the query says otherwise.
const PURGE_MAX: u64 = 10_000;

/// A queue as the API shows it.
#[derive(Serialize)]
struct View<'a> {
    #[serde(flatten)]
    settings: &'a Settings,
    /// Calls that wait in it or run, retries and delayed calls aside.
    calls: u64,
}

/// The queues of the fabric.
#[derive(Clone)]
pub(super) struct Queues {
    pub(super) registry: Registry,
    pub(super) purger: Purger,
}

impl Queues {
    /// Every queue that a function names or that something is set for; of whoever is limited to namespaces, those that
    /// his functions name.
    pub(super) fn list(&self, query: &str, by: &Identity) -> Result<Answer, Refusal> {
        let query = Query::read(query, &["limit", "cursor"])?;
        let directory = self.registry.directory()?;
        let mut queues = directory.queues_of(by.namespaces());
        queues.extend([Queue::default(), Queue::callbacks()]);
        if by.namespaces().namespaces().is_none() {
            queues.extend(directory.set_queues().map(|spec| spec.queue.clone()));
        }
        let set = |queue: &Queue| directory.queue(queue).map(|spec| spec.settings.clone());
        let all = queues.iter().map(|queue| set(queue).unwrap_or_else(|| bare(queue)));
        Ok(answer::json(StatusCode::OK, &List::of_names(all, &query.page()?, |it| it.name.clone())))
    }

    pub(super) async fn get(&self, name: &str, by: &Identity) -> Result<Answer, Refusal> {
        let queue = Queue::parse(name)?;
        let is_common = queue == Queue::default() || queue.is_callbacks();
        let is_his = is_common || self.registry.directory()?.queues_of(by.namespaces()).contains(&queue);
        if by.namespaces().namespaces().is_some() && !is_his {
            // As one that nobody uses.
            return Ok(show(StatusCode::OK, View { settings: &bare(&queue), calls: 0 }, None));
        }
        match self.registry.get(&Key::Queue(queue.clone())).await? {
            Some((Record::Queue(_, settings), revision)) => {
                self.shown(StatusCode::OK, &queue, &settings, Some(revision), by).await
            }
            _ => self.shown(StatusCode::OK, &queue, &bare(&queue), None, by).await,
        }
    }

    pub(super) async fn put(
        &self,
        name: &str,
        headers: &HeaderMap,
        body: &[u8],
        by: &Identity,
    ) -> Result<Answer, Refusal> {
        let mut body = object(body, &["name", "annotations", "calls"])?;
        // What was read can be written again.
        body.remove("calls");
        registry::named(&mut body, "name", name)?;
        let spec = QueueSpec::compile(registry::read(body)?)?;
        let record = Record::Queue(spec.queue.clone(), Box::new(spec.settings.clone()));
        let (is_new, revision) = self.registry.put(by, record, headers).await?;
        self.set(&spec.queue, &spec.settings).await;
        self.shown(status_of(is_new), &spec.queue, &spec.settings, Some(revision), by).await
    }

    /// Nothing is set for it any more; its calls stay.
    pub(super) async fn delete(&self, name: &str, headers: &HeaderMap, by: &Identity) -> Result<Answer, Refusal> {
        let queue = Queue::parse(name)?;
        self.registry.delete(by, &Key::Queue(queue.clone()), headers).await?;
        self.registry.seen(|it| it.queue(&queue).is_none()).await;
        Ok(answer::empty(StatusCode::NO_CONTENT))
    }

    /// Holds all its calls back, or no longer; those that run go on.
    pub(super) async fn pause(
        &self,
        name: &str,
        headers: &HeaderMap,
        is_paused: bool,
        by: &Identity,
    ) -> Result<Answer, Refusal> {
        let queue = Queue::parse(name)?;
        let edit = |found| {
            let mut settings = match found {
                Some(Record::Queue(_, settings)) => settings,
                _ => Box::new(bare(&queue)),
            };
            match is_paused {
                true => drop(settings.annotations.insert(annotation::PAUSED.into(), "true".into())),
                false => drop(settings.annotations.remove(annotation::PAUSED)),
            }
            Ok(Record::Queue(queue.clone(), settings))
        };
        let (record, revision) = self.registry.edit(by, &Key::Queue(queue.clone()), headers, edit).await?;
        let settings = if let Record::Queue(_, settings) = record { *settings } else { bare(&queue) };
        self.set(&queue, &settings).await;
        self.shown(StatusCode::OK, &queue, &settings, Some(revision), by).await
    }

    /// Cancels what waits in it.
    pub(super) async fn purge(&self, name: &str, query: &str, by: &Identity) -> Result<Answer, Refusal> {
        let queue = Queue::parse(name)?;
        let query = Query::read(query, &["confirm", "function", "dry_run", "max"])?;
        let dry_run = query.flag("dry_run")?;
        if !dry_run && query.get("confirm") != Some(name) {
            let why = format!("this cancels every call that waits in queue {name}: say so with ?confirm={name}");
            return Err(Refusal::Malformed(why));
        }
        if queue.is_callbacks() {
            let why =
                "callbacks are not purged: what they tell would be lost; a host's limit or a pause holds them back";
            return Err(Refusal::Malformed(why.into()));
        }
        let function = query.get("function").map(Function::parse).transpose()?;
        let count_max = query.parse("max", "a whole number", |it| it.parse().ok())?.unwrap_or(PURGE_MAX);
        let order = Order { queue, function, dry_run, count_max };
        let tally = self.purger.purge(&order).await.map_err(|error| refusal(error, 0))?;
        if !dry_run {
            tracing::info!(?order, done = tally.done, left = tally.left, "a queue was purged");
            let audit = self.registry.records.audit();
            let after = json!({"cancelled": tally.done, "left": tally.left});
            let what = match &order.function {
                Some(function) => format!("purge queue {name} of function {function}"),
                None => format!("purge queue {name}"),
            };
            audit.tell(by, &what, &Value::Null, &after).await;
        }
        Ok(answer::json(StatusCode::OK, &tally))
    }

    async fn shown(
        &self,
        status: StatusCode,
        queue: &Queue,
        settings: &Settings,
        revision: Option<u64>,
        by: &Identity,
    ) -> Result<Answer, Refusal> {
        let backlog = self.purger.canceller.broker.backlog(queue).await.map_err(|error| refusal(error, 0))?;
        let own = backlog.iter().filter(|backlog| by.sees(backlog.function.namespace()));
        let calls = own.map(|backlog| backlog.messages).sum();
        Ok(show(status, View { settings, calls }, revision))
    }

    async fn set(&self, queue: &Queue, settings: &Settings) {
        self.registry.seen(|it| it.queue(queue).is_some_and(|seen| seen.settings == *settings)).await;
    }
}

fn bare(queue: &Queue) -> Settings {
    Settings { name: queue.to_string(), ..Settings::default() }
}
