//! The line of a lane, or of what is due, as a [`Lane`] port.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use proto::LaneKey;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::line::{Line, Taken, Token};
use super::machine::{Machine, State};
use super::store::{Change, Failure, Seq};
use crate::port::broker::{Error, Terms};
use crate::port::{BoxFuture, BoxStream, Delivery, Lane, Lease};

/// Which line.
#[derive(Clone, Debug)]
pub(super) enum Which {
    Lane(LaneKey),
    Due,
}

impl Which {
    fn line<'a>(&self, state: &'a mut State) -> Option<&'a mut Line> {
        match self {
            Self::Lane(key) => Some(&mut state.lanes.get_mut(key)?.line),
            Self::Due => Some(&mut state.later.due),
        }
    }
}

/// An open lane.
pub(super) struct Handle {
    machine: Arc<Machine>,
    which: Which,
    changed: Arc<Notify>,
}

impl Handle {
    pub(super) fn open(machine: Arc<Machine>, which: Which, terms: Terms) -> Self {
        let mut state = machine.state();
        let changed = match &which {
            Which::Lane(key) => {
                let lane = state.lanes.entry(key.clone()).or_default();
                lane.handles += 1;
                lane.changed.clone()
            }
            Which::Due => machine.due.clone(),
        };
        if let Some(line) = which.line(&mut state) {
            line.set_lease(terms.lease);
            line.set_limit(terms.limit);
        }
        drop(state);
        Self { machine, which, changed }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Which::Lane(key) = &self.which {
            let mut state = self.machine.state();
            if let Some(lane) = state.lanes.get_mut(key) {
                lane.handles -= 1;
            }
            state.tidy(key);
        }
    }
}

impl Lane for Handle {
    fn pull(
        &self,
        max: NonZeroU32,
        wait: Duration,
        enough: CancellationToken,
    ) -> BoxStream<'static, Result<Delivery, Error>> {
        let pull = Pull {
            machine: self.machine.clone(),
            which: self.which.clone(),
            changed: self.changed.clone(),
            max: usize::try_from(max.get()).unwrap_or(usize::MAX),
            until: Instant::now() + wait,
            enough,
            taken: None,
        };
        futures_util::stream::unfold(pull, |mut pull| async move {
            let delivery = pull.next().await?;
            Some((delivery, pull))
        })
        .boxed()
    }

    fn waiting(&self) -> BoxFuture<'_, Result<u64, Error>> {
        let now = Instant::now().into_std();
        let waiting = self.which.line(&mut self.machine.state()).map_or(0, |line| line.waiting(now));
        Box::pin(std::future::ready(Ok(waiting)))
    }

    fn set_limit(&self, limit: Option<NonZeroU32>) -> BoxFuture<'_, Result<(), Error>> {
        if let Some(line) = self.which.line(&mut self.machine.state()) {
            line.set_limit(limit);
        }
        self.changed.notify_waiters();
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A pull; what it took and did not yield goes back when it is dropped.
struct Pull {
    machine: Arc<Machine>,
    which: Which,
    changed: Arc<Notify>,
    max: usize,
    until: Instant,
    enough: CancellationToken,
    taken: Option<VecDeque<Taken>>,
}

impl Pull {
    async fn next(&mut self) -> Option<Result<Delivery, Error>> {
        if self.taken.is_none() {
            let taken = self.first().await;
            self.taken = Some(taken.into());
        }
        let taken = self.taken.as_mut()?.pop_front()?;
        Some(self.delivery(taken))
    }

