//! How messages come in to a subscriber: what may start, permits to start it with, and at most one pull.

pub mod demand;
pub mod held;
pub mod pull;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::demand::Demand;
use self::held::Held;
use self::pull::{Pulled, Sink};
use crate::limit::applied::Applied;
use crate::limit::endpoints::Endpoints;
use crate::limit::rates::{Paces, Rates};
use crate::limit::{Gate, Limits, Room};
use crate::meter::Series;
use crate::permit::Permits;
use crate::permit::capacity::Seat;
use crate::permit::share::{BRIEF, QUICK, Standings, Wish};
use crate::port::Lane;
use crate::port::broker::Error;
use crate::view;
use crate::waiting::{Reason, Waiting};

/// How long a pull with one permit waits for a first message before it is asked anew.
const PULL_WAIT: Duration = Duration::from_secs(2);
/// How long one with several does, or with one that somebody waits for: long enough for a busy broker to hand out a full batch.
const BATCH_WAIT: Duration = Duration::from_millis(100);

/// How many retries are remembered, to say when the next is due.
const DUE_MAX: usize = 64;

/// What a subscriber may take, and is taking.
pub struct Inflow {
    /// The function's own limits.
    pub gate: Gate,
    rates: Arc<Rates>,
    /// The rates that its calls are subject to.
    paces: Paces,
    /// Its weights and caps.
    standings: Standings,
    seat: Seat,
    hand: Permits,
    /// Messages that waited behind the last one taken; 1 if all that is known is that there may be some.
    backlog: u64,
    /// Whether the last pull found nothing although messages wait.
    dry: bool,
    /// Whether it was heard of work since the last pull was asked for: what that brings may not know of it.
    heard: bool,
    /// How long a call usually takes.
    typical: Option<Duration>,
    /// The pull that is out, and with how many permits that have found no message yet.
    pull: Option<(CancellationToken, u32)>,
    sink: Sink,
    /// When retries that were scheduled here are due, the first ones of them.
    due: BTreeSet<Instant>,
    /// As they were when it was last decided.
    room: Room,
    wished: u32,
    held: Held,
}

impl Inflow {
    /// With no permits yet, in a worker that has `ceiling`, and work to be expected; pulls tell `sink`.
    /// It begins `gently` if everything was held back until now. `series` counts how long calls are held back.
    #[must_use]
    pub fn new(ceiling: u32, rates: Arc<Rates>, seat: Seat, sink: Sink, gently: bool, series: Arc<Series>) -> Self {
        let mut gate = Gate::new(Limits { concurrency: None, paused: false, ceiling });
        if gently {
            gate.begin_gently(Instant::now().into_std());
        }
        Self {
            gate,
            rates,
            paces: Paces::new(),
            standings: Standings::default(),
            hand: seat.none(),
            seat,
            backlog: 1,
            dry: false,
            heard: false,
            typical: None,
            pull: None,
            sink,
            due: BTreeSet::new(),
            room: Room { count: u32::MAX, by: None },
            wished: 0,
            held: Held::new(series),
        }
    }

    /// The lane is open again: everything in it was held back until now.
    pub fn begin_again(&mut self) {
        self.gate.begin_gently(Instant::now().into_std());
        self.expect_work();
    }

    /// What applies from now on; `endpoints` if calls go to some that are chosen from.
    pub fn apply(&mut self, applied: Applied, endpoints: Option<Endpoints>) {
        self.held.limited(&applied, self.gate.adaptive());
        self.gate.set(applied.limits, endpoints, Instant::now().into_std());
        (self.paces, self.standings) = (applied.paces, applied.standings);
    }

    /// There may be work.
    pub fn expect_work(&mut self) {
        self.heard = true;
        self.backlog = self.backlog.max(1);
    }

    /// So many messages wait.
    pub fn know(&mut self, backlog: Result<u64, Error>) {
        match backlog {
            Ok(backlog) => self.backlog = backlog,
            Err(error) => tracing::debug!(%error, "what waits in a lane is not known now"),
        }
    }

    /// A message was taken, and so many waited behind it.
    pub fn taken(&mut self, behind: u64, now: Instant) {
        self.backlog = behind.max(self.heard.into());
        self.dry = false;
        if let Some((_, out)) = &mut self.pull {
            *out = out.saturating_sub(1);
        }
        self.gate.began(now.into_std());
    }

    /// A wish was answered.
    pub fn granted(&mut self, permits: Permits) {
        self.seat.granted();
        self.hand.join(permits);
    }

