//! Deleting a function: its calls run out, or go to the dead letters, and then its record goes.
//!
//! Whoever deletes a function writes that on its record (`Deployment::deleting`) and no more. Gateways take no calls of
//! it from then on; workers go on with those there are, or bury them; and when none is left, a worker removes the record.
//! So it survives every restart, and to register the function again takes it back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proto::deployment::Removal;
use proto::{Function, FunctionSpec, LaneKey, Queue, codec};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::directory::Directory;
use crate::membership::Membership;
use crate::port::broker::{Error, Message};
use crate::port::control::{self, Expected, Key, Record};
use crate::port::holdings::Held;
use crate::port::{Broker, Control};

/// How long a function is looked after at least: a gateway may have been about to store a call.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
/// How often to look at a function: at first, and at one that takes long.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_EVERY_LATER: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(60);
/// How often nothing must be found in a row: what moves from one place to another may be missed once.
const EMPTY_TIMES: u32 = 2;
/// Messages read at once.
const PAGE: usize = 256;

/// What looks after the functions that are being deleted.
pub struct Remover {
    broker: Arc<dyn Broker>,
    control: Arc<dyn Control>,
    directory: watch::Receiver<Arc<Directory>>,
    membership: watch::Receiver<Arc<Membership>>,
    known: BTreeMap<Function, Known>,
}

/// What is known of one of them.
#[derive(Clone)]
struct Known {
    since: Instant,
    /// How often in a row nothing of it was found.
    empty: u32,
    /// When to look again.
    next: Instant,
    /// What says so, if that can be read: one that was written anew is another deletion.
    spec: Option<Arc<FunctionSpec>>,
}

impl Known {
    fn new(now: Instant, spec: Option<Arc<FunctionSpec>>) -> Self {
        Self { since: now, empty: 0, next: now, spec }
    }

    fn is_of(&self, spec: Option<&Arc<FunctionSpec>>) -> bool {
        match (&self.spec, spec) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    fn looked(self, is_left: bool, now: Instant) -> Self {
        let every = if now - self.since > LATER { LOOK_EVERY_LATER } else { LOOK_EVERY };
        Self { empty: if is_left { 0 } else { self.empty + 1 }, next: now + every, ..self }
    }
}

impl Remover {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new(
        broker: Arc<dyn Broker>,
        control: Arc<dyn Control>,
        directory: watch::Receiver<Arc<Directory>>,
        membership: watch::Receiver<Arc<Membership>>,
    ) -> Self {
        Self { broker, control, directory, membership, known: BTreeMap::new() }
    }

