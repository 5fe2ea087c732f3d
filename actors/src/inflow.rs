//! How messages come in to a subscriber: permits in hand, the demand for more, and at most one pull.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};

use crate::demand::{Ask, Demand};
use crate::permit::Permits;
use crate::port::Lane;
use crate::port::broker::Error;
use crate::pull::{self, Pulled, Sink};

/// How long a pull waits for a first message before it is asked anew.
const PULL_WAIT: Duration = Duration::from_secs(2);

/// What a subscriber may take, and is taking.
pub struct Inflow {
    hand: Permits,
    /// Permits to let go of as calls end.
    owed: u32,
    /// Whether a wish for permits is still unanswered.
    asked: bool,
    /// Messages that waited behind the last one taken; 1 if all that is known is that there may be some.
    backlog: u64,
    pull: Option<AbortHandle>,
    sink: Sink,
}

impl Inflow {
    /// With no permits yet, and work to be expected; pulls tell `sink`.
    #[must_use]
    pub fn new(none: Permits, sink: Sink) -> Self {
        Self { hand: none, owed: 0, asked: false, backlog: 1, pull: None, sink }
    }

    /// There may be work.
    pub fn expect_work(&mut self) {
        self.backlog = self.backlog.max(1);
    }

    /// A message was taken, and so many waited behind it.
    pub fn taken(&mut self, behind: u64) {
        self.backlog = behind;
    }

    /// A wish was answered.
    pub fn granted(&mut self, permits: Permits) {
        self.asked = false;
        self.hand.join(permits);
    }

    /// A call ended, and its permit is free for the next one, unless it was asked back.
    pub fn landed(&mut self, permit: Permits) {
        if self.owed > 0 {
            self.owed -= 1;
            drop(permit);
        } else {
            self.hand.join(permit);
        }
    }

    /// Lets go of `count`: those in hand now, the others as calls end.
    pub fn recall(&mut self, count: u32) {
        self.owed += count - self.hand.take(count).count();
    }

    /// Lets go of everything in hand.
    pub fn release(&mut self) {
        drop(self.hand.take(u32::MAX));
    }

    /// Ends the pull that is out; what it has taken and not told goes back.
    pub fn cut(&self) {
        if let Some(pull) = &self.pull {
            pull.abort();
        }
    }

    /// The pull is over. Its error, if it ended with one.
    pub fn over(&mut self, Pulled { unused, taken, error }: Pulled) -> Option<Error> {
        self.pull = None;
        self.hand.join(unused);
        if taken == 0 {
            self.backlog = 0;
        }
        error
    }

    /// Pulls from `lane` and lets go of permits as the demand is; the wish for more, if there is one.
    pub fn proceed(
        &mut self,
        lane: &Arc<dyn Lane>,
        in_flight: usize,
        limit: Option<NonZeroU32>,
        tasks: &mut JoinSet<()>,
    ) -> Option<Ask> {
        let step = Demand {
            hand: self.hand.count(),
            in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
            limit,
            backlog: self.backlog,
            pulling: self.pull.is_some(),
            asked: self.asked,
        }
        .step();
        drop(self.hand.take(step.release));
        if step.pull > 0 {
            let permits = self.hand.take(step.pull);
            self.pull = Some(tasks.spawn(pull::run(lane.clone(), permits, PULL_WAIT, self.sink.clone())));
        }
        self.asked |= matches!(step.ask, Some(Ask::Work(_)));
        step.ask
    }

    /// Whether a pull is out.
    #[must_use]
    pub fn is_pulling(&self) -> bool {
        self.pull.is_some()
    }

    /// Messages known to wait.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.backlog
    }

    /// Permits in hand.
    #[must_use]
    pub fn permits(&self) -> u32 {
        self.hand.count()
    }
}
