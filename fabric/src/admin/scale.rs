//! `/admin/v1/scale…`: how many replicas of a function, and how many workers, are enough for what there is to do.
//!
//! The arithmetic is in [`actors::demand`]. What is asked about by name is always answered with numbers, 0 among them: an
//! autoscaler that finds none does not scale from zero.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use actors::demand::{Demand, Facts, wanted};
use actors::directory::Directory;
use actors::meter::lines;
use actors::port::holdings::Whose;
use actors::view;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use proto::call::Guest;
use proto::{Function, LaneKey, Namespace, Queue, Refusal};
use serde::Serialize;
use tokio::sync::OnceCell;

use super::lookout::{Depot, Lookout};
use super::query::Query;
use crate::activity::{self, Activity};
use crate::gateway::answer::{self, Answer};
use crate::gateway::enqueue::refusal;
use crate::gateway::{Ports, own};
use crate::identity::Identity;

/// How many lanes the broker is asked about at once.
const AT_ONCE: usize = 16;
/// How many lanes of a queue are looked at for its oldest call: those in which most is runnable.
const AGED_MAX: usize = 200;

/// What a function needs.
#[derive(Serialize)]
struct OfFunction {
    queue: String,
    function: String,
    #[serde(flatten)]
    demand: Demand,
    /// Calls that wait for their time: retries and delayed ones.
    later: u64,
    /// How old the first call is that waits; 0 if none is runnable.
    oldest_runnable_seconds: f64,
    /// How many of its calls may run at once, if that is limited.
    limit: Option<NonZeroU32>,
    /// How many calls a replica takes at once.
    slots: NonZeroU32,
    /// How many replicas are enough for what runs and what could.
    replicas: u64,
}

/// What a queue needs.
#[derive(Serialize)]
struct OfQueue {
    queue: String,
    #[serde(flatten)]
    demand: Demand,
    /// Absent for whoever is limited to namespaces: it is everybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    later: Option<u64>,
    oldest_runnable_seconds: f64,
    /// How many workers serve it now.
    serving: usize,
    /// How many calls each of them runs at once, on average and rounded down; absent if there is none.
    permits: Option<NonZeroU32>,
    /// How many workers are enough for what runs and what could; one, if it is not known how much each takes.
    workers: u64,
}

#[derive(Serialize)]
struct Whole {
    queues: Vec<OfQueue>,
    /// Those that have something to do, the most demanding first.
    functions: Vec<OfFunction>,
    /// How many more there are.
    more: usize,
}

/// Queues and functions that have something to do, as far as whoever asks may know of them.
pub(super) async fn list(lookout: &Lookout, ports: &Ports, query: &str, by: &Identity) -> Result<Answer, Refusal> {
    let query = Query::read(query, &["limit"])?;
    let limit = query.page()?.limit;
    let scene = Scene::see(lookout, ports, None, by).await?;
    let queues: BTreeSet<&Queue> = scene.lanes.iter().map(|lane| &lane.key.queue).collect();
    let asked: Vec<_> = queues.into_iter().map(|queue| scene.of_queue(queue)).collect();
    let queues = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    let mut functions: Vec<&Lane> = scene.lanes.iter().filter(|lane| !lane.key.queue.is_callbacks()).collect();
    let more = functions.len().saturating_sub(limit);
    functions.truncate(limit);
    let asked: Vec<_> = functions.into_iter().map(|lane| scene.of_function(lane)).collect();
    let functions = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    let whole = Whole { queues, functions, more };
    Ok(answer::json(StatusCode::OK, &whole))
}

/// One function, whether it has anything to do or not.
pub(super) async fn function(lookout: &Lookout, ports: &Ports, name: &str, by: &Identity) -> Result<Answer, Refusal> {
    let function = own(Function::parse(name)?, by)?;
    let spec = ports.directory.borrow().guest(&function, &Guest::new());
    let queue = spec.ok_or_else(|| Refusal::UnknownFunction(function.clone()))?.queue.clone();
    let key = LaneKey::new(queue, function);
    let mut scene = Scene::see(lookout, ports, Some(&key), by).await?;
    let lane = scene.lanes.pop().unwrap_or_else(|| Lane::of(key, &scene.directory, &Activity::default()));
    Ok(answer::json(StatusCode::OK, &scene.of_function(&lane).await?))
}