    /// Waits until there is something, or the time is up.
    async fn first(&self) -> Vec<Taken> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Listening before looking: what comes in between is not missed.
            changed.as_mut().enable();
            if self.enough.is_cancelled() {
                return Vec::new();
            }
            let (taken, timer) = self.take();
            if !taken.is_empty() || Instant::now() >= self.until {
                return taken;
            }
            let wake = timer.map_or(self.until, |timer| timer.min(self.until));
            tokio::select! {
                biased;
                () = changed => {}
                () = self.enough.cancelled() => {}
                () = sleep_until(wake) => {}
            }
        }
    }

    /// What there is now, and when there may be more.
    fn take(&self) -> (Vec<Taken>, Option<Instant>) {
        let now = Instant::now();
        let mut state = self.machine.state();
        let mut timer = None;
        if matches!(self.which, Which::Due) {
            let today = self.machine.clock.now();
            state.later.fall_due(today);
            timer = state.later.next_due().map(|due| now + due.since(today));
        }
        let Some(line) = self.which.line(&mut state) else { return (Vec::new(), None) };
        let taken = line.take(self.max, now.into_std());
        let line_timer = line.next_timer().map(Instant::from_std);
        (taken, [timer, line_timer].into_iter().flatten().min())
    }

    fn delivery(&self, Taken { seq, token, deliveries, behind }: Taken) -> Result<Delivery, Error> {
        let lane = match &self.which {
            Which::Lane(key) => key.clone(),
            Which::Due => {
                let state = self.machine.state();
                state.later.lane(seq).cloned().ok_or_else(|| Error::Refused("a schedule without a lane".into()))?
            }
        };
        // An entry that cannot be read now comes again when its lease ends.
        let (id, payload) = self.machine.store.load(seq)?;
        let lease = MemoryLease { machine: self.machine.clone(), which: self.which.clone(), seq, token };
        Ok(Delivery {
            lane,
            id: id.into(),
            payload: payload.into(),
            stored_at: None,
            deliveries,
            behind,
            lease: Arc::new(lease),
        })
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        let Some(taken) = self.taken.take().filter(|taken| !taken.is_empty()) else { return };
        let now = Instant::now().into_std();
        if let Some(line) = self.which.line(&mut self.machine.state()) {
            for Taken { seq, token, .. } in taken {
                line.give_back(seq, token, None, now);
            }
        }
        self.changed.notify_waiters();
    }
}

struct MemoryLease {
    machine: Arc<Machine>,
    which: Which,
    seq: Seq,
    token: Token,
}

impl MemoryLease {
    /// Does something with the line, if the lease still holds.
    fn with_line(&self, act: impl FnOnce(&mut Line, std::time::Instant) -> bool) -> Result<(), Error> {
        let held = {
            let mut state = self.machine.state();
            let now = Instant::now().into_std();
            self.which.line(&mut state).is_some_and(|line| act(line, now))
        };
        if held { Ok(()) } else { Err(Error::Refused("the lease has run out".into())) }
    }

    /// What follows once the store has forgotten the message, or could not.
    fn settle(&self) -> impl FnOnce(&Machine, &Result<(), Failure>) + Send + use<> {
        let (which, seq) = (self.which.clone(), self.seq);
        move |machine, result| {
            let now = Instant::now().into_std();
            let mut state = machine.state();
            if let Some(line) = which.line(&mut state) {
                match result {
                    Ok(()) => line.settled(seq),
                    Err(_) => line.not_settled(seq, now),
                }
            }
            if result.is_ok() {
                match &which {
                    Which::Lane(key) => {
                        state.leave_queue(&key.queue);
                        state.tidy(key);
                    }
                    Which::Due => drop(state.later.remove(seq)),
                }
            }
            drop(state);
            Self::notify(machine, &which);
        }
    }

    fn notify(machine: &Machine, which: &Which) {
        match which {
            Which::Lane(key) => {
                if let Some(lane) = machine.state().lanes.get(key) {
                    lane.changed.notify_waiters();
                }
            }
            Which::Due => machine.due.notify_waiters(),
        }
    }
}

impl Lease for MemoryLease {
    fn ack(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async {
            self.with_line(|line, now| line.begin_settling(self.seq, self.token, now))?;
            self.machine.commit(vec![Change::Remove(self.seq)], self.settle()).await
        })
    }

    fn ack_unconfirmed(&self) -> BoxFuture<'_, Result<(), Error>> {
        let begun = self.with_line(|line, now| line.begin_settling(self.seq, self.token, now));
        if begun.is_ok() {
            let (machine, settle) = (self.machine.clone(), self.settle());
            let applied = Box::new(move |result: Result<(), Failure>| settle(&machine, &result));
            self.machine.store.commit(vec![Change::Remove(self.seq)], applied);
        }
        Box::pin(std::future::ready(begun))
    }

    fn extend(&self) -> BoxFuture<'_, Result<(), Error>> {
        let extended = self.with_line(|line, now| line.extend(self.seq, self.token, now));
        Box::pin(std::future::ready(extended))
    }

    fn give_back(&self, delay: Option<Duration>) -> BoxFuture<'_, Result<(), Error>> {
        let given = self.with_line(|line, now| line.give_back(self.seq, self.token, delay, now));
        Self::notify(&self.machine, &self.which);
        Box::pin(std::future::ready(given))
    }
}
