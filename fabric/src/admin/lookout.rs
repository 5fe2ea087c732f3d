//! What all processes do and what is stored, seen by one for all who ask.
//!
//! To see it, all processes are asked and every backlog is read, which may be of very many functions. Whoever asks
//! within a second, or four times as long as that took, gets the same ([`shared`]): it costs as much for a hundred who
//! watch as for one.

mod shared;

use std::sync::Arc;
use std::time::Duration;

use actors::port::broker::{Backlog, Error};
use actors::port::survey::Question;
use actors::view;
use futures_util::future::try_join_all;
use proto::{Function, LaneKey, Queue, Refusal};

use self::shared::Shared;
use crate::gateway::Ports;
use crate::gateway::enqueue::refusal;

/// How long the processes have to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Those that were asked.
pub(super) struct Roll {
    /// How many were alive then, as far as was known here.
    pub(super) alive: usize,
    /// Those that answered.
    pub(super) processes: Vec<view::Process>,
}

/// What is stored in a queue of a function.
pub(super) struct Stored {
    pub(super) queue: Queue,
    pub(super) function: Function,
    pub(super) messages: u64,
}

/// All that is stored, and how many dead letters there are.
pub(super) struct Depot {
    pub(super) queues: Vec<Queue>,
    pub(super) stored: Vec<Stored>,
    pub(super) dead_letters: u64,
}

/// Looks; clones share what they see.
#[derive(Clone, Default)]
pub(super) struct Lookout(Arc<Seen>);

#[derive(Default)]
struct Seen {
    depot: Shared<Arc<Depot>>,
    roll: Shared<Arc<Roll>>,
}

impl Lookout {
    /// All processes as they are, of one lane only if that is asked for, which costs little; and all that is stored.
    pub(super) async fn look(&self, ports: &Ports, lane: Option<&LaneKey>) -> Result<(Arc<Roll>, Arc<Depot>), Refusal> {
        let seen = tokio::try_join!(self.roll(ports, lane), self.0.depot.get(depot(ports)));
        seen.map_err(|error| refusal(error, 0))
    }

    async fn roll(&self, ports: &Ports, lane: Option<&LaneKey>) -> Result<Arc<Roll>, Error> {
        let call = async {
            let alive = ports.membership.borrow().iter().count();
            let question = Question { lane: lane.cloned() };
            let processes = ports.survey.ask(&question, alive, ANSWER_WITHIN).await?;
            Ok(Arc::new(Roll { alive, processes }))
        };
        if lane.is_none() { self.0.roll.get(call).await } else { call.await }
    }
}

async fn depot(ports: &Ports) -> Result<Arc<Depot>, Error> {
    let mut queues = ports.directory.borrow().queues();
    queues.extend([Queue::default(), Queue::callbacks()]);
    let backlogs = try_join_all(queues.iter().map(|queue| ports.broker.backlog(queue)));
    let (backlogs, dead_letters) = tokio::try_join!(backlogs, ports.broker.dead_count())?;
    let stored = queues.iter().zip(backlogs).flat_map(|(queue, backlog)| {
        let in_queue = |it: Backlog| Stored { queue: queue.clone(), function: it.function, messages: it.messages };
        backlog.into_iter().map(in_queue)
    });
    let stored = stored.collect();
    Ok(Arc::new(Depot { queues: queues.into_iter().collect(), stored, dead_letters }))
}