/// One queue, whether it has anything to do or not.
pub(super) async fn queue(lookout: &Lookout, ports: &Ports, name: &str, by: &Identity) -> Result<Answer, Refusal> {
    let queue = Queue::parse(name)?;
    let scene = Scene::see(lookout, ports, None, by).await?;
    Ok(answer::json(StatusCode::OK, &scene.of_queue(&queue).await?))
}

/// A lane as it is now.
struct Lane {
    key: LaneKey,
    /// How many of its calls may run at once, by the narrowest limit.
    limit: Option<NonZeroU32>,
    slots: Option<NonZeroU32>,
    demand: Demand,
    /// How old its first call is that waits, once somebody has asked: its queue does, and so does whoever lists it.
    age: OnceCell<f64>,
}

impl Lane {
    fn of(key: LaneKey, directory: &Directory, seen: &Activity) -> Self {
        let spec = directory.guest(&key.function, &Guest::new()).filter(|_| !key.queue.is_callbacks());
        let namespace = directory.namespace(key.function.namespace()).filter(|_| spec.is_some());
        let own = spec.as_ref();
        let limits = [own.and_then(|it| it.concurrency), namespace.and_then(|it| it.concurrency)];
        let rates = [own.and_then(|it| it.rate), namespace.and_then(|it| it.rate)];
        let limit = limits.into_iter().flatten().min();
        let rates = rates.into_iter().flatten().map(|it| it.rate);
        let demand = Demand::of(&Facts {
            waiting: seen.backlog,
            in_flight: seen.in_flight as u64,
            paused: directory.is_paused(&key.queue) || own.is_some_and(|it| it.paused),
            limit,
            rate: rates.min_by(|a, b| a.per_second().total_cmp(&b.per_second())),
            typical_seconds: seen.typical_seconds,
        });
        Self { limit, slots: own.and_then(|it| it.slots), demand, key, age: OnceCell::new() }
    }
}

/// What there is to do, as far as whoever asks may know of it.
struct Scene<'a> {
    ports: &'a Ports,
    directory: Arc<Directory>,
    /// Those that have something to do, the most demanding first.
    lanes: Vec<Lane>,
    /// Whether whoever asks may know of everybody's.
    is_whole: bool,
    /// How many calls each worker runs at once that serves a queue.
    permits: HashMap<String, Vec<u32>>,
}

impl<'a> Scene<'a> {
    /// All of it, or one lane.
    async fn see(lookout: &Lookout, ports: &'a Ports, only: Option<&LaneKey>, by: &Identity) -> Result<Self, Refusal> {
        let directory = ports.directory.borrow().clone();
        let (roll, depot) = lookout.look(ports, only).await?;
        let mut lanes: Vec<Lane> = seen(&roll.processes, &depot, only, by)
            .into_iter()
            .map(|(key, seen)| Lane::of(key, &directory, &seen))
            .collect();
        lanes.sort_by_key(|lane| std::cmp::Reverse((lane.demand.at_once(), lane.key.to_string())));
        let mut permits = HashMap::<String, Vec<u32>>::new();
        for process in &roll.processes {
            for queue in &process.fabric.queues {
                permits.entry(queue.name.clone()).or_default().push(process.fabric.permits);
            }
        }
        let is_whole = by.namespaces().namespaces().is_none();
        if !is_whole {
            let theirs: HashSet<String> =
                directory.queues_of(by.namespaces()).iter().map(ToString::to_string).collect();
            permits.retain(|queue, _| theirs.contains(queue));
        }
        Ok(Self { ports, directory, lanes, is_whole, permits })
    }

