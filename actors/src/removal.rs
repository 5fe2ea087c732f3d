//! Deleting a function: its calls run out, or go to the dead letters, and then its record goes.
//!
//! Whoever deletes a function writes that on its record (`Deployment::deleting`) and no more. Gateways take no calls of
//! it from then on; workers go on with those there are, or bury them; and when none is left, a worker removes the record.
//! So it survives every restart, and to register the function again takes it back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proto::spec::Removal;
use proto::{Function, LaneKey, Queue, codec};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::directory::Directory;
use crate::port::broker::{Error, Message};
use crate::port::control::{self, Expected, Key, Record};
use crate::port::holdings::Held;
use crate::port::{Broker, Control};

/// How long a function is looked after at least: a gateway may have been about to store a call.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
/// How often to look: at first, and at one that takes long.
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
    /// Since when each is known to be leaving, and how often in a row nothing of it was found.
    known: BTreeMap<Function, (Instant, u32)>,
}

impl Remover {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new(broker: Arc<dyn Broker>, control: Arc<dyn Control>, directory: watch::Receiver<Arc<Directory>>) -> Self {
        Self { broker, control, directory, known: BTreeMap::new() }
    }

    /// Looks again and again, for as long as there is anybody who changes the directory.
    pub async fn keep_looking(mut self) {
        while self.directory.wait_for(|directory| !directory.leaving().is_empty()).await.is_ok() {
            self.look().await;
            let newest = self.known.values().map(|(since, _)| since.elapsed()).min();
            sleep(if newest.is_some_and(|age| age > LATER) { LOOK_EVERY_LATER } else { LOOK_EVERY }).await;
        }
    }

    /// Looks at each of them once.
    async fn look(&mut self) {
        let directory = self.directory.borrow().clone();
        self.known.retain(|function, _| directory.leaving().contains_key(function));
        // A function may have left calls in a queue that it had before.
        let mut queues: BTreeSet<Queue> = directory.queues();
        queues.extend(directory.set_queues().map(|spec| spec.queue.clone()));
        queues.insert(Queue::default());
        queues.remove(&Queue::callbacks());
        for (function, removal) in directory.leaving() {
            let lanes: Vec<LaneKey> = queues.iter().map(|it| LaneKey::new(it.clone(), function.clone())).collect();
            let (since, empty) = self.known.get(function).copied().unwrap_or_else(|| (Instant::now(), 0));
            let empty = match self.is_left(&lanes, *removal).await {
                Ok(false) => empty + 1,
                Ok(true) => 0,
                Err(error) => {
                    tracing::warn!(%function, %error, "what is left of a function's calls cannot be found out");
                    0
                }
            };
            self.known.insert(function.clone(), (since, empty));
            if empty >= EMPTY_TIMES
                && since.elapsed() >= SETTLED_AFTER
                && let Err(error) = self.finish(function).await
            {
                tracing::warn!(%function, %error, "a function without calls cannot be removed yet");
            }
        }
    }

    /// Whether any call of these lanes is left. What is to be buried is moved to where that is done.
    async fn is_left(&self, lanes: &[LaneKey], removal: Removal) -> Result<bool, Error> {
        for lane in lanes {
            // A retry goes from its lane to the schedules, and comes from there.
            let scheduled = self.broker.scheduled(&lane.queue, Some(&lane.function), 0, PAGE).await?;
            if !scheduled.is_empty() {
                if removal == Removal::DeadLetter {
                    self.bring_forward(scheduled).await?;
                }
                return Ok(true);
            }
            if !self.broker.ready(lane, 0, 1).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Moves what waits for its time to its lane, as if that had come. Stopped in between, it lies in both, as one message.
    async fn bring_forward(&self, scheduled: Vec<Held>) -> Result<(), Error> {
        for Held { lane, id, payload, .. } in scheduled {
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
        let Some((Record::Function(_, deployment), revision)) = self.control.get(&key).await? else { return Ok(()) };
        if deployment.deleting.is_none() {
            return Ok(());
        }
        match self.control.delete(&key, Expected::Revision(revision)).await {
            Ok(true) => tracing::info!(%function, "deleted: none of its calls is left"),
            Ok(false) | Err(control::Error::Conflict { .. }) => {}
            Err(control::Error::Broker(error)) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proto::{Call, CallId, FunctionSpec, Request};
    use tokio::task::JoinSet;

    use super::*;
    use crate::call::plan::message;
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
            let remover = Remover::new(
                Arc::new(world.memory.clone()),
                Arc::new(world.memory.clone()),
                world.directory.subscribe(),
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
            let (id, lane) = (CallId::parse("c").unwrap(), LaneKey::new(Queue::default(), f()));
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
    async fn a_function_that_is_wanted_again_stays() {
        let world = World::deleting(Some(Removal::Drain)).await;
        sleep(SETTLED_AFTER / 2).await;
        world.set(None).await;
        sleep(10 * SETTLED_AFTER).await;
        assert!(world.is_registered().await);
    }
}