    /// Looks again and again, for as long as there is anybody who changes the directory.
    pub async fn keep_looking(mut self) {
        while self.directory.wait_for(|directory| !directory.leaving().is_empty()).await.is_ok() {
            // One worker does it for all; a second, for as long as they do not know of each other, does no harm.
            let is_ours = self.membership.borrow().is_first_worker();
            if is_ours && let Err(error) = self.look().await {
                tracing::warn!(%error, "what is left of deleted functions cannot be found out");
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Looks at each of them whose time it is.
    async fn look(&mut self) -> Result<(), Error> {
        let (now, directory) = (Instant::now(), self.directory.borrow().clone());
        self.known.retain(|function, _| directory.leaving().contains_key(function));
        let known = |function| {
            let spec = directory.get(function);
            let known = self.known.get(function).filter(|known| known.is_of(spec)).cloned();
            known.unwrap_or_else(|| Known::new(now, spec.cloned()))
        };
        let all: Vec<_> = directory.leaving().iter().map(|(it, removal)| (it.clone(), *removal, known(it))).collect();
        let due: Vec<_> = all.into_iter().filter(|(_, _, known)| known.next <= now).collect();
        if due.is_empty() {
            return Ok(());
        }
        // A function may have left calls in a queue that it had before, and that nobody names any more.
        let mut queues = self.broker.queues().await?;
        queues.remove(&Queue::callbacks());
        for (function, removal, known) in due {
            let is_left = self.is_left(&function, &queues, removal).await.unwrap_or_else(|error| {
                tracing::warn!(%function, %error, "what is left of a function's calls cannot be found out");
                true
            });
            let known = known.looked(is_left, now);
            self.known.insert(function.clone(), known.clone());
            if known.empty >= EMPTY_TIMES && known.since.elapsed() >= SETTLED_AFTER {
                match self.finish(&function).await {
                    // Deleted anew, it is looked after anew.
                    Ok(()) => drop(self.known.remove(&function)),
                    Err(error) => tracing::warn!(%function, %error, "a function without calls cannot be removed yet"),
                }
            }
        }
        Ok(())
    }

    /// Whether any call of a function is left. What is to be buried is moved to where that is done.
    async fn is_left(&self, function: &Function, queues: &BTreeSet<Queue>, removal: Removal) -> Result<bool, Error> {
        let most = if removal == Removal::DeadLetter { PAGE } else { 1 };
        for queue in queues {
            // A retry goes from its lane to the schedules, and comes from there.
            let scheduled = self.broker.scheduled(queue, Some(function), 0, most).await?;
            if !scheduled.is_empty() {
                if removal == Removal::DeadLetter {
                    self.bring_forward(scheduled).await?;
                }
                return Ok(true);
            }
            let lane = LaneKey::new(queue.clone(), function.clone());
            if !self.broker.ready(&lane, 0, 1).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Moves what waits for its time to its lane, as if that had come. Stopped in between, it lies in both, as one message.
    async fn bring_forward(&self, scheduled: Vec<Held>) -> Result<(), Error> {
        for Held { lane, id, payload, .. } in scheduled {
            // Somebody may want the function again by now, and what is delayed to stay so.
            if !self.directory.borrow().buries(&lane.function) {
                return Ok(());
            }
            let payload = match payload.read().await {
                Ok(payload) => payload,
                Err(error) if error.is_transient() => return Err(error),
                // It is buried as what it is when its time has come.
                Err(error) => {
                    tracing::warn!(%lane, message = id, %error, "a scheduled message cannot be read");
                    continue;
                }
            };
            let Ok(call) = codec::decode(&payload) else { continue };
            match self.broker.publish(Message { lane: lane.clone(), id, payload }).await {
                Err(Error::Full { .. }) => return Ok(()),
                stored => drop(stored?),
            }
            self.broker.unschedule(&lane, &call.schedule_id()).await?;
        }
        Ok(())
    }

    /// Removes the record, unless somebody has changed it: then the function is wanted again, or another worker was
    /// quicker.
    async fn finish(&self, function: &Function) -> Result<(), Error> {
        let key = Key::Function(function.clone());
        let found = match self.control.get(&key).await {
            // Somebody wrote it anew, and may do so again.
            Err(control::Error::Unreadable { .. } | control::Error::Conflict { .. }) => return Ok(()),
            Err(control::Error::Broker(error)) => return Err(error),
            Ok(found) => found,
        };
        let Some((Record::Function(_, deployment), revision)) = found else { return Ok(()) };
        if deployment.deleting.is_none() {
            return Ok(());
        }
        match self.control.delete(&key, Expected::Revision(revision)).await {
            Ok(true) => tracing::info!(%function, "deleted: none of its calls is left"),
            Ok(false) | Err(control::Error::Conflict { .. } | control::Error::Unreadable { .. }) => {}
            Err(control::Error::Broker(error)) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proto::{Call, CallId, Request};
    use tokio::task::JoinSet;

    use super::*;
    use crate::call::plan::message;
    use crate::membership::{Member, Serves};
    use crate::memory::{Memory, Settings, SteadyClock};
    use crate::port::{Clock, Holdings};

    /// A fabric in which `f` is being deleted, and whether it still has a record.
    struct World {
        memory: Memory,
        clock: SteadyClock,
        directory: watch::Sender<Arc<Directory>>,
        tasks: JoinSet<()>,
    }

    impl World {
        async fn deleting(removal: Option<Removal>) -> Self {
            let clock = SteadyClock::default();
            let memory = Memory::new(Settings::default(), Arc::new(clock));
            let mut world = Self { memory, clock, directory: watch::Sender::default(), tasks: JoinSet::new() };
            world.set(removal).await;
            let worker = Member { serves: Serves::Everything, ..Member::default() };
            let remover = Remover::new(
                Arc::new(world.memory.clone()),
                Arc::new(world.memory.clone()),
                world.directory.subscribe(),
                watch::Sender::new(Arc::new(Membership::alone("a", worker))).subscribe(),
            );
            world.tasks.spawn(remover.keep_looking());
            world
        }

        async fn set(&self, deleting: Option<Removal>) {
            let mut spec = FunctionSpec::at(&f(), "http://f").unwrap();
            spec.deployment.deleting = deleting;
            self.memory.put((&spec).into(), Expected::Whatever).await.unwrap();
            let mut directory = Directory::default();
            directory.insert(Arc::new(spec));
            self.directory.send_replace(Arc::new(directory));
        }

        /// A call, whose time comes in an hour.
        async fn delayed(&self) -> LaneKey {
            self.delayed_in(Queue::default()).await
        }

        async fn delayed_in(&self, queue: Queue) -> LaneKey {
            let (id, lane) = (CallId::parse("c").unwrap(), LaneKey::new(queue, f()));
            let call = Call::new(id.clone(), f(), self.clock.now(), Request::default());
            let due = self.clock.now().after(Duration::from_secs(3600));
            self.memory.schedule(message(lane.clone(), &call), &id, due).await.unwrap();
            lane
        }

        async fn is_registered(&self) -> bool {
            self.memory.get(&Key::Function(f())).await.unwrap().is_some()
        }
    }

    fn f() -> Function {
        Function::parse("f").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_goes_when_nothing_is_left_of_it() {
        let world = World::deleting(Some(Removal::Drain)).await;
        sleep(SETTLED_AFTER / 2).await;
        assert!(world.is_registered().await, "somebody may be about to store a call");
        let lane = world.delayed().await;
        sleep(10 * SETTLED_AFTER).await;
        assert!(world.is_registered().await, "it is waited for");
        assert_eq!(world.memory.ready(&lane, 0, 1).await.unwrap().len(), 0);
        assert!(world.memory.unschedule(&lane, &CallId::parse("c").unwrap()).await.unwrap());
        sleep(3 * LOOK_EVERY).await;
        assert!(!world.is_registered().await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_its_time_is_moved_to_where_it_is_buried() {
        let world = World::deleting(Some(Removal::DeadLetter)).await;
        let lane = world.delayed().await;
        sleep(2 * LOOK_EVERY).await;
        assert_eq!(world.memory.ready(&lane, 0, 9).await.unwrap().len(), 1);
        assert!(world.memory.scheduled(&lane.queue, None, 0, 9).await.unwrap().is_empty());
        assert!(world.is_registered().await);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_in_a_queue_that_nobody_names_any_more_are_waited_for() {
        let world = World::deleting(Some(Removal::Drain)).await;
        let lane = world.delayed_in(Queue::parse("former").unwrap()).await;
        sleep(10 * SETTLED_AFTER).await;
        assert!(world.is_registered().await);
        assert!(world.memory.unschedule(&lane, &CallId::parse("c").unwrap()).await.unwrap());
        sleep(2 * LOOK_EVERY_LATER).await;
        assert!(!world.is_registered().await);
    }

    #[test]
    fn one_that_takes_long_is_looked_at_less_often_whoever_else_is_new() {
        let now = Instant::now();
        let young = Known::new(now, None).looked(true, now + LOOK_EVERY);
        assert_eq!((young.empty, young.next), (0, now + 2 * LOOK_EVERY));
        let old = young.looked(false, now + 2 * LATER);
        assert_eq!((old.empty, old.next), (1, now + 2 * LATER + LOOK_EVERY_LATER));
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_that_is_deleted_again_is_given_time_again() {
        let world = World::deleting(Some(Removal::Drain)).await;
        sleep(2 * SETTLED_AFTER).await;
        assert!(!world.is_registered().await);
        world.directory.send_replace(Arc::default());
        world.set(None).await;
        world.set(Some(Removal::Drain)).await;
        sleep(SETTLED_AFTER / 2).await;
        assert!(world.is_registered().await, "somebody may be about to store a call");
        sleep(2 * SETTLED_AFTER).await;
        assert!(!world.is_registered().await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_that_is_wanted_again_stays() {
        let world = World::deleting(Some(Removal::Drain)).await;
        sleep(SETTLED_AFTER / 2).await;
        world.set(None).await;
        sleep(10 * SETTLED_AFTER).await;
        assert!(world.is_registered().await);
    }
}