    async fn of_function(&self, lane: &Lane) -> Result<OfFunction, Refusal> {
        let LaneKey { queue, function } = &lane.key;
        let later = self
            .ports
            .broker
            .scheduled_count(&Whose::Lane(lane.key.clone()))
            .await
            .map_err(|error| refusal(error, 0))?;
        let slots = lane.slots.unwrap_or(NonZeroU32::MIN);
        Ok(OfFunction {
            queue: queue.to_string(),
            function: function.to_string(),
            demand: lane.demand,
            later,
            oldest_runnable_seconds: self.age(lane).await?,
            limit: lane.limit,
            slots,
            replicas: wanted(lane.demand.at_once(), slots),
        })
    }

    async fn of_queue(&self, queue: &Queue) -> Result<OfQueue, Refusal> {
        let lanes = || self.lanes.iter().filter(|lane| lane.key.queue == *queue);
        // What a namespace may run at once is for its functions together.
        let mut shared = BTreeMap::<&Namespace, Demand>::new();
        for lane in lanes() {
            let sum = shared.entry(lane.key.function.namespace()).or_default();
            *sum = sum.and(lane.demand);
        }
        let limit = |of: &Namespace| self.directory.namespace(of)?.concurrency.filter(|_| !queue.is_callbacks());
        let kept = shared.into_iter().map(|(of, sum)| limit(of).map_or(sum, |limit| sum.within(limit)));
        let demand = kept.fold(Demand::default(), Demand::and);
        let asked: Vec<_> = lanes().take(AGED_MAX).map(|lane| self.age(lane)).collect();
        let ages: Vec<f64> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
        let oldest = ages.into_iter().fold(0.0, f64::max);
        let later = match self.is_whole {
            true => Some(
                self.ports
                    .broker
                    .scheduled_count(&Whose::Queue(queue.clone()))
                    .await
                    .map_err(|error| refusal(error, 0))?,
            ),
            false => None,
        };
        let serving = self.permits.get(queue.as_str()).map(Vec::as_slice).unwrap_or_default();
        let sum: u64 = serving.iter().map(|permits| u64::from(*permits)).sum();
        let each = sum.checked_div(serving.len() as u64).and_then(|each| NonZeroU32::new(u32::try_from(each).ok()?));
        Ok(OfQueue {
            queue: queue.to_string(),
            demand,
            later,
            oldest_runnable_seconds: oldest,
            serving: serving.len(),
            permits: each,
            workers: each.map_or(demand.at_once().min(1), |each| wanted(demand.at_once(), each)),
        })
    }

    /// How old the first call is that waits in a lane, if any of it is runnable.
    async fn age(&self, lane: &Lane) -> Result<f64, Refusal> {
        if lane.demand.runnable == 0 {
            return Ok(0.0);
        }
        lane.age.get_or_try_init(|| self.ask_age(lane)).await.copied()
    }

    async fn ask_age(&self, lane: &Lane) -> Result<f64, Refusal> {
        let line = self.ports.broker.line(&lane.key).await.map_err(|error| refusal(error, 0))?;
        let since = match &line.first {
            Some(first) => lines::since(&self.ports.recorder, first).await,
            None => None,
        };
        Ok(since.map_or(0.0, |since| self.ports.clock.now().since(since).as_secs_f64()))
    }
}

/// What runs and what waits in each lane that whoever asks may know of; what is stored counts, whatever workers know.
fn seen(processes: &[view::Process], depot: &Depot, only: Option<&LaneKey>, by: &Identity) -> Vec<(LaneKey, Activity)> {
    let stored = depot.stored.iter().map(|it| (it.queue.to_string(), it.function.to_string(), it.messages));
    let all = activity::with_stored(activity::of(processes), stored).into_iter();
    let named = all.filter_map(|it| {
        let key = LaneKey::new(Queue::parse(&it.queue).ok()?, Function::parse(&it.function).ok()?);
        let is_wanted = only.is_none_or(|only| *only == key) && by.sees(key.function.namespace());
        (is_wanted && (it.in_flight > 0 || it.backlog > 0)).then_some((key, it))
    });
    named.collect()
}
