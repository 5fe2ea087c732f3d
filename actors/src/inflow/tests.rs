//! How a subscriber's inflow answers what happens.

use std::num::NonZeroU32;
use std::sync::Mutex;

use futures_util::{StreamExt, stream};
use proto::{Function, LaneKey, Queue};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::pull::Event;
use super::*;
use crate::permit::capacity::{Capacity, Notice};
use crate::port::{BoxFuture, BoxStream, Delivery, Lease};

fn run(calls: usize) -> InFlight {
    let running = u32::try_from(calls).unwrap();
    InFlight { leased: running, running }
}

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

/// A message that comes for the `deliveries`th time.
fn delivery(lane: &LaneKey, deliveries: u32, behind: u64) -> Delivery {
    Delivery {
        lane: lane.clone(),
        id: "m".into(),
        payload: bytes::Bytes::new().into(),
        stored_at: None,
        deliveries,
        behind,
        lease: Arc::new(NoLease),
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
            .then(move |_| {
                let lane = lane.clone();
                async move {
                    sleep(Duration::from_millis(10)).await;
                    Ok(delivery(&lane, 1, 1000))
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
    tasks.spawn(pull::run(lane, permits, PULL_WAIT, Reins::default(), sink)).abort();
    assert!(tasks.join_next().await.unwrap().unwrap_err().is_cancelled());
    assert_eq!(*told.lock().unwrap(), [3]);
}

/// A lane whose pulls cannot be taken back: a message comes to each after a second.
struct Deaf(LaneKey);

impl Lane for Deaf {
    fn pull(&self, _: NonZeroU32, _: Duration, _: CancellationToken) -> BoxStream<'static, Result<Delivery, Error>> {
        let lane = self.0.clone();
        let message = async move {
            sleep(Duration::from_secs(1)).await;
            Ok(delivery(&lane, 1, 0))
        };
        stream::once(message).boxed()
    }
    fn waiting(&self) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(async { Ok(0) })
    }
    fn set_limit(&self, _: Option<NonZeroU32>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_only_waited_with_is_free_at_once_although_its_pull_stays_out() {
    let key = LaneKey::new(Queue::default(), Function::parse("f").unwrap());
    let lane: Arc<dyn Lane> = Arc::new(Deaf(key.clone()));
    let capacity = Capacity::new(2);
    let told = Arc::<Mutex<Vec<Event>>>::default();
    let events = told.clone();
    let sink: Sink = Arc::new(move |event| events.lock().unwrap().push(event));
    let seat = capacity.join(key, Arc::new(|_| Ok(())));
    let mut inflow = Inflow::new(2, Arc::default(), seat, sink, false, Arc::default());
    inflow.know(Ok(0));
    let mut tasks = JoinSet::new();
    inflow.proceed(&lane, run(0), &mut tasks);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(capacity.count(), (2, 1), "it waits with one");
    inflow.let_go();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(capacity.count(), (2, 2));
    assert!(inflow.is_pulling());
    tasks.join_next().await.unwrap().unwrap();
    let told = std::mem::take(&mut *told.lock().unwrap());
    let [Event::Taken(taken), Event::Over(Pulled { unused, asked: 1, taken: 1, .. })] = &told[..] else {
        panic!("one message, and the end");
    };
    assert_eq!((taken[0].1.count(), unused.count()), (0, 0), "the message has no permit");
    assert_eq!(capacity.count(), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_heard_of_while_a_pull_is_out_is_not_forgotten() {
    let key = LaneKey::new(Queue::default(), Function::parse("f").unwrap());
    let lane: Arc<dyn Lane> = Arc::new(Slow(key.clone()));
    let seat = Capacity::new(64).join(key.clone(), Arc::new(|_| Ok(())));
    let mut inflow = Inflow::new(64, Arc::default(), seat, Arc::new(|_| ()), false, Arc::default());
    let mut tasks = JoinSet::new();
    let over = |inflow: &Inflow, taken| Pulled { unused: inflow.seat.none(), asked: taken, taken, error: None };
    inflow.proceed(&lane, run(0), &mut tasks);
    let out = over(&inflow, 1);
    inflow.taken(&delivery(&key, 1, 0), Instant::now());
    assert!(inflow.over(out).is_none());
    assert_eq!(inflow.backlog(), 0, "nothing waits behind it, and nothing was heard of since");
    for taken in [1, 0] {
        inflow.expect_work();
        inflow.pull = Some((Reins::default(), 1));
        inflow.heard = false;
        inflow.expect_work();
        if taken > 0 {
            inflow.taken(&delivery(&key, 1, 0), Instant::now());
        }
        let out = over(&inflow, taken);
        assert!(inflow.over(out).is_none());
        assert_eq!(inflow.backlog(), 1, "another call came meanwhile");
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_again_is_pulled_until_no_more_comes_although_nothing_is_said_to_wait() {
    let key = LaneKey::new(Queue::default(), Function::parse("f").unwrap());
    let seat = Capacity::new(64).join(key.clone(), Arc::new(|_| Ok(())));
    let mut inflow = Inflow::new(64, Arc::default(), seat, Arc::new(|_| ()), false, Arc::default());
    for (asked, taken, deliveries, expected) in
        [(1, 1, 2, 2), (2, 2, 2, 4), (4, 3, 2, 1), (1, 0, 2, 0), (4, 4, 1, 0), (1, 1, 2, 2)]
    {
        inflow.pull = Some((Reins::default(), asked));
        for _ in 0..taken {
            inflow.taken(&delivery(&key, deliveries, 0), Instant::now());
        }
        let unused = if asked == taken { inflow.seat.none() } else { inflow.seat.idle(Wish::default()).unwrap() };
        let pulled = Pulled { unused, asked, taken, error: None };
        inflow.heard = false;
        assert!(inflow.over(pulled).is_none());
        assert_eq!(inflow.backlog(), expected, "{taken} of {asked} came for the {deliveries}. time");
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
        inflow.proceed(&lane, run(0), &mut tasks);
        let unused = granted.lock().unwrap().pop().unwrap();
        inflow.seat.granted();
        inflow.pull = Some((Reins::default(), 1));
        if waits {
            other.wish(Wish { count: 1, ..Wish::default() });
        }
        assert!(inflow.over(Pulled { unused, asked: 1, taken: 0, error: None }).is_none());
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
        inflow.proceed(&lane, run(flying.len()), &mut tasks);
        for permits in std::mem::take(&mut *granted.lock().unwrap()) {
            inflow.granted(permits);
        }
        for event in std::mem::take(&mut *told.lock().unwrap()) {
            match event {
                Event::Taken(taken) => {
                    for (delivery, permit) in taken {
                        inflow.taken(&delivery, Instant::now());
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
