//! What holds calls back, and for how long it has.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Inflow;
use crate::limit::applied::Applied;
use crate::limit::rates::Whose;
use crate::meter::Series;
use crate::permit::share::Short;
use crate::waiting::{Reason, Waiting};

/// For how long it is taken to be the same that permits are short of: to look is dearer than to run a call may be.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Charges the time in which calls waited to what they waited for.
pub struct Held {
    series: Arc<Series>,
    by: Option<Reason>,
    since: Instant,
    looked_at: Option<Instant>,
}

impl Held {
    /// Nothing is held back yet.
    #[must_use]
    pub fn new(series: Arc<Series>) -> Self {
        Self { series, by: None, since: Instant::now(), looked_at: None }
    }

    /// This is what is set now, and how many at once the function was found to bear.
    pub(super) fn limited(&self, applied: &Applied, adaptive: Option<u32>) {
        let own = applied.paces.iter().find(|(whose, _)| matches!(whose, Whose::Function(_)));
        self.series.concurrency.set(applied.limits.concurrency.map(NonZeroU32::get).map(f64::from));
        self.series.adaptive.set(adaptive.map(f64::from));
        self.series.rate.set(own.map(|(_, pace)| pace.per_second));
        self.series.paused.set(Some(f64::from(u8::from(applied.limits.paused))));
    }

    /// From now on they wait for this, if they do; until now, for what was said before.
    fn by(&mut self, reason: Option<Reason>, now: Instant) {
        if let Some(before) = self.by {
            self.series.held(before, now.duration_since(self.since));
        }
        (self.by, self.since) = (reason, now);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.by(None, Instant::now());
        let Series { concurrency, adaptive, rate, paused, .. } = &*self.series;
        [concurrency, adaptive, rate, paused].into_iter().for_each(|gauge| gauge.set(None));
    }
}

impl Inflow {
    /// Takes note of what holds calls back now.
    pub(super) fn note_held(&mut self, now: Instant) {
        let is_short = self.backlog > 0 && self.room.count > 0 && !self.dry && self.wished > 0;
        if is_short && self.held.looked_at.is_some_and(|at| now.duration_since(at) < LOOK_EVERY) {
            let by = self.held.by;
            return self.held.by(by, now);
        }
        self.held.looked_at = is_short.then_some(now);
        // A retry that is due later is not held back: it has its time.
        let by = if self.backlog > 0 { self.waiting().map(|it| it.reason) } else { None };
        self.held.by(by, now);
    }

    /// Why nothing starts although messages wait: the limits first, then the permits. With none waiting, the retry
    /// that is next.
    #[must_use]
    pub fn waiting(&self) -> Option<Waiting> {
        if self.backlog == 0 {
            let next = self.put_off.next(Instant::now().into_std());
            return next.map(|due| Reason::DueLater.until(due));
        }
        if self.room.count == 0 {
            return self.room.by;
        }
        if self.dry {
            return Some(Reason::ClusterLimit.open_ended());
        }
        let short = if self.wished > 0 { self.seat.short_of() } else { None };
        match short? {
            Short::Queue => Some(Reason::QueueShare.open_ended()),
            Short::Namespace => Some(Reason::NamespaceLimit.open_ended()),
            Short::Worker => Some(Reason::WorkerCapacity.open_ended()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_is_charged_to_what_was_waited_for_in_it() {
        let series = Arc::<Series>::default();
        let mut held = Held::new(series.clone());
        for (reason, millis) in [(None, 100), (Some(Reason::Paused), 200), (Some(Reason::Rate), 300), (None, 400)] {
            held.by(reason, Instant::now());
            advance(Duration::from_millis(millis)).await;
        }
        held.by(Some(Reason::Rate), Instant::now());
        advance(Duration::from_millis(500)).await;
        drop(held);
        assert_eq!(series.held_for(Reason::Paused), Duration::from_millis(200));
        assert_eq!(series.held_for(Reason::Rate), Duration::from_millis(800), "to its very end");
    }
}
