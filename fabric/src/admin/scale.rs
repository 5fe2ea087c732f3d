//! `/admin/v1/scale…`: how many replicas of a function, and how many workers, are enough for what there is to do.
//!
//! The arithmetic is in [`actors::demand`]. What is asked about by name is always answered with numbers, 0 among them: an
//! autoscaler that finds none does not scale from zero.

mod scene;
mod workforce;

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use actors::demand::{Demand, wanted};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use proto::call::Guest;
use proto::{Function, LaneKey, Queue, Refusal};
use serde::Serialize;

use self::scene::{Lane, Scene};
use super::lookout::Lookout;
use super::query::Query;
use crate::gateway::answer::{self, Answer};
use crate::gateway::{Ports, own};
use crate::identity::Identity;

/// How many lanes the broker is asked about at once.
const AT_ONCE: usize = 16;

/// What a function needs.
#[derive(Serialize)]
struct OfFunction {
    queue: String,
    function: String,
    #[serde(flatten)]
    demand: Demand,
    /// Calls that wait for their time: retries and delayed ones, those among them that count as runnable included.
    later: u64,
    /// How old the first call is that lies in its lane; 0 if none there is runnable.
    oldest_runnable_seconds: f64,
    /// How many of its calls may run at once, if that is limited.
    limit: Option<NonZeroU32>,
    /// How many calls a replica takes at once.
    slots: NonZeroU32,
    /// How many replicas are enough for what runs and what could.
    replicas: u64,
}

/// What one queue, or several together, need.
#[derive(Serialize)]
struct Needs {
    #[serde(flatten)]
    demand: Demand,
    /// Absent for whoever is limited to namespaces: it is everybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    later: Option<u64>,
    oldest_runnable_seconds: f64,
    /// How many workers serve them now.
    serving: usize,
    /// How many of their calls each of those runs at once, on average and rounded down; absent if there is none.
    permits: Option<NonZeroU32>,
    /// How many workers are enough for what runs and what could; one, if it is not known how much each takes.
    workers: u64,
}

#[derive(Serialize)]
struct OfQueue {
    queue: String,
    #[serde(flatten)]
    needs: Needs,
}

#[derive(Serialize)]
struct OfWorkers {
    /// Those that were asked about; none if it is all of them.
    queues: Vec<String>,
    #[serde(flatten)]
    needs: Needs,
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
    let asked: Vec<_> = queues.into_iter().map(|queue| of_queue(&scene, queue)).collect();
    let queues = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    let mut functions: Vec<&Lane> = scene.lanes.iter().filter(|lane| !lane.key.queue.is_callbacks()).collect();
    let more = functions.len().saturating_sub(limit);
    functions.truncate(limit);
    let asked: Vec<_> = functions.into_iter().map(|lane| of_function(&scene, lane)).collect();
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
    let lane = scene.lanes.pop().unwrap_or_else(|| Lane::idle(key, &scene.directory));
    Ok(answer::json(StatusCode::OK, &of_function(&scene, &lane).await?))
}

/// One queue, whether it has anything to do or not; but not one that nobody names.
pub(super) async fn queue(lookout: &Lookout, ports: &Ports, name: &str, by: &Identity) -> Result<Answer, Refusal> {
    let queue = Queue::parse(name)?;
    let scene = Scene::see(lookout, ports, None, by).await?;
    if !scene.names(&queue) {
        return Err(Refusal::UnknownQueue(queue));
    }
    Ok(answer::json(StatusCode::OK, &of_queue(&scene, &queue).await?))
}

/// Workers that serve some queues, or all. That nobody names one yet is no mistake: who scales workers from zero asks
/// about their queues before there are any.
pub(super) async fn workers(lookout: &Lookout, ports: &Ports, query: &str, by: &Identity) -> Result<Answer, Refusal> {
    let query = Query::read(query, &["queues"])?;
    let named = query.get("queues").map(|names| names.split(',').map(Queue::parse).collect::<Result<BTreeSet<_>, _>>());
    let named = named.transpose()?;
    let scene = Scene::see(lookout, ports, None, by).await?;
    let needs = of_queues(&scene, named.as_ref()).await?;
    let queues = named.iter().flatten().map(ToString::to_string).collect();
    Ok(answer::json(StatusCode::OK, &OfWorkers { queues, needs }))
}

async fn of_function(scene: &Scene<'_>, lane: &Lane) -> Result<OfFunction, Refusal> {
    let LaneKey { queue, function } = &lane.key;
    let (slots, later) = (lane.slots.unwrap_or(NonZeroU32::MIN), scene.later_of(&lane.key).await?);
    let demand = lane.with_turned_away(later);
    Ok(OfFunction {
        queue: queue.to_string(),
        function: function.to_string(),
        demand,
        later,
        oldest_runnable_seconds: scene.age(lane).await?,
        limit: lane.limit,
        slots,
        replicas: wanted(demand.at_once(), slots),
    })
}

async fn of_queue(scene: &Scene<'_>, queue: &Queue) -> Result<OfQueue, Refusal> {
    let needs = of_queues(scene, Some(&[queue.clone()].into())).await?;
    Ok(OfQueue { queue: queue.to_string(), needs })
}

/// Of some queues together, or of all.
async fn of_queues(scene: &Scene<'_>, queues: Option<&BTreeSet<Queue>>) -> Result<Needs, Refusal> {
    let demand = scene.demand(queues);
    let oldest = if demand.runnable > 0 { scene.oldest(queues).await? } else { 0.0 };
    let later = scene.later(queues).await?;
    let staff = scene.staff(queues)?;
    Ok(Needs {
        demand,
        later,
        oldest_runnable_seconds: oldest,
        serving: staff.serving,
        permits: staff.each,
        workers: staff.each.map_or(demand.at_once().min(1), |each| wanted(demand.at_once(), each)),
    })
}