    /// A call that took so long ended. Its permit is free for the next one, unless somebody else is to have it.
    pub fn landed(&mut self, permit: Permits, took: Duration) {
        self.typical = Some(self.typical.map_or(took, |typical| (typical * 7 + took) / 8));
        if self.seat.may_keep() {
            self.hand.join(permit);
        }
    }

    /// A call will be tried again then, if it will.
    pub fn later(&mut self, due: Option<Instant>) {
        let Some(due) = due else { return };
        self.due = self.due.split_off(&Instant::now());
        self.due.insert(due);
        if self.due.len() > DUE_MAX {
            self.due.pop_last();
        }
    }

    /// Lets go of everything in hand, and wishes for nothing.
    pub fn release(&mut self) {
        drop(self.hand.take(u32::MAX));
        self.seat.wish(Wish::default());
    }

    /// Lets go of the permit that is only waited with, if nothing is known to wait.
    pub fn let_go(&mut self) {
        if self.backlog == 0 {
            self.cut();
            drop(self.hand.take(u32::MAX));
        }
    }

    /// Ends the pull that is out; what was sent for it by then still comes, because it has been delivered by now.
    pub fn cut(&self) {
        if let Some((enough, _)) = &self.pull {
            enough.cancel();
        }
    }

    /// The pull is over. Its error, if it ended with one.
    pub fn over(&mut self, Pulled { unused, taken, error }: Pulled) -> Option<Error> {
        self.pull = None;
        self.rates.put_back(&self.paces, unused.count(), Instant::now().into_std());
        // One that found nothing stands in line again: else a lane in which all that may run do elsewhere, or that is
        // empty by now, would go on waiting with a permit that somebody here has a call for.
        if taken > 0 || !self.seat.is_contended() {
            self.hand.join(unused);
        }
        if taken == 0 {
            // Where a limit holds in the cluster, messages may wait although nothing came.
            self.dry = self.gate.limits().concurrency.is_some() && self.backlog > 0;
            self.backlog = if self.dry { self.backlog } else { self.heard.into() };
        }
        error
    }

    /// Pulls from `lane`, wishes for permits and lets go of them, as the demand is. When to look again although
    /// nothing happens, if something is known to pass by then.
    pub fn proceed(&mut self, lane: &Arc<dyn Lane>, in_flight: usize, tasks: &mut JoinSet<()>) -> Option<Instant> {
        let now = Instant::now();
        let room = self.room(u32::try_from(in_flight).unwrap_or(u32::MAX), now);
        let out = self.pull.as_ref().map(|(_, permits)| *permits);
        if out.is_some_and(|out| out > room.count) {
            // What limits the function came in between.
            self.cut();
        }
        let demand =
            Demand { hand: self.hand.count(), room: room.count, backlog: self.backlog, pulling: out, dry: self.dry };
        let step = demand.step();
        drop(self.hand.take(step.release));
        self.seat.wish(self.wish_for(step.wish));
        let mut pull = step.pull;
        if step.idle
            && let Some(permit) = self.seat.idle(self.wish_for(0))
        {
            self.hand.join(permit);
            pull = 1;
        }
        let count = if pull > 0 { self.rates.take(&self.paces, pull, now.into_std()) } else { 0 };
        if count > 0 {
            let wait = if count == 1 && !self.seat.is_contended() { PULL_WAIT } else { BATCH_WAIT };
            let permits = self.hand.take(count);
            let enough = CancellationToken::new();
            tasks.spawn(pull::run(lane.clone(), permits, wait, enough.clone(), self.sink.clone()));
            self.pull = Some((enough, count));
            self.heard = false;
        }
        (self.room, self.wished) = (room, step.wish);
        self.note_held(now);
        room.by.and_then(|by| by.until).map(Instant::from_std)
    }

    /// Whether a pull is out.
    #[must_use]
    pub fn is_pulling(&self) -> bool {
        self.pull.is_some()
    }

    /// Whether messages wait, as far as known, and none can be had.
    #[must_use]
    pub fn is_dry(&self) -> bool {
        self.dry
    }

