//! How many calls of a namespace wait or run, and how many of a function wait for their time, where only so many may.
//!
//! The broker is asked for it once a second at the most, and only while such calls come in; what every
//! gateway has accepted since is taken to be what this one has. So the quota is exact for one gateway. Several may go
//! over it by what the others accept within a second and this one does not know of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors::directory::Directory;
use actors::port::holdings::Whose;
use futures_util::future::try_join_all;
use proto::key::Reach;
use proto::{LaneKey, Namespace, Refusal};
use tokio::time::Instant;

use super::Ports;
use super::refusal::refusal;

/// How long a count holds.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Of what only so many may be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    /// All calls of a namespace that have not ended.
    Namespace(Namespace),
    /// Calls of a function that wait for their time: its lane, which the broker bounds, has none of them yet.
    Later(LaneKey),
}

/// What is known of each that has a quota; clones share it.
#[derive(Clone, Default)]
pub(super) struct Backlogs(Arc<Mutex<HashMap<Scope, Arc<Backlog>>>>);

#[derive(Default)]
struct Backlog {
    known: Mutex<Option<Known>>,
    /// One count at a time.
    counting: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// How many there were.
    count: u64,
    at: Instant,
    /// How many were accepted here since.
    accepted: u64,
}

impl Backlogs {
    /// Counts one more call, or says that there is no room for it.
    pub(super) async fn admit(
        &self,
        ports: &Ports,
        directory: &Directory,
        scope: &Scope,
        quota: u64,
    ) -> Result<(), Refusal> {
        let backlog = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(scope.clone()).or_default().clone()
        };
        let gateways = u64::from(ports.membership.borrow().part_of_gateways().of);
        if let Some(has_room) = backlog.take(quota, gateways) {
            return if has_room { Ok(()) } else { Err(full(scope)) };
        }
        let _counting = backlog.counting.lock().await;
        if let Some(has_room) = backlog.take(quota, gateways) {
            return if has_room { Ok(()) } else { Err(full(scope)) };
        }
        let at = Instant::now();
        let count = count(ports, directory, scope).await?;
        *backlog.known() = Some(Known { count, at, accepted: 0 });
        match backlog.take(quota, gateways) {
            Some(false) => Err(full(scope)),
            // To count took longer than the count holds: the next call asks anew.
            Some(true) | None => Ok(()),
        }
    }
}

impl Backlog {
    fn known(&self) -> std::sync::MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place, if there is one; nothing if it is not known whether there is.
    fn take(&self, quota: u64, gateways: u64) -> Option<bool> {
        let mut known = self.known();
        let known = known.as_mut().filter(|known| known.at.elapsed() < COUNT_EVERY)?;
        let has_room = known.count.saturating_add(known.accepted.saturating_mul(gateways)) < quota;
        known.accepted += u64::from(has_room);
        Some(has_room)
    }
}

fn full(scope: &Scope) -> Refusal {
    let scope = match scope {
        Scope::Namespace(namespace) => format!("namespace {namespace}"),
        Scope::Later(lane) => format!("function {}", lane.function),
    };
    Refusal::BacklogFull { scope }
}

async fn count(ports: &Ports, directory: &Directory, scope: &Scope) -> Result<u64, Refusal> {
    let later = match scope {
        Scope::Namespace(namespace) => Whose::Namespace(namespace.clone()),
        Scope::Later(lane) => Whose::Lane(lane.clone()),
    };
    let later = ports.broker.scheduled_count(&later).await.map_err(|error| refusal(error, 0))?;
    let Scope::Namespace(namespace) = scope else { return Ok(later) };
    let queues = directory.queues_of(&Reach::Namespaces([namespace.clone()].into()));
    let backlogs = try_join_all(queues.iter().map(|queue| ports.broker.backlog(queue))).await;
    let backlogs = backlogs.map_err(|error| refusal(error, 0))?;
    let own = backlogs.iter().flatten().filter(|it| it.function.namespace() == namespace);
    Ok(later + own.map(|it| it.messages).sum::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(count: u64) -> Backlog {
        let known = Known { count, at: Instant::now(), accepted: 0 };
        Backlog { known: Mutex::new(Some(known)), ..Backlog::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_given_away_once() {
        let taken = |count, gateways| {
            let backlog = known(count);
            (0..100).filter(|_| backlog.take(10, gateways) == Some(true)).count()
        };
        assert_eq!((taken(0, 1), taken(7, 1), taken(10, 1), taken(12, 1)), (10, 3, 0, 0));
        assert_eq!((taken(0, 2), taken(7, 3)), (5, 1), "others accept as much meanwhile");
    }

    #[tokio::test(start_paused = true)]
    async fn a_count_holds_for_a_second() {
        let backlog = known(10);
        assert_eq!(backlog.take(10, 1), Some(false));
        tokio::time::advance(COUNT_EVERY).await;
        assert_eq!(backlog.take(10, 1), None);
        assert_eq!(Backlog::default().take(10, 1), None);
    }
}
