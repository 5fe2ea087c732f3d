//! The calls in flight of one subscriber: a task and a lease each.

pub mod lease;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use proto::{Call, CallId, LaneKey};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout};

use self::lease::{Ring, Schedule};
use crate::call::Desk;
use crate::call::exchange::Way;
use crate::call::report::Ledger;
use crate::call::run::{self, Means, Stop};
use crate::limit::InFlight;
use crate::limit::endpoints::Endpoints;
use crate::limit::retries::Retries;
use crate::meter::Series;
use crate::meter::series::Flying;
use crate::permit::Permits;
use crate::port::broker::Error;
use crate::port::{Broker, Delivery, Lease};
use crate::waiting::spells::Spells;
use crate::waiting::{Reason, Waiting};

/// How long messages may take to be given back before that is left to the end of their leases.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(2);

/// Every call in flight, by a key of its own. The tasks belong to the caller's [`JoinSet`], and die with it.
pub struct Flights {
    lane: LaneKey,
    endpoints: Endpoints,
    retries: Arc<Retries>,
    series: Arc<Series>,
    calls: BTreeMap<u64, Flight>,
    /// How many of them are settled without a permit.
    settling: usize,
    ring: Ring,
    schedule: Schedule,
    last_key: u64,
    /// What the lane waits for, if anybody traces.
    waits: Option<Spells>,
    /// Whether nothing is to start here any more.
    recalled: bool,
}

struct Flight {
    message: Arc<str>,
    lease: Arc<dyn Lease>,
    task: AbortHandle,
    /// Absent once it was told to stop.
    stop: Option<oneshot::Sender<Stop>>,
    is_settling: bool,
}

/// Forgets finished tasks of a lane. A panic among them was reported by its guard, and is told here.
pub fn reap(tasks: &mut JoinSet<()>, lane: &LaneKey) {
    while let Some(ended) = tasks.try_join_next() {
        if let Err(error) = ended
            && error.is_panic()
        {
            tracing::error!(%lane, %error, "a task of this lane panicked");
        }
    }
}