    /// Messages known to wait.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.backlog
    }

    /// How it is.
    #[must_use]
    pub fn view(&self) -> view::Inflow {
        view::Inflow {
            permits: self.hand.count(),
            backlog: self.backlog,
            concurrency: self.gate.limits().concurrency.map(NonZeroU32::get),
            adaptive: self.gate.adaptive(),
            typical_seconds: self.typical.map(|typical| typical.as_secs_f64()),
            per_second: self.gate.per_second(Instant::now().into_std()),
            waiting: self.waiting().map(view::Waiting::from),
        }
    }

    fn room(&self, in_flight: u32, now: Instant) -> Room {
        let now = now.into_std();
        let out = self.pull.as_ref().map_or(0, |(_, permits)| *permits);
        let room = self.gate.room(in_flight, now);
        if self.paces.is_empty() {
            return room;
        }
        let until = self.rates.next(&self.paces, now).map(|(_, at)| at);
        // The pull that is out has its tokens already.
        let count = self.rates.available(&self.paces, now).saturating_add(out);
        room.and(count, Waiting { reason: Reason::Rate, until })
    }

    fn wish_for(&self, count: u32) -> Wish {
        let usually = |within| self.typical.is_some_and(|typical| typical <= within);
        Wish { count, brief: usually(BRIEF), quick: usually(QUICK), standings: self.standings }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Mutex;

    use futures_util::{StreamExt, stream};
    use proto::{Function, LaneKey, Queue};
    use tokio::time::sleep;

    use super::pull::Event;
    use super::*;
    use crate::permit::capacity::{Capacity, Notice};
    use crate::port::{BoxFuture, BoxStream, Delivery, Lease};

    struct NoLease;

    impl Lease for NoLease {
        fn ack(&self) -> BoxFuture<'_, Result<(), Error>> {
            Box::pin(async { Ok(()) })
        }
        fn ack_unconfirmed(&self) -> BoxFuture<'_, Result<(), Error>> {
            self.ack()
        }
        fn extend(&self) -> BoxFuture<'_, Result<(), Error>> {
            Box::pin(async { Ok(()) })
        }
        fn give_back(&self, _: Option<Duration>) -> BoxFuture<'_, Result<(), Error>> {
            Box::pin(async { Ok(()) })
        }
    }

    /// A lane whose messages come one every ten milliseconds, without end.
    struct Slow(LaneKey);

    impl Lane for Slow {
        fn pull(
            &self,
            max: NonZeroU32,
            _: Duration,
            enough: CancellationToken,
        ) -> BoxStream<'static, Result<Delivery, Error>> {
            let lane = self.0.clone();
            stream::iter(0..max.get())
                .then(move |n| {
                    let (lane, id) = (lane.clone(), n.to_string());
                    async move {
                        sleep(Duration::from_millis(10)).await;
                        let payload = bytes::Bytes::new().into();
                        Ok(Delivery {
                            lane,
                            id: id.into(),
                            payload,
                            stored_at: None,
                            deliveries: 1,
                            behind: 1000,
                            lease: Arc::new(NoLease),
                        })
                    }
                })
                .take_until(enough.cancelled_owned())
                .boxed()
        }
        fn waiting(&self) -> BoxFuture<'_, Result<u64, Error>> {
            Box::pin(async { Ok(1000) })
        }
        fn set_limit(&self, _: Option<NonZeroU32>) -> BoxFuture<'_, Result<(), Error>> {
            Box::pin(async { Ok(()) })
        }
    }

    #[tokio::test]
    async fn a_pull_that_is_cut_before_it_ran_is_over_all_the_same() {
        let lane: Arc<dyn Lane> = Arc::new(Slow(LaneKey::new(Queue::default(), Function::parse("f").unwrap())));
        let told = Arc::<Mutex<Vec<u32>>>::default();
        let events = told.clone();
        let sink: Sink = Arc::new(move |event| match event {
            Event::Over(pulled) => events.lock().unwrap().push(pulled.unused.count()),
            Event::Taken(_) => panic!("nothing was asked for"),
        });
        let permits = Permits::new(3, Arc::new(|_| ()));
        let mut tasks = JoinSet::new();
        tasks.spawn(pull::run(lane, permits, PULL_WAIT, CancellationToken::new(), sink)).abort();
        assert!(tasks.join_next().await.unwrap().unwrap_err().is_cancelled());
        assert_eq!(*told.lock().unwrap(), [3]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_heard_of_while_a_pull_is_out_is_not_forgotten() {
        let lane: Arc<dyn Lane> = Arc::new(Slow(LaneKey::new(Queue::default(), Function::parse("f").unwrap())));
        let seat =
            Capacity::new(64).join(LaneKey::new(Queue::default(), Function::parse("f").unwrap()), Arc::new(|_| Ok(())));
        let mut inflow = Inflow::new(64, Arc::default(), seat, Arc::new(|_| ()), false, Arc::default());
        let mut tasks = JoinSet::new();
        let over = |inflow: &Inflow, taken| Pulled { unused: inflow.seat.none(), taken, error: None };
        inflow.proceed(&lane, 0, &mut tasks);
        let out = over(&inflow, 1);
        inflow.taken(0, Instant::now());
        assert!(inflow.over(out).is_none());
        assert_eq!(inflow.backlog(), 0, "nothing waits behind it, and nothing was heard of since");
        for taken in [1, 0] {
            inflow.expect_work();
            inflow.pull = Some((CancellationToken::new(), 1));
            inflow.heard = false;
            inflow.expect_work();
            if taken > 0 {
                inflow.taken(0, Instant::now());
            }
            let out = over(&inflow, taken);
            assert!(inflow.over(out).is_none());
            assert_eq!(inflow.backlog(), 1, "another call came meanwhile");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pull_that_found_nothing_leaves_its_permit_to_who_waits() {
        let key = |name| LaneKey::new(Queue::default(), Function::parse(name).unwrap());
        let capacity = Capacity::new(1);
        let seat = |name| {
            let granted = Arc::<Mutex<Vec<Permits>>>::default();
            let grants = granted.clone();
            let tell = move |notice| {
                if let Notice::Granted(permits) = notice {
                    grants.lock().unwrap().push(permits);
                }
                Ok(())
            };
            (capacity.join(key(name), Arc::new(tell)), granted)
        };
        let ((own, granted), (mut other, others)) = (seat("own"), seat("other"));
        let mut inflow = Inflow::new(1, Arc::default(), own, Arc::new(|_| ()), false, Arc::default());
        let limits = Limits { concurrency: NonZeroU32::new(1), paused: false, ceiling: 1 };
        inflow.gate.set(limits, None, Instant::now().into_std());
        let lane: Arc<dyn Lane> = Arc::new(Slow(key("own")));
        let mut tasks = JoinSet::new();
        for waits in [false, true] {
            inflow.know(Ok(1000));
            inflow.dry = false;
            inflow.proceed(&lane, 0, &mut tasks);
            let unused = granted.lock().unwrap().pop().unwrap();
            inflow.seat.granted();
            inflow.pull = Some((CancellationToken::new(), 1));
            if waits {
                other.wish(Wish { count: 1, ..Wish::default() });
            }
            assert!(inflow.over(Pulled { unused, taken: 0, error: None }).is_none());
            assert!(inflow.is_dry(), "messages wait, and none can be had");
            assert_eq!(inflow.hand.count(), u32::from(!waits), "alone, it goes on waiting with it");
            inflow.release();
        }
        assert_eq!(others.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_pull_has_brought_does_not_count_twice_against_the_limit() {
        let key = LaneKey::new(Queue::default(), Function::parse("f").unwrap());
        let (told, granted) = (Arc::<Mutex<Vec<Event>>>::default(), Arc::<Mutex<Vec<Permits>>>::default());
        let (events, grants) = (told.clone(), granted.clone());
        let tell = move |notice| {
            if let Notice::Granted(permits) = notice {
                grants.lock().unwrap().push(permits);
            }
            Ok(())
        };
        let seat = Capacity::new(64).join(key.clone(), Arc::new(tell));
        let sink: Sink = Arc::new(move |event| events.lock().unwrap().push(event));
        let mut inflow = Inflow::new(64, Arc::default(), seat, sink, false, Arc::default());
        let limits = Limits { concurrency: NonZeroU32::new(10), paused: false, ceiling: 64 };
        inflow.gate.set(limits, None, Instant::now().into_std());
        inflow.know(Ok(1000));
        let lane: Arc<dyn Lane> = Arc::new(Slow(key));
        let (mut tasks, mut flying) = (JoinSet::new(), Vec::new());
        for _ in 0..20 {
            inflow.proceed(&lane, flying.len(), &mut tasks);
            for permits in std::mem::take(&mut *granted.lock().unwrap()) {
                inflow.granted(permits);
            }
            for event in std::mem::take(&mut *told.lock().unwrap()) {
                match event {
                    Event::Taken(taken) => {
                        for (delivery, permit) in taken {
                            inflow.taken(delivery.behind, Instant::now());
                            flying.push(permit);
                        }
                    }
                    Event::Over(pulled) => {
                        assert_eq!((pulled.taken, pulled.unused.count()), (10, 0), "it was not cut short");
                        assert!(inflow.over(pulled).is_none());
                    }
                }
            }
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(flying.len(), 10);
    }
}
