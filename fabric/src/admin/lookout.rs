//! What all processes do and what is stored, seen by one for all who ask.
//!
//! To see it, all processes are asked and every backlog is read, which may be of very many functions. Whoever asks
//! within a second, or four times as long as that took, gets the same ([`shared`]): it costs as much for a hundred who
//! watch as for one.

mod shared;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actors::port::broker::{Backlog, Error};
use actors::port::survey::Question;
use actors::view;
use futures_util::future::try_join_all;
use proto::{Function, LaneKey, Queue, Refusal};

use self::shared::Shared;
use crate::gateway::Ports;
use crate::gateway::refusal::{refusal, unless_away};

/// How long the processes have to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Those that were asked.
pub(super) struct Roll {
    /// How many were alive then, as far as was known here.
    pub(super) alive: usize,
    /// Those that answered.
    pub(super) processes: Vec<view::Process>,
    /// Those that were alive and did not answer in time, as they were when they last did.
    silent: Vec<view::Process>,
}

impl Roll {
    /// All of which anything is known: who is too busy to answer goes on with what he did.
    pub(super) fn known(&self) -> impl Iterator<Item = &view::Process> {
        self.processes.iter().chain(&self.silent)
    }
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
    /// The last one of which everybody was asked for all.
    last: Mutex<Option<Arc<Roll>>>,
}

impl Lookout {
    /// All processes as they are, of one lane only if that is asked for, which costs little; and all that is stored.
    pub(super) async fn look(&self, ports: &Ports, lane: Option<&LaneKey>) -> Result<(Arc<Roll>, Arc<Depot>), Refusal> {
        unless_away(&*ports.broker)?;
        let seen = tokio::try_join!(self.roll(ports, lane), self.0.depot.get(depot(ports)));
        seen.map_err(|error| refusal(error, 0))
    }

    async fn roll(&self, ports: &Ports, lane: Option<&LaneKey>) -> Result<Arc<Roll>, Error> {
        let call = async {
            let alive: Vec<String> = ports.membership.borrow().iter().map(|(id, _)| id.to_owned()).collect();
            let question = Question { lane: lane.cloned() };
            let processes = ports.survey.ask(&question, alive.len(), ANSWER_WITHIN).await?;
            let last = self.last().clone();
            let silent = last.as_deref().map(|last| silent(&alive, &processes, last)).unwrap_or_default();
            Ok(Arc::new(Roll { alive: alive.len(), processes, silent }))
        };
        if lane.is_some() {
            return call.await;
        }
        let roll = self.0.roll.get(call).await?;
        *self.last() = Some(roll.clone());
        Ok(roll)
    }

    fn last(&self) -> MutexGuard<'_, Option<Arc<Roll>>> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those alive that are not among `answered`, as they were in the `last` roll.
fn silent(alive: &[String], answered: &[view::Process], last: &Roll) -> Vec<view::Process> {
    let answered: HashSet<&str> = answered.iter().map(|it| it.id.as_str()).collect();
    let missing: HashSet<&str> = alive.iter().map(String::as_str).filter(|id| !answered.contains(id)).collect();
    last.known().filter(|it| missing.contains(it.id.as_str())).cloned().collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::tests::process;

    #[test]
    fn who_does_not_answer_is_as_he_was() {
        let ids = |processes: &[view::Process]| processes.iter().map(|it| it.id.clone()).collect::<Vec<_>>();
        let alive = ["a", "b", "c"].map(str::to_owned);
        let last = Roll {
            alive: 3,
            processes: vec![process("a", 1, None), process("gone", 1, None)],
            silent: vec![process("b", 1, None)],
        };
        let answered = vec![process("a", 2, None)];
        let silent = silent(&alive, &answered, &last);
        assert_eq!(ids(&silent), ["b"], "nothing is known of c, and the other has gone");
        let roll = Roll { alive: 3, processes: answered, silent };
        assert_eq!(roll.known().map(|it| it.fabric.permits).collect::<Vec<_>>(), [4, 4]);
    }
}