impl Flights {
    /// None yet, of `lane`; they will go to `endpoints`, leases will last as long as `lease`, and `series` counts.
    #[must_use]
    pub fn new(lane: LaneKey, endpoints: Endpoints, lease: Duration, series: Arc<Series>) -> Self {
        Self {
            lane,
            endpoints,
            retries: Arc::default(),
            series,
            calls: BTreeMap::new(),
            settling: 0,
            ring: Ring::default(),
            schedule: Schedule { lease },
            last_key: 0,
            waits: None,
            recalled: false,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// How many there are, and how many of them run.
    #[must_use]
    pub fn count(&self) -> InFlight {
        let count = |calls| u32::try_from(calls).unwrap_or(u32::MAX);
        InFlight { leased: count(self.calls.len()), running: count(self.calls.len() - self.settling) }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// How often [`overdue`](Self::lose_overdue) and [`due`](Self::due) must be looked at.
    #[must_use]
    pub fn beat(&self) -> Duration {
        self.schedule.beat()
    }

    /// The lane waits for this now, as whoever traces is told.
    pub fn note_wait(&mut self, desk: &Desk, waiting: impl FnOnce() -> Option<Waiting>) {
        if desk.tracing.tracer().is_some() {
            // What waits for a time is not in the lane.
            let reason = waiting().map(|it| it.reason).filter(|reason| *reason != Reason::DueLater);
            self.waits.get_or_insert_default().note(reason, || desk.clock.now());
        }
    }

    /// Starts a call whose message was taken at `now`, and which has the `patience` to wait for a connection that others
    /// use; its end is put down in `ledger`. Without a permit it gives its message back, for whoever has one.
    pub fn launch(
        &mut self,
        tasks: &mut JoinSet<()>,
        desk: &Arc<Desk>,
        (delivery, permit): (Delivery, Permits),
        now: Instant,
        patience: Duration,
        ledger: &Ledger,
    ) {
        self.last_key += 1;
        let key = self.last_key;
        let (desk, endpoints, lease) = (desk.clone(), self.endpoints.clone(), delivery.lease.clone());
        let is_to_run = permit.count() > 0 && !self.recalled;
        let report = ledger.report(key, now, permit);
        // Taken here rather than in the task, so that whoever asks for room next sees it taken.
        let slot = endpoints.take(&[]);
        if delivery.deliveries > 1 {
            self.series.redeliveries.add(1);
        }
        let flying = Flying::new(&self.series);
        let (message, retries, (stop, stopped)) = (delivery.id.clone(), self.retries.clone(), oneshot::channel());
        let waits = self.waits.clone();
        // In a box of its own: a runtime moves what it is given several times, and this is large.
        let task = tasks.spawn(Box::pin(async move {
            let (series, waits) = (&flying, waits.as_ref());
            let way = Way { endpoints: &endpoints, slot, patience };
            let means = Means { way, retries: &retries, series, stop: stopped, waits };
            run::run(&desk, means, delivery, report).await;
        }));
        self.ring.hold(key, now.into_std());
        let mut flight = Flight { message, lease, task, stop: Some(stop), is_settling: false };
        if !is_to_run {
            flight.stop(Stop::GiveBack);
        }
        self.calls.insert(key, flight);
    }

    /// A call has run, and is settled without a permit.
    pub fn settle(&mut self, key: u64) {
        if let Some(flight) = self.calls.get_mut(&key) {
            self.settling += usize::from(!std::mem::replace(&mut flight.is_settling, true));
        }
    }

    /// A call is over. Its lease, unless the call had been given up before.
    pub fn land(&mut self, key: u64) -> Option<Arc<dyn Lease>> {
        Some(self.remove(key)?.lease)
    }

    fn remove(&mut self, key: u64) -> Option<Flight> {
        self.ring.release(key);
        let flight = self.calls.remove(&key)?;
        self.settling -= usize::from(flight.is_settling);
        Some(flight)
    }

    /// Aborts calls whose leases are lost: the messages may already be somebody else's, so nothing of them is settled.
    fn lose(&mut self, keys: Vec<u64>) {
        for key in keys {
            if let Some(call) = self.remove(key) {
                call.task.abort();
                self.series.leases_lost.add(1);
                tracing::error!(lane = %self.lane, "a lease was lost; its call is aborted, and runs again elsewhere");
            }
        }
    }

    /// Loses every call whose lease could not be extended for as long as it lasts.
    pub fn lose_overdue(&mut self, now: Instant) {
        let overdue = self.ring.older_than(self.schedule.lost_at(), now.into_std());
        self.lose(overdue);
    }

    /// The leases that are to be extended now, if any.
    #[must_use]
    pub fn due(&mut self, now: Instant) -> Option<Extension> {
        let keys = self.ring.older_than(self.schedule.renew_at(), now.into_std());
        let leases: Vec<_> = keys.iter().filter_map(|key| Some((*key, self.calls.get(key)?.lease.clone()))).collect();
        (!leases.is_empty()).then(|| Extension { leases, asked: now, within: self.schedule.renew_at() })
    }

    /// Takes note of what became of an [`Extension`].
    pub fn extended(&mut self, Extended { asked, renewed, refused }: Extended) {
        for key in renewed {
            self.ring.renewed(key, asked.into_std());
        }
        self.lose(refused);
    }

    /// Has a call end, if it is among these, because its caller does not want it any more: not one that was redriven since.
    pub fn cancel(&mut self, call: &CallId, redriven: u32) {
        let life = Some((call.as_str(), redriven));
        for flight in self.calls.values_mut().filter(|flight| Call::life_in(&flight.message) == life) {
            flight.stop(Stop::Cancelled);
        }
    }

    /// Has every call give its message back, those too that are still to come; one that has run settles. Whether this is
    /// the first time.
    pub fn recall(&mut self) -> bool {
        self.calls.values_mut().for_each(|flight| flight.stop(Stop::GiveBack));
        !std::mem::replace(&mut self.recalled, true)
    }

    /// Aborts every call; the leases are still held, and are to be given back.
    #[must_use]
    pub fn abandon(&mut self) -> Vec<Arc<dyn Lease>> {
        self.ring = Ring::default();
        self.settling = 0;
        std::mem::take(&mut self.calls)
            .into_values()
            .map(|call| {
                call.task.abort();
                call.lease
            })
            .collect()
    }
}

impl Flight {
    /// One that was told before, or is past its attempt, hears nothing.
    fn stop(&mut self, why: Stop) {
        if let Some(stop) = self.stop.take() {
            drop(stop.send(why));
        }
    }
}

/// Leases to extend.
pub struct Extension {
    leases: Vec<(u64, Arc<dyn Lease>)>,
    asked: Instant,
    within: Duration,
}

/// What became of an [`Extension`]; calls in neither list may be asked for again.
#[derive(Debug)]
pub struct Extended {
    asked: Instant,
    renewed: Vec<u64>,
    refused: Vec<u64>,
}

impl Extension {
    /// Asks the broker, for all of them at once.
    pub async fn ask(self) -> Extended {
        let Self { leases, asked, within } = self;
        let answers =
            join_all(leases.into_iter().map(async |(key, lease)| (key, timeout(within, lease.extend()).await)));
        let mut extended = Extended { asked, renewed: Vec::new(), refused: Vec::new() };
        for (key, answer) in answers.await {
            match answer {
                Ok(Ok(())) => extended.renewed.push(key),
                Ok(Err(Error::Refused(_))) => extended.refused.push(key),
                Ok(Err(error)) => tracing::warn!(%error, "a lease could not be extended"),
                Err(_) => tracing::warn!("a lease could not be extended: the broker did not answer in time"),
            }
        }
        extended
    }
}

/// Gives messages back; one that cannot be comes back by itself when its lease ends.
pub async fn give_back(broker: &dyn Broker, lane: &LaneKey, leases: Vec<Arc<dyn Lease>>, delay: Option<Duration>) {
    let all = join_all(leases.iter().map(async |lease| {
        if let Err(error) = lease.give_back(delay).await {
            tracing::warn!(%error, "a message could not be given back; it is free when its lease ends");
        }
    }));
    if timeout(GIVE_BACK_WITHIN, all).await.is_err() {
        tracing::warn!("not every message was given back in time; the others are free when their leases end");
    }
    if delay.is_none() {
        broker.hint(lane).await;
    }
}
